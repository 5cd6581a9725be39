"""Keys and content must never share a database: one dump, one backup or one thief would then hold both."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from hub.errors import ConfigurationError

_LOCAL = {"", "localhost", "127.0.0.1", "::1", "[::1]"}


def refuse_same_database(store_url: str, key_url: str) -> None:
    """Raises ConfigurationError when both name one database, however they spell it."""
    store, keys = _parsed(store_url, "HUB_DATABASE_URL"), _parsed(key_url, "HUB_KEY_DATABASE_URL")
    if store.get_backend_name() != keys.get_backend_name():
        return
    same = (
        _same_file(store, keys)
        if store.get_backend_name() == "sqlite"
        else _same_server_database(store, keys)
    )
    if same:
        raise ConfigurationError(
            "store and keys are the same database",
            place="HUB_KEY_DATABASE_URL",
            remedy="name a database of its own for the keys",
        )


def _parsed(url: str, place: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "this is no database URL",
            place=place,
            remedy="write it like postgresql://host/name or sqlite:///file",
        ) from None


def _same_file(one: URL, other: URL) -> bool:
    a, b = _file(one), _file(other)
    if a is None or b is None:  # a database in memory is its process's own
        return False
    return a.samefile(b) if a.exists() and b.exists() else a == b


def _file(url: URL) -> Path | None:
    name = (url.database or "").removeprefix("file:").partition("?")[0]
    return Path(name).resolve() if name and name != ":memory:" else None


def _same_server_database(one: URL, other: URL) -> bool:
    return _database(one) == _database(other) and bool(_addresses(one) & _addresses(other))


def _database(url: URL) -> str:
    return url.database or _first(url, "dbname") or url.username or ""


def _addresses(url: URL) -> set[tuple[str, str]]:
    """Every (host, port) the URL may connect to; a Unix socket is this machine."""
    hosts = (_first(url, "host") or _first(url, "hostaddr") or url.host or "").split(",")
    ports = (_first(url, "port") or str(url.port or 5432)).split(",")
    pairs = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=False)
    return {_address(host, port) for host, port in pairs}


def _address(host: str, port: str) -> tuple[str, str]:
    name, _, own_port = host.partition(":") if host.count(":") == 1 else (host, "", "")
    local = name.lower() in _LOCAL or name.startswith("/")
    return ("localhost" if local else name.lower().rstrip("."), own_port or port)


def _first(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else ",".join(value)
