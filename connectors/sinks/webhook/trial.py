"""The agency's HTTP address of the compliance kit: it keeps one view a place, and shows nobody a row past its time."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from connectors.kit.trial import Shown
from hub.domain.clock import micros


class Trial:
    """A receiver as docs ask for one: it replaces a view whole, and heeds `gilt_bis` of each row."""

    def __init__(self, folder: Path) -> None:
        self._views: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self._serve(0)
        (folder / "hook.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
        self.settings: Mapping[str, Any] = {
            "url": f"http://127.0.0.1:{self._port}/sichten",
            "key_file": "hook.key",
            "tries": 1,
        }

    def shown(self, at: datetime) -> Sequence[Shown]:
        rows = (row for view in self._views.values() for row in view)
        return [
            Shown(row["fall"], row["fachkraft"], row["feld"], row["wert"])
            for row in rows
            if row["gilt_bis"] > micros(at)
        ]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def start(self) -> None:
        self._serve(self._port)

    def _serve(self, port: int) -> None:
        views = self._views

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                view = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                views[view["fall_ref"], view["rolle"], view["fachkraft"]] = view["angaben"]
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet: what is delivered belongs into no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
