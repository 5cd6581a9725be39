"""Keys from the key service, over mutual TLS: `hub keys serve` in a process and a database of its own."""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import orjson

from hub.adapters.keys import wire
from hub.adapters.keys.cache import CachedKeys, KeyCache
from hub.adapters.keys.source import Answer, Material, Wanted
from hub.adapters.keys.tls import TlsFiles, client_context
from hub.adapters.refusals import REFUSED
from hub.errors import ConfigurationError, DataError, KeysAreOlder, KeyServiceUnavailable
from hub.ports import Certificate, KeyRef, RestoreNumbers

TIMEOUT = 5.0  # seconds for one answer, and for one connection
_LONG = 600.0  # seconds for a whole ledger
_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
T = TypeVar("T")


class RemoteKeyStore(CachedKeys):
    """A `HubKeyStore` behind `https://host:port`. As a connector it gets its own controller's keys only, and only seals
    and opens with them; for anything else it raises ConfigurationError."""

    def __init__(
        self, url: str, files: TlsFiles, *, cache: KeyCache | None = None, timeout: float = TIMEOUT
    ) -> None:
        super().__init__(KeyServiceClient(url, files, timeout), cache)


class KeyServiceClient:
    """A `KeySource` over the wire, which raises KeyServiceUnavailable within `timeout` seconds.

    It connects at the first question and keeps its connections. Every question may be asked twice, so one that met a
    connection which had ended meanwhile is.
    """

    def __init__(self, url: str, files: TlsFiles, timeout: float = TIMEOUT) -> None:
        """Raises ConfigurationError for an address or certificates that cannot be used."""
        parsed = urlsplit(url)
        if parsed.scheme != "https" or not parsed.hostname or parsed.path.strip("/") or parsed.query:
            raise ConfigurationError(
                "this is no address of a key service", place="HUB_KEY_SERVICE_URL", remedy="https://host:port"
            )
        self._host, self._port, self._timeout = parsed.hostname, parsed.port or 443, timeout
        self._files = files
        client_context(files)
        self._idle: list[http.client.HTTPSConnection] = []
        self._lock = Lock()

    def newest(self, refs: Iterable[KeyRef]) -> Mapping[KeyRef, Material]:
        found: dict[KeyRef, Material] = {}
        for part in _parts(refs):
            keys = self._ask("seal", "keys", {"refs": [list(ref) for ref in part]})
            found |= {ref: _material(ref, key) for ref, key in _pairs(part, keys)}
        return found

    def versions(self, wanted: Iterable[Wanted]) -> Mapping[Wanted, Answer]:
        found: dict[Wanted, Answer] = {}
        for part in _parts(wanted):
            answers = self._ask("open", "answers", {"wanted": [[*ref, version] for ref, version in part]})
            found |= {one: _answer(one, said) for one, said in _pairs(part, answers)}
        return found

    def fence(self, ref: KeyRef) -> None:
        self._ask("fence", "done", {"ref": list(ref)})

    def destroy(self, ref: KeyRef) -> Certificate:
        said = self._ask("destroy", "certificate", {"ref": list(ref)})
        return _read(lambda: wire.certificate_of(said))

    def ledger(self) -> Sequence[Certificate]:
        said = self._ask("ledger", "ledger", {}, timeout=_LONG)
        return _read(lambda: [wire.certificate_of(one) for one in said])

    def replay(self, ledger: Sequence[Certificate]) -> int:
        parts = [ledger[start : start + wire.MOST] for start in range(0, len(ledger), wire.MOST)]
        return sum(self._replay(part) for part in parts or [[]])

    def standing(self, reached: int = 0) -> RestoreNumbers:
        said = self._ask("standing", "standing", {"reached": reached})
        return _read(lambda: RestoreNumbers(*map(int, said)))

    def secret(self) -> bytes:
        said = self._ask("secret", "secret", {})
        return _read(lambda: wire.bytes_of(said))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _replay(self, ledger: Sequence[Certificate]) -> int:
        proofs = [wire.certificate(proof) for proof in ledger]
        return int(self._ask("replay", "lived", {"ledger": proofs}, timeout=_LONG))

    def _ask(self, verb: str, wanted: str, question: Mapping[str, Any], *, timeout: float = 0.0) -> Any:
        body = orjson.dumps(question)
        try:
            status, content = self._exchange(f"/v1/{verb}", body, timeout or self._timeout)
        except (OSError, http.client.HTTPException) as error:
            raise _unavailable(*_cause(error)) from None
        said = _read(lambda: orjson.loads(content))
        if status != http.client.OK:
            _refuse(status, said)
        return _read(lambda: said[wanted])

    def _exchange(self, path: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        """On a connection that is kept, and on a new one if that had ended meanwhile."""
        kept = self._kept()
        if kept is not None:
            with suppress(*_STALE):
                return self._once(kept, path, body, timeout)
        return self._once(self._connected(), path, body, timeout)

    def _once(
        self, connection: http.client.HTTPSConnection, path: str, body: bytes, timeout: float
    ) -> tuple[int, bytes]:
        try:
            connection.sock.settimeout(timeout)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.status, response.read()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # the service may have said that it closes
            with self._lock:
                self._idle.append(connection)
        return answer

    def _kept(self) -> http.client.HTTPSConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _connected(self) -> http.client.HTTPSConnection:
        """Reads the certificates again: renewed ones need no new start."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=client_context(self._files)
        )
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _parts(wanted: Iterable[Any]) -> Iterable[Sequence[Any]]:
    """Each one once, as many at a time as the service takes."""
    asked = list(dict.fromkeys(wanted))
    return (asked[start : start + wire.MOST] for start in range(0, len(asked), wire.MOST))


def _pairs(asked: Sequence[Any], said: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(said, list) or len(said) != len(asked):
        raise _unavailable("an answer that is none")
    return zip(asked, said, strict=True)


def _material(ref: KeyRef, said: Any) -> Material:
    return _read(lambda: wire.material(ref, said[0], said[1]))


def _answer(wanted: Wanted, said: Any) -> Answer:
    return _read(lambda: wire.answer_of(wanted, said))


def _read(reading: Callable[[], T]) -> T:
    """What was said, understood; anything else is as good as no answer."""
    try:
        return reading()
    except (DataError, ValueError, KeyError, TypeError, IndexError):
        raise _unavailable("an answer that is none") from None


def _refuse(status: int, said: Any) -> NoReturn:
    """The service's own words: they name places, never persons."""
    message, place, remedy = (str(said.get(part, "")) for part in ("error", "place", "remedy"))
    if status == http.client.CONFLICT:
        raise KeysAreOlder(message, place=place, remedy=remedy)
    if status == http.client.BAD_REQUEST and said.get("reason") == REFUSED:
        raise DataError(message, reason=REFUSED, place=place, remedy=remedy)
    if status in {http.client.FORBIDDEN, http.client.BAD_REQUEST}:
        raise ConfigurationError(message, place=place, remedy=remedy)
    raise KeyServiceUnavailable(message, place=place or "key service", remedy=remedy)


_BACK = "bring it back; until then nothing is sealed or opened"


def _cause(error: Exception) -> tuple[str, str]:
    """What keeps the service from answering, and what to do about it."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                "the service's certificate is not to be trusted",
                "check HUB_TLS_CA, and that HUB_KEY_SERVICE_URL names the host as the certificate does",
            )
        case ssl.SSLError(reason=str(reason)) if "_ALERT_" in reason:
            return (
                f"the service does not accept this certificate ({_alert(reason)})",
                "check that HUB_TLS_CERT has not expired and comes from the authority that the service trusts",
            )
        case ssl.SSLError(reason=str(reason)) if "EOF" not in reason:
            return "this address does not speak TLS 1.3", "check host and port in HUB_KEY_SERVICE_URL"
        case ssl.SSLError() | ConnectionResetError() | BrokenPipeError() | http.client.RemoteDisconnected():
            return (
                "the service ended the connection before it answered: it has too many, or it is stopping",
                "it is tried again; if that goes on, look in its log who holds its connections",
            )
        case socket.gaierror():
            return "the service's host name is not known", "check HUB_KEY_SERVICE_URL and the name service"
        case ConnectionRefusedError():
            return "nobody listens at the service's address", f"start `hub keys serve` there; {_BACK}"
        case TimeoutError():
            return (
                "the service did not answer in time",
                "check that it runs, and the network on the way to it",
            )
        case OSError() if error.errno in _UNREACHABLE:
            return "the service's host cannot be reached", "check the network on the way to it"
    return type(error).__name__, _BACK


_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


def _alert(reason: str) -> str:
    """The TLS alert in words: `TLSV1_ALERT_UNKNOWN_CA` → unknown ca."""
    return reason.partition("_ALERT_")[2].replace("_", " ").lower()


def _unavailable(cause: str, remedy: str = _BACK) -> KeyServiceUnavailable:
    return KeyServiceUnavailable(f"no keys: {cause}", place="key service", remedy=remedy)
