"""One HTTP address, asked politely: bounded in time and size, tried again, never redirected, never in a log."""

import base64
import os
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from connectors.http import (
    AGAIN,
    FIRST_WAIT,
    Deadline,
    NotAnswered,
    failures_as_not_answered,
    make_client,
    trusted,
)
from connectors.sources.rest.config import Access
from hub.errors import AccessRefused, ConfigurationError, DataError, ServiceUnavailable
from hub.retry import Retry

if TYPE_CHECKING:
    import httpx2

REFUSED = frozenset({401, 403, 407})
LONGEST_WAIT = 10.0  # seconds; for a longer one the step ends
LONGEST_ASKED = 86_400.0
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
        self._client: httpx2.Client | None = None
        self._deadline = Deadline(access.timeout)
        self._retry = Retry(
            errors=(NotAnswered,), first=FIRST_WAIT, tries=access.tries, asked=_asked, patience=LONGEST_WAIT
        )
        self.asked_to_wait = 0.0

    @property
    def base(self) -> SplitResult:
        return self._parts

    def get(self, target: str, place: str, etag: str = "") -> Answer:
        """Path and parameters of one page. Raises AccessRefused, ServiceUnavailable, DataError, ConfigurationError."""
        self.asked_to_wait = 0.0
        try:
            return self._retry.call(lambda: self._once(target, place, etag))
        except NotAnswered as error:
            self.asked_to_wait = min(error.asked, LONGEST_ASKED)
            raise ServiceUnavailable(
                f"{place} cannot be fetched ({error.cause})",
                place=PLACE,
                remedy="check the server; it is tried again",
            ) from None
        except ssl.SSLCertVerificationError:
            raise ServiceUnavailable(
                "the server's certificate is not trusted",
                place=PLACE,
                remedy="check ca_file and its expiry",
            ) from None

    def close(self) -> None:
        if self._client:
            self._client.close()
        self._client = None

    def _once(self, target: str, place: str, etag: str) -> Answer:
        """The answer; raises NotAnswered for one that the same request may get better later."""
        client, headers = self._open(), self._headers()
        if etag:
            headers[b"If-None-Match"] = etag.encode("latin-1")
        with failures_as_not_answered(), self._deadline.over() as extensions:
            exact = {**extensions, "target": target.encode("ascii")}
            with client.stream("GET", self._access.url, headers=headers, extensions=exact) as response:
                body = self._body(response, place)
        self._judge(response, place)
        told = response.headers
        told.encoding = "latin-1"
        if response.status_code in AGAIN:
            raise NotAnswered(f"HTTP {response.status_code}", asked=_seconds(told.get("Retry-After", "")))
        return Answer(response.status_code, body, told.get("ETag", ""), ", ".join(told.get_list("Link")))

    def _open(self) -> "httpx2.Client":
        if self._client is None:
            access = self._access
            context = trusted(access.ca_file, access.cert_file, access.key_file)
            self._client = make_client(context, access.timeout, proxies=False)
        return self._client

    def _body(self, response: "httpx2.Response", place: str) -> bytes:
        """All of it, or a fault: never the beginning only."""
        pieces, size = [], 0
        for piece in response.iter_raw():
            size += len(piece)
            if size > self._access.most_bytes:
                raise _fault(f"is larger than {self._access.most_bytes} bytes", "answer_too_large", place)
            pieces.append(piece)
        return b"".join(pieces)

    def _judge(self, response: "httpx2.Response", place: str) -> None:
        """What no second try mends."""
        status = response.status_code
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
        charset = (response.charset_encoding or "utf-8").lower()
        if charset not in ("utf-8", "utf8", "us-ascii"):
            raise _fault("says that it is not UTF-8", "wrong_encoding", place)

    def _headers(self) -> dict[bytes, bytes]:
        access = self._access
        headers: dict[bytes, bytes] = {b"Accept": b"application/json"}
        if access.token_file or access.token_env:
            token = _secret(access.token_file, access.token_env, "token_file or .token_env")
            name = access.header.encode() or b"Authorization"
            headers[name] = token.encode() if access.header else f"Bearer {token}".encode()
        elif access.user:
            password = _secret(access.password_file, access.password_env, "password_file or .password_env")
            headers[b"Authorization"] = b"Basic " + base64.b64encode(f"{access.user}:{password}".encode())
        return headers


def _asked(error: BaseException) -> float:
    return error.asked if isinstance(error, NotAnswered) else 0.0


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
