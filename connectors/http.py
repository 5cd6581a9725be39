"""The HTTP client of connectors: httpx2 with the limits that an agency's address gets. Shared by sources and sinks.

The library has a time limit for each read only, so `Deadline` cuts the connection once the whole request has taken too
long. It is imported with the first request: most verbs need none.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging import WARNING, getLogger
from pathlib import Path
from threading import Event, Timer
from typing import TYPE_CHECKING, Any

from hub.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx2

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed later."""
FIRST_WAIT = 0.5  # seconds before the second try


class NotAnswered(Exception):
    """A request without a usable answer, to be sent again. `cause` names the error or the status and quotes nothing."""

    def __init__(self, cause: str, *, asked: float = 0.0, status: int = 0) -> None:
        super().__init__(cause)
        self.cause, self.asked, self.status = cause, asked, status


def make_client(context: ssl.SSLContext, seconds: float, *, proxies: bool) -> "httpx2.Client":
    """A client that follows no redirect, keeps no cookie and logs nothing: an address may name a person.

    `seconds`: limit of each connect, read and write. `proxies`: whether HTTPS_PROXY and NO_PROXY of the environment
    count; a connector that may reach one address only ignores them.
    """
    import httpx2

    for name in ("httpx2", "httpcore2"):
        getLogger(name).setLevel(WARNING)  # every address at INFO, every header at DEBUG
    return httpx2.Client(
        verify=context,
        timeout=seconds,
        trust_env=proxies,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=1),
        headers={"User-Agent": "fallbruecke", "Accept-Encoding": "identity"},
    )


def trusted(
    ca_file: Path | None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """The TLS settings: the agency's own authority or the system's, and a client certificate. Raises
    ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file and key_file:
            context.load_cert_chain(cert_file, key_file)
    except OSError:
        raise ConfigurationError(
            "ca_file, cert_file or key_file cannot be read", place="config.settings", remedy="check them"
        ) from None
    return context


@contextmanager
def failures_as_not_answered() -> Iterator[None]:
    """Raises NotAnswered for whatever happens to a connection, and ssl.SSLCertVerificationError as it is."""
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        first = _first(error)
        if isinstance(first, ssl.SSLCertVerificationError):
            raise first from None
        raise NotAnswered(type(first).__name__) from None


def _first(error: BaseException) -> BaseException:
    """The error of the operating system beneath the library's, where there is one."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found or error


class Deadline:
    """Cuts the client's one connection when a request takes longer in all, however slowly something still comes."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._passed = seconds, Event()
        self._socket: socket.socket | None = None

    @contextmanager
    def over(self) -> Iterator[Mapping[str, Any]]:
        """Yields the request's extensions; raises TimeoutError where the time was over."""
        self._passed.clear()
        timer = Timer(self._seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield {"trace": self._follow}
        finally:
            timer.cancel()
            if self._passed.is_set():
                raise TimeoutError

    def _follow(self, event: str, about: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = about["return_value"].get_extra_info("socket")
            if self._passed.is_set():
                self._cut()

    def _cut(self) -> None:
        self._passed.set()
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # without the farewell of TLS
