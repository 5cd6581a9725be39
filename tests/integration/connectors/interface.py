"""A case-management system's HTTP interface that a test may break: a real server in a thread."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

TOKEN = "s3cret-token"
Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]


class Interface:
    """`lists`: path → rows. `special` answers in place of the ordinary way, once for each entry of it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.lists: dict[str, list[Any]] = {}
        self.paging, self.size = "none", 2
        self.asked: list[str] = []
        self.headers: list[Headers] = []
        self.special: list[Callable[[], Answer | None]] = []
        self.before: Callable[[int], None] = lambda _: None
        self.etags = False
        interface = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                interface.asked.append(self.path)
                interface.headers.append(dict(self.headers))
                found = interface.special.pop(0)() if interface.special else interface.answer(self)
                if found is None:
                    self.close_connection = True
                    return
                status, headers, body = found
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self._scheme = True, "http"
        if context:
            self._scheme = "https"
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> Answer:
        """One page as the interface pages."""
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, {}, b""
        parts = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        at = int(asked.get("at", "0")) if self.paging != "page" else (int(asked["at"]) - 1) * self.size
        self.before(at)
        rows = [row for row in self.lists[parts.path] if _stands_after(row, asked.get("seit", ""))]
        page = rows if self.paging == "none" else rows[at : at + self.size]
        found: dict[str, Any] = {"daten": page, "gesamt": len(rows)}
        headers: Headers = {"Content-Type": "application/json"}
        if self.paging != "none" and at + self.size < len(rows):
            further = f"{parts.path}?at={at + self.size}" + (
                f"&seit={quote(asked['seit'])}" if "seit" in asked else ""
            )
            found |= {"cursor": str(at + self.size), "weiter": further}
            headers["Link"] = f'<{parts.path}?at=0>; rel="first", <{self.url}{further}>; rel="next"'
        body = json.dumps(found).encode()
        if self.etags:
            headers["ETag"] = f'"{hash(body):x}"'
            if request.headers["If-None-Match"] == headers["ETag"]:
                return 304, headers, b""
        return 200, headers, body

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _stands_after(row: Any, since: str) -> bool:
    """Whether a row is told; of one that says no time, always."""
    stand = row.get("stand", "") if isinstance(row, dict) else None
    return not isinstance(stand, str) or stand >= since
