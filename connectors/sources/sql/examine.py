"""Whether a stream can be read as configured: its columns are there, mean what they did, and its keys name one row."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from connectors.contract import Incident
from connectors.database.connection import Database
from connectors.database.statements import column
from connectors.pipeline.config.values import VERSION
from connectors.pipeline.state.state import State
from connectors.sources.cursor import Ordering, loaded
from connectors.sources.sql.config import SqlStream
from connectors.sources.sql.reader import chosen, origin

MISSING, UNREADABLE, RETYPED = "column_missing", "table_unreadable", "column_retyped"
UNSUITABLE, DUPLICATE, UNVERSIONED, UNNAMED = (
    "version_unsuitable",
    "duplicate_key",
    "version_missing",
    "key_missing",
)
HALTING = frozenset({MISSING, UNREADABLE, RETYPED, UNSUITABLE, DUPLICATE})
KEYS = frozenset({DUPLICATE, UNNAMED})
"""What only a look at all keys tells."""
FAMILIES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool, int, float, Decimal), "number"),
    ((datetime,), "time"),
    ((date,), "date"),
    ((str,), "text"),
    ((bytes,), "bytes"),
)


class Examination:
    """Looks before anything is read. What halts a stream stands alone; the others go on."""

    def __init__(
        self,
        database: Database,
        state: State,
        ordering: Ordering,
        digest: str,
        doubled: Callable[[SqlStream], bool],
    ) -> None:
        """`doubled`: whether so many rows share keys that the key is wrong."""
        self._database, self._state, self._ordering, self._digest = database, state, ordering, digest
        self._doubled = doubled

    def of(self, stream: SqlStream, found: list[str] | None, *, keys_too: bool) -> Iterator[Incident]:
        """What is wrong with it; `found` are its columns (None: it cannot be read), `keys_too` the dear part."""
        halting = next(self._halting(stream, found, keys_too=keys_too), None)
        if halting:
            yield halting
            return
        if self._any(stream, column(stream.version).is_(None)):
            yield _incident(
                stream, UNVERSIONED, stream.version, "fill the version column; such rows are not read"
            )
        for name in stream.stream.key if keys_too else ():
            if self._any(stream, column(name).is_(None)):
                yield _incident(stream, UNNAMED, name, "fill the key column; such rows are not read")

    def columns(self, stream: SqlStream) -> list[str] | None:
        """The columns found; those that the account may read where it may not read all. None: it cannot be read."""
        everything = select(text("*")).select_from(origin(stream)).where(text("1 = 0"))
        found = self._keys(everything)
        if found is not None or self._database.dialect == "sqlite":
            return found
        return [name for name in stream.columns if self._keys(_nothing(stream, name)) is not None] or None

    def _halting(self, stream: SqlStream, found: list[str] | None, *, keys_too: bool) -> Iterator[Incident]:
        if found is None:
            remedy = "restore the table or query, or let the account read it; the stream stands still"
            yield Incident(stream.name, UNREADABLE, stream.name, remedy)
            return
        for name in stream.columns:
            if name not in found:
                yield _incident(stream, MISSING, name, _look_alike(name, found))
        yield from self._retyped(stream)
        yield from self._unsuitable(stream)
        if keys_too and self._doubled(stream):
            remedy = "name the columns that tell rows apart in key; the stream stands still"
            yield _incident(stream, DUPLICATE, ", ".join(stream.stream.key), remedy)

    def _retyped(self, stream: SqlStream) -> Iterator[Incident]:
        """A type of another family than when this configuration was first used."""
        found = self._families(stream)
        name, told = f"types:{stream.name}", json.dumps([self._digest, found], sort_keys=True)
        digest, before = json.loads(self._state.meta(name) or '["", {}]')
        if digest != self._digest:
            with self._state.transaction():
                self._state.set_meta(name, told)
            return
        for one in stream.columns:
            if found.get(one, "") != before.get(one, ""):
                remedy = (
                    f"it was {before.get(one) or 'of no type'} and is {found.get(one) or 'of none'}: restore it, or "
                    f"correct the mapping and raise streams.{stream.name}.revision; the stream stands still"
                )
                yield _incident(stream, RETYPED, one, remedy)

    def _unsuitable(self, stream: SqlStream) -> Iterator[Incident]:
        """The version column is no time and no number, or no longer what the cursor is."""
        query = chosen(stream, [stream.version]).where(column(stream.version).is_not(None)).limit(1)
        for row in self._database.rows(query, stream.name):
            kind = self._ordering.kind(row[stream.version])
            cursor = self._state.cursor(stream.name)
            before = self._ordering.kind(loaded(cursor)) if cursor else kind
            if not kind:
                remedy = "name a time, a rising number, or a text that sorts as time; the stream stands still"
                yield _incident(stream, UNSUITABLE, stream.version, remedy)
            elif kind == "number" and stream.stream.by_version:
                remedy = (
                    f'it is a number, and "{VERSION}" stands for a time: name the column that holds the time in its '
                    "place; the stream stands still"
                )
                yield _incident(stream, UNSUITABLE, stream.version, remedy)
            elif kind != before:
                remedy = f"it was {before} and is {kind}: restore it, or begin with a new state file"
                yield _incident(stream, RETYPED, stream.version, remedy)

    def _families(self, stream: SqlStream) -> Mapping[str, str]:
        """Column → number, time, date, text, bytes; nothing for a query, which has no declared types."""
        if stream.query:
            return {}
        table = origin(stream)
        try:
            listed = inspect(self._database.engine).get_columns(table.name, schema=table.schema)
        except SQLAlchemyError:
            return {}
        return {each["name"]: _family(each["type"]) for each in listed if each["name"] in stream.columns}

    def _any(self, stream: SqlStream, condition: Any) -> bool:
        query = chosen(stream, [stream.version]).where(condition).limit(1)
        return bool(self._database.rows(query, stream.name))

    def _keys(self, query: Any) -> list[str] | None:
        try:
            with self._database.engine.connect() as connection:
                return list(connection.execute(query).keys())
        except SQLAlchemyError:
            self._alive()
            return None

    def _alive(self) -> None:
        """Raises ServiceUnavailable when it is the database, and not this table, that does not answer."""
        self._database.rows(select(1), "database")


def _nothing(stream: SqlStream, name: str) -> Any:
    return chosen(stream, [name]).where(text("1 = 0"))


def _family(kind: Any) -> str:
    try:
        python = kind.python_type
    except NotImplementedError:
        return str(kind).lower()
    for types, family in FAMILIES:
        if issubclass(python, types):
            return f"{family} with zone" if getattr(kind, "timezone", False) else family
    return str(python.__name__)


def _look_alike(name: str, found: list[str]) -> str:
    alike = next((each for each in found if each.casefold() == name.casefold()), None)
    hint = f" (there is one written {alike})" if alike else ""
    return f"restore the column, or correct the mapping{hint}; the stream stands still"


def _incident(stream: SqlStream, reason: str, name: str, remedy: str) -> Incident:
    return Incident(stream.name, reason, f"{stream.name}.{name}", remedy)
