"""Reads tables of an agency's database by (version, key), with an overlap for late commits. Never writes.

Only mapped columns are selected: what nobody mapped does not even reach the connector. From time to time all keys are
compared with those that were read: what is gone was deleted, what was never read was committed later than the overlap.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, or_, select

from connectors.runtime.cursor import Ordering, Version, loaded, saved
from connectors.runtime.mapping import applies
from connectors.runtime.ports import Batch, Control, Incident, Row
from connectors.runtime.state import HIDDEN, State, hidden
from connectors.sql.config import SqlSettings, SqlStream
from connectors.sql.database import Database
from connectors.sql.examine import HALTING, KEYS, Examination
from connectors.sql.remembered import Remembered
from connectors.sql.tables import after, among, bound, chosen, column, exactly, ordered
from connectors.sql.vanished import Schedule, Vanished, Waiting
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

SEPARATOR = "\x1f"
CONTROL_PAGE = 2000
AT_ONCE = 200  # keys named in one statement; MS SQL takes 2,100 values
UNREADABLE = -1
HELD = "keys_vanished"  # the reason of an incident


class SqlSource:
    """One database. A stream that cannot be read as configured stands still, the others go on."""

    def __init__(self, settings: SqlSettings, state: State, key: AgencyKey) -> None:
        self._settings, self._state, self._key = settings, state, key
        access = settings.access
        self._database = Database(
            access.url, connect_seconds=access.connect_seconds, statement_seconds=access.statement_seconds
        )
        self._ordering = Ordering(settings.style, settings.overlap_seconds, settings.overlap_numbers)
        self._examination = Examination(self._database, state, self._ordering, settings.digest)
        self._schedule = Schedule(state, settings.reconcile_seconds)
        self._waiting = Waiting(state, settings.vanish_limit, settings.vanish_rows)
        self._vanished, self._remembered = Vanished(state), Remembered(state, key)
        self._now = datetime.now(UTC)
        self._halted: frozenset[str] = frozenset()
        self._found: dict[str, list[str]] = {}
        self._keys: dict[str, list[Incident]] = {}  # what the dear examination found, until the next one
        self._control: dict[str, Version] = {}  # stream → newest version that the gate's knowledge has
        self._lost = False  # control rows may have vanished: the gate learns all of them anew
        self._scanned: set[str] = set()  # in this round
        self._settled: set[str] = set()  # … and what was gone may go

    def check(self) -> None:
        self._database.rows(select(1), "database")

    def discover(self) -> Mapping[str, Sequence[str]]:
        for name, stream in self._settings.streams.items():
            self._found.setdefault(name, self._examination.columns(stream) or [])
        return self._found

    def refresh(self, now: datetime) -> Sequence[Incident]:
        self._now, self._found = now, {}
        self.check()
        incidents = [i for stream in self._settings.streams.values() for i in self._examine(stream)]
        self._halted = frozenset(i.stream for i in incidents if i.reason in HALTING)
        for name, share in self._waiting.streams().items():
            remedy = f"{share:.0%} of the keys vanished: hub connect accept, if that is true"
            incidents.append(Incident(name, HELD, name, remedy))
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        complete, self._lost = self._lost, False
        if complete:
            self._control.clear()
        return Control(self._control_rows(streams), complete=complete)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        for name in self._running(streams):
            yield from self._changed(self._settings.streams[name], limit)
        if set(streams) == set(self._settings.streams):
            for name in self._running(streams):
                if self._due(name):
                    yield from self._reconciled(self._settings.streams[name], limit)

    def finished(self) -> None:
        """What was compared is settled; without comparing, forget the marks that no overlap reaches any more."""
        with self._state.transaction():
            self._schedule.done(self._scanned, self._now)
            self._waiting.settled(self._settled)
            for name in () if self._schedule.on else self._settings.streams:
                if cursor := self._state.cursor(name):
                    self._state.forget_seen(name, self._ordering.order(self._ordering.start(loaded(cursor))))
            self._remembered.forget()
        self._scanned.clear()
        self._settled.clear()

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        ids = sorted(local_ids)
        for name in self._running(self._settings.streams):
            stream = self._settings.streams[name]
            for start in range(0, len(ids), AT_ONCE):
                wanted = about(stream, ids[start : start + AT_ONCE])
                if wanted is not None:
                    yield from self._as_read(stream, self._rows(stream, self._select(stream).where(wanted)))

    def close(self) -> None:
        self._database.close()

    def _running(self, streams: Collection[str]) -> list[str]:
        return [name for name in streams if name in self._settings.streams and name not in self._halted]

    def _due(self, name: str) -> bool:
        return self._schedule.due(name, self._now) or self._waiting.accepted(name)

    def _examine(self, stream: SqlStream) -> Iterator[Incident]:
        columns = self._examination.columns(stream)
        self._found[stream.name] = columns or []
        dear = self._due(stream.name) or stream.name not in self._keys
        found = list(self._examination.of(stream, columns, keys_too=dear))
        if dear:
            self._keys[stream.name] = [i for i in found if i.reason in KEYS]
        yield from found if dear else [*found, *self._keys[stream.name]]

    def _changed(self, stream: SqlStream, limit: int) -> Iterator[Batch]:
        """Rows from the cursor on, less the overlap; those that were read before as they are now do not count."""
        cursor = self._state.cursor(stream.name)
        newest = loaded(cursor) if cursor else None
        for page in self._pages(stream, self._ordering.start(newest) if newest is not None else None, limit):
            newest = self._newest(newest, stream, page)
            if fresh := self._news(stream, page):
                yield Batch(stream.name, fresh, saved(newest) if newest is not None else None)

    def _reconciled(self, stream: SqlStream, limit: int) -> Iterator[Batch]:
        """Compare all keys: first what is otherwise than it was read, then what is there no longer."""
        self._vanished.begin()
        for page in self._key_pages(stream):
            different = self._different(stream, page)
            for start in range(0, len(different), AT_ONCE):
                wanted = exactly(stream.stream.key, different[start : start + AT_ONCE])
                if fresh := self._news(stream, list(self._rows(stream, self._select(stream).where(wanted)))):
                    yield Batch(stream.name, fresh)
        self._scanned.add(stream.name)
        gone = self._vanished.keys(stream.name)
        if not self._waiting.may_go(stream.name, len(gone), self._vanished.known(stream.name)):
            return
        for start in range(0, len(gone), limit):
            yield Batch(stream.name, [self._gone(stream, key) for key in gone[start : start + limit]])
        self._lost = self._lost or bool(gone)
        self._settled.add(stream.name)

    def _different(self, stream: SqlStream, page: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """Keys on this page that were never read, or last under another version."""
        keys = [key_of(stream, values) for values in page]
        self._vanished.there(map(self._state.key_hash, keys))
        seen = self._state.seen(stream.name, keys)
        return [
            [values[name] for name in stream.stream.key]
            for key, values in zip(keys, page, strict=True)
            if (version := values[stream.version]) is not None
            and seen.get(self._state.key_hash(key), (b"", UNREADABLE))[1] != self._version(version)
        ]

    def _key_pages(self, stream: SqlStream) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Keys and versions of all rows in order of the key, page by page."""
        names = stream.stream.key
        base = ordered(chosen(stream, list(dict.fromkeys([*names, stream.version]))), names, CONTROL_PAGE)
        query = base
        while page := self._database.rows(query, stream.name):
            yield page
            query = base.where(after(names, [page[-1][name] for name in names]))

    def _gone(self, stream: SqlStream, key: bytes) -> Row:
        """A row that was deleted, with what `on_vanish` asks of it where that was kept."""
        version, place = micros(self._now), self._place(stream, key)
        kept = self._remembered.of(stream.name, key)
        known = hidden(key) if kept is None else key_of(stream, kept)
        return Row(stream.name, known, place, kept or {}, version, gone=True)

    def _news(self, stream: SqlStream, page: Sequence[Row]) -> list[Row]:
        """Rows that say something else than when they were read last."""
        seen = self._state.seen(stream.name, [row.key for row in page])
        fresh = []
        for row in page:
            content, since = seen.get(self._state.key_hash(row.key), (b"", UNREADABLE))
            if content != row.content:
                fresh.append(self._later(stream, row, since))
        if stream.stream.on_vanish and self._schedule.on:
            self._remembered.keep(stream.name, {*stream.stream.key, *stream.stream.on_vanish.columns}, fresh)
        return fresh

    def _later(self, stream: SqlStream, row: Row, since: int) -> Row:
        """A change within the hour that comes twice in October is later than what was read before it."""
        if UNREADABLE < row.version < since:
            second = self._ordering.second(row.values[stream.version])  # type: ignore[arg-type]
            return row._replace(version=second) if second > since else row
        return row

    def _as_read(self, stream: SqlStream, rows: Iterator[Row]) -> Iterator[Row]:
        """Rows under the version under which they were read, if they still say the same."""
        for row in rows:
            seen = self._state.seen(stream.name, [row.key]).get(self._state.key_hash(row.key))
            yield row._replace(version=seen[1]) if seen and seen[0] == row.content else row

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        for name in self._running(streams):
            stream, newest = self._settings.streams[name], self._control.get(name)
            start = self._ordering.start(newest) if newest is not None else None
            for page in self._pages(stream, start, CONTROL_PAGE):
                newest = self._newest(newest, stream, page)
                yield from page
            if newest is not None:
                self._control[name] = newest

    def _newest(self, held: Version | None, stream: SqlStream, page: Sequence[Row]) -> Version | None:
        readable: Iterator[Any] = (
            row.values[stream.version] for row in reversed(page) if row.version != UNREADABLE
        )
        found = next(readable, None)
        if found is None:
            return held
        newest = self._ordering.capped(found, self._now)
        return newest if held is None else max(held, newest, key=self._ordering.order)

    def _pages(self, stream: SqlStream, start: Version | None, limit: int) -> Iterator[list[Row]]:
        """Rows from `start` on in order of (version, key), page by page, each page a query of its own."""
        names = list(dict.fromkeys([stream.version, *stream.stream.key]))
        base = ordered(self._select(stream), names, limit)
        query = base if start is None else base.where(column(stream.version) >= bound(start))
        while page := list(self._rows(stream, query)):
            yield page
            if len(page) < limit:
                return
            query = base.where(after(names, [page[-1].values[name] for name in names]))

    def _select(self, stream: SqlStream) -> Select[Any]:
        return chosen(stream, stream.columns)

    def _rows(self, stream: SqlStream, query: Select[Any]) -> Iterator[Row]:
        for values in self._database.rows(query, stream.name):
            yield self._row(stream, values)

    def _row(self, stream: SqlStream, values: Mapping[str, Any]) -> Row:
        key = key_of(stream, values)
        content = sorted((name, repr(value)) for name, value in values.items() if name != stream.version)
        gone = stream.stream.gone is not None and applies(stream.stream.gone, values)
        return Row(
            stream=stream.name, key=key, place=self._place(stream, self._state.key_hash(key)), values=values,
            version=self._version(values[stream.version]),
            content=self._key.row_hash(repr(content).encode()), gone=gone,
        )  # fmt: skip

    def _place(self, stream: SqlStream, key: bytes) -> str:
        return f"{stream.name}/{key.hex()[:12]}"

    def _version(self, version: Any) -> int:
        try:
            return self._ordering.order(version)
        except DataError:
            return UNREADABLE


def key_of(stream: SqlStream, values: Mapping[str, Any]) -> str:
    """A row's key as text."""
    return SEPARATOR.join(str(values[name]) for name in stream.stream.key).replace(HIDDEN, "\\0")


def about(stream: SqlStream, ids: Sequence[str]) -> Any:
    """The condition under which a row is about one of these persons (or cases); None when it never is."""
    columns = {
        (event.subject or event.case).by for event in stream.stream.events
        if not (event.subject or event.case).lookup
    }  # fmt: skip
    if not columns:
        return None
    numbers = [int(value) for value in ids if value.isdigit()]
    return or_(*(among(name, numbers if name in stream.numeric else ids) for name in sorted(columns)))
