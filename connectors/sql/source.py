"""Reads tables of an agency's database by (version, key), with an overlap for late commits. Never writes.

Only mapped columns are selected: what nobody mapped does not even reach the connector.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, column, create_engine, or_, select, table, text, tuple_
from sqlalchemy.exc import SQLAlchemyError

from connectors.runtime.mapping import applies
from connectors.runtime.ports import Batch, Control, Incident, Row
from connectors.runtime.state import State
from connectors.sql.config import SqlSettings, SqlStream
from connectors.sql.cursor import Ordering, Version, loaded, saved
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError, ServiceUnavailable

SEPARATOR = "\x1f"
CONTROL_PAGE = 2000
MISSING = "column_missing"
UNREADABLE = -1


class SqlSource:
    """One database. A stream whose columns are not all there stands still, the others go on."""

    def __init__(self, settings: SqlSettings, state: State, key: AgencyKey) -> None:
        self._settings, self._state, self._key = settings, state, key
        self._engine = create_engine(settings.url, hide_parameters=True)
        self._ordering = Ordering(settings.style, settings.overlap_seconds, settings.overlap_numbers)
        self._now = datetime.now(UTC)
        self._halted: frozenset[str] = frozenset()
        self._found: dict[str, list[str]] = {}
        self._control: dict[str, Version] = {}  # stream → newest version that the gate's knowledge has

    def check(self) -> None:
        with self._connection("database") as connection:
            connection.execute(select(1))

    def discover(self) -> Mapping[str, Sequence[str]]:
        for name, stream in self._settings.streams.items():
            self._found.setdefault(name, self._columns(stream))
        return self._found

    def refresh(self, now: datetime) -> Sequence[Incident]:
        self._now, self._found = now, {}
        incidents = [i for stream in self._settings.streams.values() for i in self._examine(stream)]
        self._halted = frozenset(i.stream for i in incidents if i.reason == MISSING)
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        return Control(self._control_rows(streams), complete=False)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        for name in self._running(streams):
            stream, cursor = self._settings.streams[name], self._state.cursor(name)
            newest = loaded(cursor) if cursor else None
            for page in self._pages(
                stream, self._ordering.start(newest) if newest is not None else None, limit
            ):
                newest = self._newest(newest, page[-1].values[stream.version])
                seen = self._state.seen(name, [row.key for row in page])
                fresh = [
                    row for row in page if seen.get(self._state.key_hash(row.key), (b"",))[0] != row.content
                ]
                if fresh:
                    yield Batch(name, fresh, saved(newest) if newest is not None else None)

    def finished(self) -> None:
        """Forget the marks that no overlap reaches any more."""
        with self._state.transaction():
            for name in self._settings.streams:
                if cursor := self._state.cursor(name):
                    self._state.forget_seen(name, self._ordering.order(self._ordering.start(loaded(cursor))))

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        ids = sorted(local_ids)
        for name in self._running(self._settings.streams):
            stream = self._settings.streams[name]
            wanted = _about(stream, ids)
            if wanted is not None:
                yield from self._rows(stream, self._select(stream).where(wanted))

    def close(self) -> None:
        self._engine.dispose()

    def _running(self, streams: Collection[str]) -> list[str]:
        return [name for name in streams if name in self._settings.streams and name not in self._halted]

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        for name in self._running(streams):
            stream, newest = self._settings.streams[name], self._control.get(name)
            start = self._ordering.start(newest) if newest is not None else None
            for page in self._pages(stream, start, CONTROL_PAGE):
                newest = self._newest(newest, page[-1].values[stream.version])
                yield from page
            if newest is not None:
                self._control[name] = newest

    def _newest(self, held: Version | None, found: Any) -> Version | None:
        if self._version(found) == UNREADABLE:
            return held
        newest: Version = self._ordering.capped(found, self._now)
        if held is None:
            return newest
        return max(held, newest, key=self._ordering.order)

    def _pages(self, stream: SqlStream, start: Version | None, limit: int) -> Iterator[list[Row]]:
        """Rows from `start` on in order of (version, key), page by page, each page a query of its own."""
        order: list[Any] = [column(stream.version), *(column(name) for name in stream.stream.key)]
        base = self._select(stream).where(order[0].is_not(None)).order_by(*order).limit(limit)
        query = base if start is None else base.where(order[0] >= start)
        while page := list(self._rows(stream, query)):
            yield page
            if len(page) < limit:
                return
            last = page[-1].values
            edge: list[Any] = [bindparam(None, last[name]) for name in (stream.version, *stream.stream.key)]
            query = base.where(tuple_(*order) > tuple_(*edge))

    def _select(self, stream: SqlStream) -> Select[Any]:
        columns: list[Any] = [column(name) for name in stream.columns]
        return select(*columns).select_from(_origin(stream))

    def _rows(self, stream: SqlStream, query: Select[Any]) -> Iterator[Row]:
        with self._connection(stream.name) as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        for values in found:
            yield self._row(stream, values)

    def _row(self, stream: SqlStream, values: dict[str, Any]) -> Row:
        key = SEPARATOR.join(str(values[name]) for name in stream.stream.key)
        content = sorted((name, repr(value)) for name, value in values.items() if name != stream.version)
        gone = stream.stream.gone is not None and applies(stream.stream.gone, values)
        return Row(
            stream=stream.name, key=key, place=f"{stream.name}/{self._state.key_hash(key).hex()[:12]}", values=values,
            version=self._version(values[stream.version]),
            content=self._key.row_hash(repr(content).encode()), gone=gone,
        )  # fmt: skip

    def _version(self, version: Any) -> int:
        try:
            return self._ordering.order(version)
        except DataError:
            return UNREADABLE

    def _examine(self, stream: SqlStream) -> Iterator[Incident]:
        found = self._found[stream.name] = self._columns(stream)
        missing = [name for name in stream.columns if name not in found]
        if missing:
            yield Incident(
                stream.name, MISSING, f"{stream.name}.{missing[0]}",
                "restore the column, or correct the mapping; the stream stands still",
            )  # fmt: skip
        elif self._unversioned(stream):
            place = f"{stream.name}.{stream.version}"
            yield Incident(
                stream.name, "version_missing", place, "fill the version column; such rows are not read"
            )

    def _unversioned(self, stream: SqlStream) -> bool:
        query: Select[Any] = select(column(stream.version)).select_from(_origin(stream))
        with self._connection(stream.name) as connection:
            return (
                connection.execute(query.where(column(stream.version).is_(None)).limit(1)).first() is not None
            )

    def _columns(self, stream: SqlStream) -> list[str]:
        query: Select[Any] = select(text("*")).select_from(_origin(stream)).where(text("1 = 0"))
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(query).keys())
        except SQLAlchemyError:
            self.check()
            return []

    @contextmanager
    def _connection(self, place: str) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise ServiceUnavailable(
                f"the agency's database does not answer ({type(error).__name__})",
                place=place,
                remedy="check database, address and password; it is tried again",
            ) from None


def _origin(stream: SqlStream) -> Any:
    schema, _, name = stream.table.rpartition(".")
    return table(name, schema=schema or None) if stream.table else text(f"({stream.query}) AS source")


def _about(stream: SqlStream, ids: Sequence[str]) -> Any:
    """The condition under which a row is about one of these persons (or cases); None when it never is."""
    columns = {
        (event.subject or event.case).by for event in stream.stream.events
        if not (event.subject or event.case).lookup
    }  # fmt: skip
    if not columns:
        return None
    numbers = [int(value) for value in ids if value.isdigit()]
    return or_(*(column(name).in_(numbers if name in stream.numeric else ids) for name in sorted(columns)))
