"""Many rows at once, by the fastest way each database has: COPY and merge, or the driver's executemany."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import any_
from sqlalchemy.types import BigInteger, Boolean, Integer, LargeBinary, String

Row = Sequence[Any]


def merge(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    """Insert rows (values in the table's column order); `on_conflict` is the clause after ON CONFLICT.

    Rows must not hit one target twice: callers keep the last of each key.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        _insert_each(connection, table, rows, on_conflict)
    elif len(rows) < COPY_FROM:
        _insert_all(connection, table, rows, on_conflict)
    else:
        _copy(connection, table, rows, on_conflict)


COPY_FROM = 50  # rows; below, the few round trips of COPY cost more than they save


def _insert_each(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    marks = ",".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks}) ON CONFLICT {on_conflict}"  # noqa: S608  our own names
    _driver_cursor(connection).executemany(statement, rows)


def _insert_all(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    """One statement: psycopg would pipeline executemany, and after a pipeline PostgreSQL 15 does not start the clock of
    idle_in_transaction_session_timeout, which is what frees the locks of a worker that stands still."""
    marks = ",".join(["%s"] * len(table.columns))
    every = ",".join([f"({marks})"] * len(rows))
    statement = f"INSERT INTO {table.name} ({_names(table)}) VALUES {every} ON CONFLICT {on_conflict}"  # noqa: S608  our own names
    _driver_cursor(connection).execute(statement, [value for row in rows for value in row])


def _names(table: Table) -> str:
    """The columns by name: a later release may have added some, and this one goes on beside it."""
    return ", ".join(f'"{column.name}"' for column in table.columns)


_POSTGRESQL = {String: "text", Integer: "int4", BigInteger: "int8", Boolean: "bool", LargeBinary: "bytea"}
COLUMN_TYPES = frozenset(_POSTGRESQL)
"""The types of SQLAlchemy that `merge` writes."""


def _copy(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    stage, name, columns = f"copy_{table.name}", table.name, _names(table)
    cursor = _driver_cursor(connection)
    cursor.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {name} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
    )
    _copy_into(cursor, stage, table, rows)
    cursor.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {stage} ON CONFLICT {on_conflict}")  # noqa: S608  our own names
    cursor.execute(f"DELETE FROM {stage}")  # noqa: S608  truncating twice, here and at the commit, costs a file each


def _copy_into(cursor: Any, name: str, table: Table, rows: Sequence[Row]) -> None:
    with cursor.copy(f"COPY {name} ({_names(table)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([_POSTGRESQL[type(column.type)] for column in table.columns])
        for row in rows:
            copy.write_row(row)


def add(connection: Connection, table: Table, rows: Sequence[Row], on_conflict: str) -> None:
    """As `merge`, for rows of which hardly ever one is there: PostgreSQL takes them straight in, and goes the longer
    way only if one was."""
    if connection.dialect.name == "sqlite" or len(rows) < COPY_FROM:
        merge(connection, table, rows, on_conflict)
        return
    try:
        with connection.begin_nested():
            _copy_into(_driver_cursor(connection), table.name, table, rows)
    except UniqueViolation:
        merge(connection, table, rows, on_conflict)


def _driver_cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def among(connection: Connection, column: Column[str], name: str = "keys") -> ColumnElement[bool]:
    """`column` is one of the values bound to `name` (bind with `values`), whatever their number."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(bindparam(name)).table_valued("value")
        return column.in_(select(listed.c.value).where(true()))
    return column == any_(bindparam(name, type_=ARRAY(String)))


def values(connection: Connection, keys: Iterable[str]) -> Any:
    """The parameter that `among` expects."""
    if connection.dialect.name == "sqlite":
        import orjson

        return orjson.dumps(list(keys)).decode()
    return list(keys)
