"""The system of the compliance kit: a real HTTP server on loopback, with a token, pages, ETags and a time of change."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from connectors.kit.trial import COLUMNS, Rows, Tables

TOKEN = "the-kit-has-one"  # noqa: S105  of a server that lives as long as one check
PAGE = 100
Known = dict[str, dict[str, str]]


class Trial:
    """What is deleted is left out of the lists."""

    streams: Mapping[str, Mapping[str, Any]] = {
        name: {
            "request": {
                "path": f"/{name}",
                "rows": "/rows",
                "total": "/total",
                "version": "changed",
                "since": "since",
                "etag_whole": True,
            }
        }
        for name in COLUMNS
    }

    def __init__(self, folder: Path) -> None:
        self._tables: dict[str, Known] = {name: {} for name in COLUMNS}
        self._serve(0)
        (folder / "token").write_text(TOKEN, encoding="ascii")
        self.settings: Mapping[str, Any] = {
            "url": f"http://127.0.0.1:{self._port}/api",
            "token_file": "token",
            "poll_minutes": 0,
            "tries": 1,
            "paging": {"kind": "next", "at": "/next"},
        }

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        moment = stamped.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, rows in tables.items():
            self._tables[name] = _stamped(self._tables[name], rows, moment)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def start(self) -> None:
        self._serve(self._port)

    def content(self) -> bytes:
        return json.dumps(self._tables, sort_keys=True).encode()

    def _serve(self, port: int) -> None:
        tables = self._tables

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = _answer(tables, self.path, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet: an address with parameters belongs into no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()


def _stamped(old: Known, rows: Rows, moment: str) -> Known:
    """The rows with the time of their change, which is an earlier one where nothing is otherwise."""
    new = {row["number"]: {**row, "changed": moment} for row in rows}
    for number, row in new.items():
        before = old.get(number, {})
        if {**before, "changed": moment} == row:
            row["changed"] = before["changed"]
    return new


def _answer(
    tables: Mapping[str, Known], target: str, headers: Message
) -> tuple[HTTPStatus, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    parts = urlsplit(target)
    name = parts.path.removeprefix("/api/")
    if headers.get("Authorization") != f"Bearer {TOKEN}":
        return HTTPStatus.UNAUTHORIZED, {}, b""
    if name not in tables:
        return HTTPStatus.NOT_FOUND, {}, b""
    asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
    rows, at = list(tables[name].values()), int(asked.get("at", "0"))
    etag = f'"{sha256(json.dumps(rows).encode()).hexdigest()}"'
    if headers.get("If-None-Match") == etag:
        return HTTPStatus.NOT_MODIFIED, {"ETag": etag}, b""
    found = [row for row in rows if row["changed"] >= asked.get("since", "")]
    further = urlencode({**asked, "at": at + PAGE})
    page: dict[str, Any] = {"rows": found[at : at + PAGE], "total": len(found)}
    page["next"] = f"{parts.path}?{further}" if at + PAGE < len(found) else None
    return HTTPStatus.OK, {"Content-Type": "application/json", "ETag": etag}, json.dumps(page).encode()
