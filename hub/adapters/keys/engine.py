"""Opening the key database so that it answers or fails within seconds, and never says what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from hub.adapters.refusals import REFUSED, UNSENDABLE, speaks_of_values
from hub.errors import ConfigurationError, DataError, KeyServiceUnavailable

_POSTGRESQL = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "options": "-c statement_timeout=10000"}
_SQLITE = ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000", "secure_delete = ON")


def connect(url: str | URL) -> Engine:
    """An engine for SQLite or PostgreSQL; raises ConfigurationError for any other URL. Connects at first use."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError:
        backend = ""
    if backend == "postgresql":
        own = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            own, hide_parameters=True, pool_pre_ping=True, pool_timeout=5, connect_args=_POSTGRESQL
        )
    if backend == "sqlite":
        engine = create_engine(parsed, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    raise ConfigurationError(
        "keys live in SQLite or PostgreSQL",
        place="HUB_KEY_DATABASE_URL",
        remedy="write postgresql://host/name or sqlite:///file",
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; what the database says is reduced to the kind of the error: it may quote identifiers.

    Raises DataError for values that the database refuses, KeyServiceUnavailable when it cannot be used."""
    try:
        with engine.begin() as connection:
            yield connection
    except UNSENDABLE as error:
        raise _refused(error) from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        if cause is not None and not isinstance(error, IntegrityError) and speaks_of_values(cause):
            raise _refused(cause) from None
        raise unavailable(type(cause or error).__name__) from None


def _refused(cause: BaseException) -> DataError:
    return DataError(
        f"the key database refuses a value: {type(cause).__name__}",
        reason=REFUSED,
        place="key database",
        remedy="see `hub quarantine list`",
    )


def unavailable(cause: str) -> KeyServiceUnavailable:
    return KeyServiceUnavailable(
        f"no keys: {cause}",
        place="key database",
        remedy="bring it back; until then nothing is sealed or opened",
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    for pragma in _SQLITE:
        connection.execute(f"PRAGMA {pragma}")
