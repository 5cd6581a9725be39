"""One HTTP address, asked politely: bounded in time and size, tried again, never redirected, never in a log."""

import base64
import http.client
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event, Timer
from urllib.parse import SplitResult, urlsplit

from connectors.sources.rest.config import Access
from hub.errors import AccessRefused, ConfigurationError, DataError, ServiceUnavailable

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
REFUSED = frozenset({401, 403, 407})
FIRST_WAIT = 0.5  # seconds before the second try; doubled then
LONGEST_WAIT = 10.0  # for a longer one the step ends
LONGEST_ASKED = 86_400.0
PIECE = 65_536
PLACE = "config.settings.url"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: 200 with a body, or 304 without."""

    status: int
    body: bytes = field(default=b"", repr=False)
    etag: str = ""
    link: str = ""


class Client:
    """`asked_to_wait`: seconds for which the server wants no request, after ServiceUnavailable."""

    def __init__(self, access: Access) -> None:
        self._access, self._parts = access, urlsplit(access.url)
        self._connection: http.client.HTTPConnection | None = None
        self.asked_to_wait = 0.0

    @property
    def base(self) -> SplitResult:
        return self._parts

    def get(self, target: str, place: str, etag: str = "") -> Answer:
        """Path and parameters of one page. Raises AccessRefused, ServiceUnavailable, DataError, ConfigurationError."""
        self.asked_to_wait, wait = 0.0, FIRST_WAIT
        for number in range(1, self._access.tries + 1):
            asked = 0.0
            try:
                answer, asked = self._once(target, place, etag)
                if answer.status in (200, 304):
                    return answer
                cause = f"HTTP {answer.status}"
            except ssl.SSLCertVerificationError:
                raise ServiceUnavailable(
                    "the server's certificate is not trusted",
                    place=PLACE,
                    remedy="check ca_file and its expiry",
                ) from None
            except (OSError, http.client.HTTPException) as error:
                cause = type(error).__name__
            self.close()
            wait = max(wait, asked)
            if number == self._access.tries or wait > LONGEST_WAIT:
                break
            time.sleep(wait)
            wait *= 2
        self.asked_to_wait = min(asked, LONGEST_ASKED)
        raise ServiceUnavailable(
            f"{place} cannot be fetched ({cause})", place=PLACE, remedy="check the server; it is tried again"
        )

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _once(self, target: str, place: str, etag: str) -> tuple[Answer, float]:
        connection = self._open()
        headers = self._headers() | ({"If-None-Match": etag} if etag else {})
        with _within(connection.sock, self._access.timeout):
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            body = self._body(response, place)
        self._judge(response, place)
        told = response.headers
        answer = Answer(response.status, body, told.get("ETag", ""), ", ".join(told.get_all("Link", [])))
        return answer, _seconds(told.get("Retry-After", ""))

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:
            host, port, limit = self._parts.hostname or "", self._parts.port, self._access.timeout
            self._connection = (
                http.client.HTTPSConnection(host, port, timeout=limit, context=self._context())
                if self._parts.scheme == "https"
                else http.client.HTTPConnection(host, port, timeout=limit)
            )
            self._connection.connect()
        return self._connection

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._access.ca_file)
            if self._access.cert_file and self._access.key_file:
                context.load_cert_chain(self._access.cert_file, self._access.key_file)
        except OSError:
            raise ConfigurationError(
                "ca_file, cert_file or key_file cannot be read", place="config.settings", remedy="check them"
            ) from None
        return context

    def _body(self, response: http.client.HTTPResponse, place: str) -> bytes:
        """All of it, or a fault: never the beginning only."""
        pieces, size = [], 0
        while piece := response.read(PIECE):
            size += len(piece)
            if size > self._access.most_bytes:
                self.close()
                raise _fault(f"is larger than {self._access.most_bytes} bytes", "answer_too_large", place)
            pieces.append(piece)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(pieces)

    def _judge(self, response: http.client.HTTPResponse, place: str) -> None:
        """What no second try mends."""
        status = response.status
        if status in REFUSED:
            raise AccessRefused(
                f"the server does not let us in (HTTP {status})",
                place=PLACE,
                remedy="check token or password",
            )
        if status not in AGAIN | {200, 304}:
            raise _fault(f"is answered with HTTP {status}", "refused_request", place)
        if status != 200:
            return
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _fault("comes compressed, which was not asked for", "wrong_encoding", place)
        charset = response.headers.get_content_charset("utf-8")
        if charset not in ("utf-8", "utf8", "us-ascii"):
            raise _fault("says that it is not UTF-8", "wrong_encoding", place)

    def _headers(self) -> dict[str, str]:
        access = self._access
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "fallbruecke"}
        if access.token_file or access.token_env:
            token = _secret(access.token_file, access.token_env, "token_file or .token_env")
            headers[access.header or "Authorization"] = token if access.header else f"Bearer {token}"
        elif access.user:
            password = _secret(access.password_file, access.password_env, "password_file or .password_env")
            pair = base64.b64encode(f"{access.user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers


@contextmanager
def _within(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Cut the line after so long, however slowly something still comes."""
    passed = Event()

    def cut() -> None:
        passed.set()
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if passed.is_set():
            raise TimeoutError


def _secret(file: Path | None, variable: str, place: str) -> str:
    """From file or environment; raises ConfigurationError. It is one line of plain signs, as a header can carry."""
    try:
        found = file.read_text(encoding="utf-8").strip() if file else os.environ.get(variable, "").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found or not found.isprintable() or (place.startswith("token") and not found.isascii()):
        raise ConfigurationError(
            "names no readable secret",
            place=f"config.settings.{place}",
            remedy="one line in that file or variable",
        )
    return found


def _seconds(retry_after: str) -> float:
    """Seconds, or a date; what is neither asks for nothing."""
    if re.fullmatch(r"\d{1,9}", retry_after):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _fault(message: str, reason: str, place: str) -> DataError:
    return DataError(
        message, reason=reason, place=place, remedy=f"{message}; correct the interface or the address"
    )
