"""HTTPS with certificates on both sides, one thread per connection: the handler must know who is asking."""

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RD, SHUT_WR, socket
from threading import Thread, current_thread
from typing import Any, cast

import orjson
import structlog

from hub.adapters.keys import wire
from hub.adapters.keys.tls import Peer, TlsFiles, peer_of, server_context
from hub.errors import ConfigurationError
from hub.hosts.keys.connections import Closed, Connection, ConnectionLimits, Connections, Phase
from hub.hosts.keys.service import KeyService, refused

log = structlog.get_logger()
_LAST_ANSWERS = 5.0  # seconds
_LINGER = 1.0  # seconds in which a caller whose certificate was refused may hear why
Answered = Callable[[HTTPStatus, float], object]
"""Hears of each answer, and of the seconds that it took."""


def _unheard(*_: object) -> None:
    pass


class KeyServer(ThreadingHTTPServer):
    """Answers until `shutdown`. `serve_forever` blocks; `port` tells where it listens when 0 was asked for.

    `answered` and `closed` hear of each answer and of each connection that was ended, and why.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        service: KeyService,
        files: TlsFiles,
        host: str,
        port: int,
        *,
        limits: ConnectionLimits | None = None,
        answered: Answered = _unheard,
        closed: Closed = _unheard,
    ) -> None:
        """Raises ConfigurationError for certificates that cannot be used or an address that is taken."""
        server_context(files)
        self._files, self._agencies = files, service.controllers
        self.connections = Connections(limits or ConnectionLimits(), closed)
        self._secured: dict[int, tuple[socket, Thread]] = {}
        try:
            super().__init__((host, port), partial(_Handler, service, self.connections, answered))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen: {error.strerror}", place=f"{host}:{port}", remedy="choose another address"
            ) from None

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def service_actions(self) -> None:
        """Called between two connections: ends those that take too long."""
        super().service_actions()
        self.connections.end_overdue()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Each connection has a thread; their number is bounded by `ConnectionLimits`."""
        connection = self.connections.arrived(request, str(client_address[0]))
        Thread(target=self._serve, args=(request, client_address, connection), daemon=True).start()

    def _serve(self, request: Any, client_address: Any, connection: Connection) -> None:
        """The handshake belongs to the connection's own thread: a slow caller holds up nobody else. The certificates
        are read for each connection, so that renewed ones count at once."""
        try:
            with server_context(self._files).wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            ) as secured:
                self._secured[id(connection)] = secured, current_thread()
                try:
                    if self.connections.secured(connection, secured) and self._agreed(secured):
                        self.connections.known(connection, _peer(secured), self._agencies)
                        self.finish_request(secured, (client_address, connection))
                finally:
                    self._secured.pop(id(connection), None)
                    self.connections.left(connection)
        except (OSError, ConfigurationError) as error:
            if isinstance(error, ConfigurationError):
                log.warning("keys.handshake_failed", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bug in one answer ends one connection, and quotes nothing
            log.error("keys.bug", error=type(error).__name__)  # noqa: TRY400 - a traceback may show what was asked
        finally:
            self.connections.left(connection)
            self.shutdown_request(request)

    def _agreed(self, secured: ssl.SSLSocket) -> bool:
        """Whether both sides accept each other's certificate. Who is refused may read why before the connection ends:
        closed with something unread in it, it would take the reason with it."""
        try:
            secured.do_handshake()
        except ssl.SSLError as error:
            log.warning("keys.handshake_failed", error=type(error).__name__)
            with suppress(OSError):
                socket.shutdown(secured, SHUT_WR)
                secured.settimeout(_LINGER)
                while socket.recv(secured, 4096):
                    pass
            return False
        return True

    def server_close(self) -> None:
        """Take no more questions, let those under way be answered, and end every connection."""
        super().server_close()
        for connection, thread in list(self._secured.values()):
            with suppress(OSError):
                socket.shutdown(connection, SHUT_RD)  # not SSLSocket's, which could not answer any more
            thread.join(_LAST_ANSWERS)


def _peer(secured: ssl.SSLSocket) -> Peer | None:
    return peer_of(secured.getpeercert())


class _Handler(BaseHTTPRequestHandler):
    """One connection; questions follow each other on it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fallbruecke", ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(
        self,
        service: KeyService,
        connections: Connections,
        answered: Answered,
        request: Any,
        who: Any,
        *rest: Any,
    ) -> None:
        self._service, self._connections, self._answered = service, connections, answered
        address, self._connection = who
        super().__init__(request, address, *rest)

    def setup(self) -> None:
        super().setup()
        self._peer = _peer(cast(ssl.SSLSocket, self.connection))

    def handle_one_request(self) -> None:
        """A question's first line and its headers must be there before the connection counts as idle for too long."""
        self._connections.enter(self._connection, Phase.IDLE)
        super().handle_one_request()

    def do_POST(self) -> None:
        began = time.monotonic()
        status, answer = self._said()
        self._connections.enter(self._connection, Phase.TAKING)
        self._send(status, answer)
        self._answered(status, time.monotonic() - began)

    def _said(self) -> tuple[HTTPStatus, dict[str, Any]]:
        if self._connection.refused:
            self.close_connection = True
            return refused(self._peer.controller or "the hub" if self._peer else "nobody who takes part")
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > wire.LARGEST:
            self.close_connection = True
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {
                "error": f"the question is larger than {wire.LARGEST} bytes, or does not say how large it is",
                "place": "key service",
                "remedy": "ask for fewer keys at once",
            }
        self._connections.enter(self._connection, Phase.ASKING)
        body = self.rfile.read(int(size))
        self._connections.enter(self._connection, Phase.WORKING)
        if len(body) < int(size):
            raise ConnectionAbortedError
        try:
            question = orjson.loads(body)
        except orjson.JSONDecodeError:
            question = None
        return self._service.answer(self._peer, self.path.removeprefix("/v1/"), question)

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
