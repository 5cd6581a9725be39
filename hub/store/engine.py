"""Opening the store and its transactions."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, StatementError

from hub.adapters.refusals import REFUSED, UNSENDABLE, speaks_of_values
from hub.errors import DataError, HubError, ServiceUnavailable, TryAgain
from hub.store.tables import metadata

_POSTGRESQL = {
    "connect_timeout": 5,
    "options": "-c idle_in_transaction_session_timeout=30000 -c random_page_cost=1.1",
}
"""A worker that stands still inside a transaction must not lock others out of its partitions for ever. A batch looks
its thousand keys up in the index: at the price of a turning disk the planner would read the whole table instead."""
_SQLITE = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=30000",
    "secure_delete=ON",
    "foreign_keys=ON",
)
STANDSTILL = 2.0
"""Seconds after which PostgreSQL ends a `brief` transaction whose worker stands still, and frees its locks."""
_ALONE = 13.0  # on SQLite nobody goes on beside a worker that stands still
_DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)
_RETRIABLE = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available


class Store:
    """One database. `transaction()` is the only way in: what a stage does, it does in one of them.

    On SQLite every transaction begins IMMEDIATE, which stands for the row locks of PostgreSQL; fsync is on.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _open(url)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def create(self, read_models: Iterable[Table] = ()) -> None:
        """Create what does not exist yet: on PostgreSQL by the store's migrations, and of the read models' tables those
        that no migration makes."""
        if not self.is_sqlite:
            self._migrate()
        with self.transaction() as connection:
            if self.is_sqlite:
                metadata.create_all(connection)
            _create_missing(connection, read_models)

    def _migrate(self) -> None:
        from hub.store.migrations import upgrade

        try:
            upgrade(self.engine)
        except DBAPIError as error:
            raise _without_values(error.orig) from None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit on success, roll back on any exception; database errors come without their parameters.

        Raises DataError for values that the database refuses, ServiceUnavailable when it cannot be used.
        """
        with _errors_without_values(), self.engine.begin() as connection:
            yield connection

    @property
    def standstill(self) -> float:
        """How many seconds a worker may stand still inside a `brief` transaction and still hold its locks."""
        return _ALONE if self.is_sqlite else STANDSTILL

    @contextmanager
    def brief(self) -> Iterator[Connection]:
        """A transaction that locks persons: a withdrawal waits for it, but never longer than `standstill` for a worker
        that stands still. Nothing that takes long may be done between its statements."""
        with self.transaction() as connection:
            if not self.is_sqlite:
                connection.execute(_BRIEF)
            yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A part of a transaction that is taken back alone when it raises; errors are those of `Store.transaction`."""
    with _errors_without_values(), connection.begin_nested():
        yield


@contextmanager
def _errors_without_values() -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        raise _without_values(error.orig) from None
    except (
        *_DRIVER_ERRORS,
        *UNSENDABLE,
    ) as error:  # of statements that went past SQLAlchemy, `merge` for one
        raise _without_values(error) from None


_CREATING = 0x666272_19  # names the lock in the database; any number that nothing else uses


def _create_missing(connection: Connection, tables: Iterable[Table]) -> None:
    """One process creates, the others wait for it."""
    there = set(inspect(connection).get_table_names())
    missing = [table for table in tables if table.name not in there]
    if missing and connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CREATING})
    for table in missing:
        table.create(connection, checkfirst=True)


_BRIEF = text(f"SET LOCAL idle_in_transaction_session_timeout = {round(STANDSTILL * 1000)}")


def _without_values(error: BaseException | None) -> HubError:
    """The statement's parameters may be personal data, so only the class and the state code go on."""
    state = getattr(error, "sqlstate", None) or ""
    text = f"the store answered {type(error).__name__} {state}".strip()
    if isinstance(error, sqlite3.Error):
        text += f" ({str(error).split(':')[0]})"
    if state in _RETRIABLE or "locked" in text:
        return TryAgain(text, place="store", remedy="it is tried again")
    if error is not None and speaks_of_values(error):
        return DataError(text, reason=REFUSED, place="store", remedy="see `hub quarantine list`")
    return ServiceUnavailable(
        text, place="store", remedy="check that the database is up and the schema current"
    )


def _open(url: str) -> Engine:
    if not url.startswith("sqlite"):
        given = make_url(url).query
        return create_engine(
            url,
            pool_pre_ping=False,
            pool_size=8,
            hide_parameters=True,
            connect_args={name: value for name, value in _POSTGRESQL.items() if name not in given},
        )
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": 30, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None
    for pragma in _SQLITE:
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
