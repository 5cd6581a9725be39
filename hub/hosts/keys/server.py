"""HTTPS with certificates on both sides, one thread per connection: the handler must know who is asking."""

import ssl
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RD, socket
from threading import BoundedSemaphore, Thread, current_thread
from typing import Any, cast

import orjson
import structlog

from hub.adapters.keys import wire
from hub.adapters.keys.tls import TlsFiles, peer_of, server_context
from hub.errors import ConfigurationError
from hub.hosts.keys.service import KeyService

log = structlog.get_logger()
_HANDSHAKE = 10.0  # seconds
_IDLE = 120.0  # seconds that a connection may be silent
_CONNECTIONS = 200
_LAST_ANSWERS = 5.0  # seconds


class KeyServer(ThreadingHTTPServer):
    """Answers until `shutdown`. `serve_forever` blocks; `port` tells where it listens when 0 was asked for."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, service: KeyService, files: TlsFiles, host: str, port: int) -> None:
        """Raises ConfigurationError for certificates that cannot be used or an address that is taken."""
        server_context(files)
        self._files, self._room = files, BoundedSemaphore(_CONNECTIONS)
        self._connections: dict[int, tuple[socket, Thread]] = {}
        try:
            super().__init__((host, port), partial(_Handler, service))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen: {error.strerror}", place=f"{host}:{port}", remedy="choose another address"
            ) from None

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Beyond the most connections none is taken: a flood of them must not take all memory."""
        if not self._room.acquire(blocking=False):
            log.warning("keys.full", connections=_CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's own thread: whoever is slow holds up nobody else. The certificates
        are read for each connection, so that renewed ones count at once."""
        try:
            request.settimeout(_HANDSHAKE)
            with server_context(self._files).wrap_socket(request, server_side=True) as secured:
                secured.settimeout(_IDLE)
                self._connections[id(request)] = secured, current_thread()
                self.finish_request(secured, client_address)
        except (ssl.SSLError, ConfigurationError) as error:
            log.warning("keys.handshake_failed", error=type(error).__name__)
        except OSError:
            pass  # whoever asked is gone
        except Exception as error:  # noqa: BLE001 - a bug in one answer ends one connection, and quotes nothing
            log.error("keys.bug", error=type(error).__name__)  # noqa: TRY400 - a traceback may show what was asked
        finally:
            self._connections.pop(id(request), None)
            self._room.release()
            self.shutdown_request(request)

    def server_close(self) -> None:
        """Take no more questions, let those under way be answered, and end every connection."""
        super().server_close()
        for connection, thread in list(self._connections.values()):
            with suppress(OSError):
                socket.shutdown(connection, SHUT_RD)  # not SSLSocket's, which could not answer any more
            thread.join(_LAST_ANSWERS)


class _Handler(BaseHTTPRequestHandler):
    """One connection; questions follow each other on it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fallbruecke", ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, service: KeyService, *rest: Any) -> None:
        self._service = service
        super().__init__(*rest)

    def setup(self) -> None:
        super().setup()
        self._peer = peer_of(cast(ssl.SSLSocket, self.connection).getpeercert())

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > wire.LARGEST:
            self.close_connection = True
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "the question is too large"})
            return
        body = self.rfile.read(int(size))
        try:
            question = orjson.loads(body)
        except orjson.JSONDecodeError:
            question = None
        verb = self.path.removeprefix("/v1/")
        self._send(*self._service.answer(self._peer, verb, question))

    def _send(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        body = orjson.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it is called by
        """No access log: the service says itself what an operator needs to know."""
