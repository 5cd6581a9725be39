"""Reads tables of an agency's database by (version, key), with an overlap for late commits. Never writes.

Only mapped columns are selected: what nobody mapped does not even reach the connector. From time to time all keys are
compared with those that were read: what is gone was deleted, what was never read was committed later than the overlap.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import or_, select

from connectors.contract import Batch, Control, Incident, NothingKept, Row
from connectors.database.connection import Database, RowsUnreadable
from connectors.database.statements import among, exactly
from connectors.database.values import told
from connectors.pipeline.mapping.row_rules import is_among, key_before
from connectors.pipeline.state.skipped_streams import SkippedStreams
from connectors.pipeline.state.state import State, hidden
from connectors.sources.cursor import Ordering, Version, loaded, saved
from connectors.sources.doubtful import Doubtful
from connectors.sources.sql.config import SqlSettings, SqlStream
from connectors.sources.sql.doubled import Doubled
from connectors.sources.sql.examine import HALTING, KEYS, Examination
from connectors.sources.sql.reader import AT_ONCE, UNREADABLE, Reader, key_of, place_of
from connectors.sources.sql.remembered import Bookmark, Remembered
from connectors.sources.sql.vanished import Schedule, Vanished, Waiting
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

CONTROL_PAGE = 2000
SPELT = "spelt otherwise "
"""Begins the name under which the state knows that a stream writes numbers of persons otherwise than they count."""
HELD = "keys_vanished"  # the reason of an incident


class SqlSource:
    """One database. A stream that cannot be read as configured stands still, the others go on."""

    def __init__(self, settings: SqlSettings, state: State, key: AgencyKey) -> None:
        self._settings, self._state = settings, state
        access = settings.access
        self._database = Database(
            access.url, connect_seconds=access.connect_seconds, statement_seconds=access.statement_seconds
        )
        self._ordering = Ordering(settings.style, settings.overlap_seconds, settings.overlap_numbers)
        self._schedule = Schedule(state, settings.reconcile_seconds)
        self._waiting = Waiting(state, settings.vanish_limit, settings.vanish_rows)
        self._vanished, self._remembered = Vanished(state), Remembered(state, key)
        self._doubtful, self._passed_over = Doubtful(state, key.row_hash), SkippedStreams(state)
        self._reader = Reader(
            self._database,
            self._ordering,
            state,
            key,
            self._remembered,
            self._doubtful,
            remembering=self._schedule.on,
        )
        self._doubled = Doubled(self._database, self._reader, state, self._doubtful)
        self._examination = Examination(
            self._database, state, self._ordering, settings.digest, self._doubled.examine
        )
        self._bookmark = Bookmark(key)
        self._now = datetime.now(UTC)
        self._halted: frozenset[str] = frozenset()
        self._found: dict[str, list[str]] = {}
        self._keys: dict[str, list[Incident]] = {}  # what the dear examination found, until the next one
        self._control: dict[str, Version] = {}  # stream → newest version that the gate's knowledge has
        self._lost = False  # control rows may have vanished: the gate learns all of them anew
        self._scanned: set[str] = set()  # in this round
        self._settled: set[str] = set()  # … and what was gone may go
        self._looked: set[str] = set()  # streams of which all keys were looked at in this round
        self._broken: dict[str, Incident] = {}  # streams of which reading ended in this round
        self._doubted: frozenset[str] = frozenset()  # … in the round before

    def check(self) -> None:
        self._database.rows(select(1), "database")

    def discover(self) -> Mapping[str, Sequence[str]]:
        for name, stream in self._settings.streams.items():
            self._found.setdefault(name, self._examination.columns(stream) or [])
        return {
            name: tuple(one for one in found if one != self._settings.streams[name].version)
            for name, found in self._found.items()
        }

    def refresh(self, now: datetime) -> Sequence[Incident]:
        self._now, self._found = now, {}
        self.check()
        self._looked.clear()
        incidents, self._broken, self._doubted = [*self._broken.values()], {}, frozenset(self._broken)
        for stream in self._settings.streams.values():
            with self._alone(stream.name):
                incidents += self._examine(stream)
        self._halted = frozenset([*self._broken, *(i.stream for i in incidents if i.reason in HALTING)])
        incidents += [one for one in self._broken.values() if one not in incidents]
        for name, share in self._waiting.streams().items():
            remedy = f"{share:.0%} of the keys vanished: hub connect accept, if that is true"
            incidents.append(Incident(name, HELD, name, remedy))
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        if self._lost:
            self._control.clear()
        return Control(self._control_rows(streams), complete=self._lost)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        for name in self._running(streams):
            with self._alone(name):
                yield from self._changed(self._settings.streams[name], limit)
        if set(streams) == set(self._settings.streams):
            for name in self._running(streams):
                if self._due(name) and name not in self._broken:
                    with self._alone(name):
                        yield from self._reconciled(self._settings.streams[name], limit)

    def finished(self) -> None:
        """What was compared is settled; without comparing, forget the marks that no overlap reaches any more."""
        with self._state.transaction():
            self._schedule.done(self._scanned, self._now)
            self._waiting.settled(self._settled)
            for name in () if self._schedule.on else self._settings.streams:
                if cursor := self._state.cursor(name):
                    self._state.forget_seen(name, self._ordering.order(self._ordering.start(loaded(cursor))))
            self._remembered.forget(self._settled)
        running = set(self._running(self._settings.streams))
        self._passed_over.caught_up(running - self._broken.keys() - self._doubted)
        self._scanned.clear()
        self._settled.clear()

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        ids = sorted(local_ids)
        running = self._running(self._settings.streams)
        for name in running:
            with self._alone(name):
                yield from self._about(self._settings.streams[name], ids)
        left = {name for name in self._settings.streams if name not in running or name in self._broken}
        self._passed_over.note(left)

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        if stream not in self._running([stream]):
            raise NothingKept
        found = self._settings.streams[stream]
        try:
            for page in self._reader.key_pages(found, column):
                mine = [[one[name] for name in found.stream.key] for one in page if wanted(told(one[column]))]
                for start in range(0, len(mine), AT_ONCE):
                    named = exactly(found.stream.key, mine[start : start + AT_ONCE])
                    rows = self._reader.apart(found, self._reader.where(found, named))
                    yield from self._reader.as_read(found, rows)
        except RowsUnreadable:  # of a row this column cannot be given
            for given in self._reader.pages(found, None, CONTROL_PAGE):
                rows = self._reader.apart(found, given)
                yield from self._reader.as_read(
                    found, [row for row in rows if wanted(row.values.get(column))]
                )

    def rereadable(self) -> Collection[str]:
        return self._settings.streams

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        if stream not in self._running([stream]):
            raise NothingKept
        found, names = self._settings.streams[stream], self._settings.streams[stream].stream.key
        try:
            page = self._reader.page_by_key(found, self._bookmark.opened(stream, after), limit)
        except DataError:
            raise NothingKept from None
        last = [page[-1].values[name] for name in names] if len(page) == limit else None
        return Batch(
            stream,
            self._reader.again(found, self._reader.apart(found, self._reader.counted(found, page))),
            self._bookmark.closed(stream, last) if last else None,
        )

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Whatever cannot be read in this stream ends its own reading, and no other's; it is told in the next round."""
        try:
            yield
        except DataError as error:
            self._broken[name] = Incident(name, error.reason, error.place or name, error.remedy)

    def _about(self, stream: SqlStream, ids: Sequence[str]) -> Iterator[Row]:
        if self._state.meta(f"{SPELT}{stream.name}"):
            yield from self._searched(stream, frozenset(ids))
            return
        for start in range(0, len(ids), AT_ONCE):
            wanted = about(stream, ids[start : start + AT_ONCE])
            if wanted is not None:
                rows = self._reader.apart(stream, self._reader.where(stream, wanted))
                yield from self._reader.as_read(stream, rows)

    def _searched(self, stream: SqlStream, ids: Collection[str]) -> Iterator[Row]:
        """The same where the table writes numbers otherwise than they count: every row's number is looked at."""
        columns, names = about_columns(stream), stream.stream.key
        for page in self._reader.key_pages(stream, *columns):
            mine = [one for one in page if any(is_among(told(one[name]), name, ids) for name in columns)]
            for start in range(0, len(mine), AT_ONCE):
                keys = [[one[name] for name in names] for one in mine[start : start + AT_ONCE]]
                rows = self._reader.apart(stream, self._reader.where(stream, exactly(names, keys)))
                yield from self._reader.as_read(stream, rows)

    def _note_spelling(self, stream: SqlStream, page: Sequence[Row]) -> None:
        mark, columns = f"{SPELT}{stream.name}", about_columns(stream)
        if not self._state.meta(mark) and any(_is_spelt_otherwise(row, columns) for row in page):
            with self._state.transaction():
                self._state.set_meta(mark, "1")

    def _running(self, streams: Collection[str]) -> list[str]:
        return [name for name in streams if name in self._settings.streams and name not in self._halted]

    def _due(self, name: str) -> bool:
        return self._schedule.due(name, self._now) or self._waiting.accepted(name)

    def _examine(self, stream: SqlStream) -> Iterator[Incident]:
        columns = self._examination.columns(stream)
        self._found[stream.name] = columns or []
        dear = self._due(stream.name) or stream.name not in self._keys
        found = list(self._examination.of(stream, columns, keys_too=dear))
        if dear and not any(i.reason in HALTING - KEYS for i in found):
            self._looked.add(stream.name)
            self._keys[stream.name] = [i for i in found if i.reason in KEYS]
        yield from found if dear else [*found, *self._keys[stream.name]]

    def _changed(self, stream: SqlStream, limit: int) -> Iterator[Batch]:
        """Rows from the cursor on, less the overlap; those that were read before as they are now do not count."""
        cursor = self._state.cursor(stream.name)
        newest = loaded(cursor) if cursor else None
        for page in self._reader.pages(
            stream, self._ordering.start(newest) if newest is not None else None, limit
        ):
            newest = self._newest(newest, stream, page)
            self._note_spelling(stream, page)
            if stream.name not in self._looked:
                self._doubled.meet(stream, page)
            if fresh := self._reader.news(stream, self._reader.apart(stream, page)):
                yield Batch(stream.name, fresh, saved(newest) if newest is not None else None)

    def _reconciled(self, stream: SqlStream, limit: int) -> Iterator[Batch]:
        """Compare all keys: first what is otherwise than it was read, then what is there no longer."""
        self._vanished.begin()
        for page in self._reader.key_pages(stream):
            different = self._different(stream, page)
            for start in range(0, len(different), AT_ONCE):
                wanted = exactly(stream.stream.key, different[start : start + AT_ONCE])
                rows = self._reader.apart(stream, self._reader.where(stream, wanted))
                self._vanished.there(self._state.key_hash(row.key) for row in rows)
                if fresh := self._reader.news(stream, rows):
                    yield Batch(stream.name, fresh)
        self._scanned.add(stream.name)
        gone, unsaid = self._vanished.keys(stream.name), self._doubtful.unsaid(stream.name)
        known = max(0, self._vanished.known(stream.name) - len(unsaid))
        if not self._waiting.may_go(stream.name, sum(key not in unsaid for key in gone), known):
            return
        left = (self._gone(stream, key)._replace(unsaid=key in unsaid) for key in gone)
        while batch := list(islice(left, limit)):
            yield Batch(stream.name, batch)
        self._lost = self._lost or bool(gone)
        self._settled.add(stream.name)

    def _different(self, stream: SqlStream, page: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """Keys on this page that were never read, or last under another version, or that several rows claim."""
        both = zip(self._reader.keys(stream, page), page, strict=True)
        found = [(key, values) for key, values in both if key is not None]
        keys = [key for key, _ in found]
        hashed = [self._state.key_hash(key) for key in keys]
        self._vanished.there(hashed)
        seen, twice = self._state.seen(stream.name, keys), self._doubtful.claimed(stream.name)
        return [
            [values[name] for name in stream.stream.key]
            for key, (_, values) in zip(hashed, found, strict=True)
            if (version := values[stream.version]) is not None
            and (key in twice or seen.get(key, (b"", UNREADABLE))[1] != self._reader.version(version))
        ]

    def _gone(self, stream: SqlStream, key: bytes) -> Row:
        """A row that was deleted, with what `on_vanish` asks of it where that was kept."""
        version, place = micros(self._now), place_of(stream, key)
        kept = self._remembered.of(stream.name, key)
        known = hidden(key) if kept is None else self._key_of(stream, kept, key)
        return Row(stream.name, known, place, kept or {}, version, gone=True)

    def _key_of(self, stream: SqlStream, kept: Mapping[str, Any], hashed: bytes) -> str:
        """The key under which the row counted."""
        own = key_of(stream, kept)
        return own if self._state.key_hash(own) == hashed else key_before(stream.stream, own) or own

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        """How far it came counts once all were read: what a database that goes away took with it is asked for again."""
        read: dict[str, Version] = {}
        for name in self._running(streams):
            stream, newest = self._settings.streams[name], self._control.get(name)
            start = self._ordering.start(newest) if newest is not None else None
            with self._alone(name):
                for page in self._reader.pages(stream, start, CONTROL_PAGE):
                    newest = self._newest(newest, stream, page)
                    yield from self._reader.apart(stream, page)
                if newest is not None:
                    read[name] = newest
        self._control |= read
        self._lost = False

    def _newest(self, held: Version | None, stream: SqlStream, page: Sequence[Row]) -> Version | None:
        readable: Iterator[Any] = (
            row.values[stream.version] for row in reversed(page) if row.version != UNREADABLE
        )
        found = next(readable, None)
        if found is None:
            return held
        newest = self._ordering.capped(found, self._now)
        return newest if held is None else max(held, newest, key=self._ordering.order)


def about_columns(stream: SqlStream) -> list[str]:
    """The columns in which a row names whom it is about."""
    about = (event.subject or event.case for event in stream.stream.events)
    return sorted({reference.by for reference in about if not reference.lookup})


def _is_spelt_otherwise(row: Row, columns: Sequence[str]) -> bool:
    """Whether a number is not found by comparing it as it counts."""
    texts = [raw for name in columns if isinstance(raw := row.values.get(name), str)]
    return any(raw and not is_among(raw, "", {raw}) for raw in texts)


def about(stream: SqlStream, ids: Sequence[str]) -> Any:
    """The condition under which a row is about one of these persons (or cases); None when it never is."""
    columns = about_columns(stream)
    if not columns:
        return None
    numbers = [int(value) for value in ids if value.isdigit()]
    return or_(*(among(name, numbers if name in stream.numeric else ids) for name in columns))
