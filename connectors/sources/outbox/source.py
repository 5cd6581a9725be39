"""Reads a vendor's outbox table in the order of its numbers; never changes it.

Several entries may tell of one record: each holds the record whole, and the highest number counts. A number that was
skipped is asked for again until it appears, or until no transaction can be that old.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import and_, or_, select, text

from connectors.contract import Batch, Control, Incident, NothingKept, Row
from connectors.database.connection import Database, RowsUnreadable
from connectors.database.statements import among, bound, column, named
from connectors.database.values import NOT_GIVEN
from connectors.pipeline.mapping.row_rules import UNNAMED, identified, is_named
from connectors.pipeline.state.renumbering import Numbered, RowKeys, numbered
from connectors.pipeline.state.state import State
from connectors.sources.outbox.config import OutboxSettings, OutboxStream
from connectors.sources.outbox.entries import fault_in, members, names_none, values_of
from connectors.sources.outbox.gaps import Position
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey

MISSING = "column_missing"
PAGE, GAPS_AT_ONCE, SAMPLE = 1000, 100, 100
HOUR = 3_600_000_000
Entry = Mapping[str, Any]


class OutboxSource:
    """One outbox; every stream has a position of its own in it."""

    def __init__(self, settings: OutboxSettings, state: State, key: AgencyKey) -> None:
        self._settings, self._state, self._key = settings, state, key
        access = settings.access
        self._database = Database(
            access.url, connect_seconds=access.connect_seconds, statement_seconds=access.statement_seconds
        )
        self._table = named(settings.table, settings.schema)
        self._id, self._now = column(settings.id), datetime.now(UTC)
        self._halted: frozenset[str] = frozenset()
        self._control: dict[str, Position] = {}  # stream → what the gate's knowledge has
        self._keys = RowKeys(state)
        self._words: dict[str, tuple[Position, dict[str, Numbered]]] = {}  # of persons with several numbers

    def check(self) -> None:
        self._database.rows(select(1), "database")

    def discover(self) -> Mapping[str, Sequence[str]]:
        if not self._settings.payload:
            return dict.fromkeys(self._settings.streams, self._columns())
        return {name: sorted(self._sampled(stream)) for name, stream in self._settings.streams.items()}

    def refresh(self, now: datetime) -> Sequence[Incident]:
        self._now = now
        found = self._columns()
        missing = [name for name in self._wanted() if name not in found]
        remedy = "restore the column, or correct the configuration; nothing is read"
        streams = self._settings.streams
        incidents = (
            [Incident(name, MISSING, f"{self._settings.table}.{missing[0]}", remedy) for name in streams]
            if missing
            else [one for stream in streams.values() for one in self._unheard(stream)]
        )
        self._halted = frozenset(one.stream for one in incidents)
        for name in self._running(streams):
            self._renumber(streams[name])
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        return Control(self._control_rows(streams), complete=False)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        for name in self._running(streams):
            stream, position = self._settings.streams[name], Position.loaded(self._state.cursor(name))
            for rows, after in self._pages(stream, self._young(position), limit):
                yield Batch(name, self._news(stream, rows), after.saved())

    def finished(self) -> None:
        """Positions are saved with each batch."""

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        """The last word on every record about these; the outbox has to keep its entries for that."""
        wanted = frozenset(local_ids)
        for name in self._running(self._settings.streams):
            about = (event.subject or event.case for event in self._settings.streams[name].stream.events)
            columns = {reference.by for reference in about if not reference.lookup}
            if columns:
                yield from self._last(name, partial(_names, columns, wanted))

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        if stream not in self._running([stream]):
            raise NothingKept
        yield from self._last(stream, lambda row: wanted(row.values.get(column)))

    def close(self) -> None:
        self._database.close()

    def _running(self, streams: Collection[str]) -> list[str]:
        return [name for name in streams if name in self._settings.streams and name not in self._halted]

    def _young(self, position: Position) -> Position:
        return position.given_up(micros(self._now) - int(self._settings.gap_hours * HOUR))

    def _renumber(self, stream: OutboxStream) -> None:
        """Settle under which keys records count whose person has a newer number, by the last word on each. Where a
        record has to be said under a key of its own and was passed already, the stream is read again."""
        if not stream.stream.renumbered:
            return
        position, words = self._words.get(stream.name, (Position(), {}))
        for rows, after in self._given(stream, self._young(position), PAGE):
            position = after
            words |= {row.key: numbered(row, row.version) for row in rows if row.before}
        self._words[stream.name] = position, words
        ends_told = stream.stream.gone is not None
        self._keys.settle(stream.name, words.values(), ends_told=ends_told)
        last = Position.loaded(self._state.cursor(stream.name)).last
        if last is not None and self._keys.apart(stream.name, [w for w in words.values() if w.at <= last]):
            with self._state.transaction():
                self._state.restart(stream.name)

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        """Each record once, as its last entry has it: what ended and began again is there. Positions move once all
        were read."""
        read: dict[str, Position] = {}
        for name in self._running(streams):
            position = self._young(self._control.get(name, Position()))
            last: dict[str, Row] = {}
            for rows, after in self._pages(self._settings.streams[name], position, PAGE):
                position = after
                last |= {row.key: row for row in rows}
            yield from last.values()
            read[name] = position
        self._control |= read

    def _last(self, name: str, wanted: Callable[[Row], bool]) -> Iterator[Row]:
        """The last word on every record of which this is true."""
        last: dict[str, Row] = {}
        for rows, _ in self._pages(self._settings.streams[name], Position(), PAGE):
            for row in rows:
                last.pop(row.key, None)
                if wanted(row):
                    last[row.key] = row
        yield from last.values()

    def _news(self, stream: OutboxStream, rows: Sequence[Row]) -> list[Row]:
        """The last entry of each record, unless a later one was read before."""
        last = {row.key: row for row in rows}
        seen = self._state.seen(stream.name, list(last))
        held = {key: seen.get(self._state.key_hash(key), (b"", -1)) for key in last}
        return [row for key, row in last.items() if row.version > held[key][1]]

    def _pages(
        self, stream: OutboxStream, position: Position, limit: int
    ) -> Iterator[tuple[list[Row], Position]]:
        """Entries that are new, page by page in order of their numbers, and the position after each page."""
        _, words = self._words.get(stream.name, (position, {}))
        for rows, after in self._given(stream, position, limit):
            last = (row for row in rows if not row.before or words[row.key].at <= row.version)
            yield list(self._keys.rows(stream.name, last)), after

    def _given(
        self, stream: OutboxStream, position: Position, limit: int
    ) -> Iterator[tuple[list[Row], Position]]:
        while numbers := self._numbers(position, limit):
            position = position.seen(numbers, micros(self._now))
            yield [self._row(stream, entry) for entry in self._entries(stream, numbers)], position

    def _numbers(self, position: Position, limit: int) -> list[int]:
        """Numbers in gaps first, then those beyond. Other streams' entries count: they leave no gap."""
        for start in range(0, len(position.gaps), GAPS_AT_ONCE):
            some = position.gaps[start : start + GAPS_AT_ONCE]
            within = or_(*(and_(self._id >= bound(gap.first), self._id <= bound(gap.last)) for gap in some))
            if found := self._listed(within, limit):
                return found
        return self._listed(
            text("1 = 1") if position.last is None else self._id > bound(position.last), limit
        )

    def _listed(self, condition: Any, limit: int) -> list[int]:
        query = select(self._id).select_from(self._table).where(condition).order_by(self._id).limit(limit)
        return [int(row[self._settings.id]) for row in self._database.rows(query, self._settings.table)]

    def _entries(self, stream: OutboxStream, numbers: Sequence[int]) -> Sequence[Entry]:
        query = self._select(stream).where(among(self._settings.id, numbers)).order_by(self._id)
        try:
            return self._database.rows(query, stream.name)
        except RowsUnreadable:
            return [entry for number in numbers for entry in self._entry(stream, number)]

    def _entry(self, stream: OutboxStream, number: int) -> Sequence[Entry]:
        """One entry; one that the database cannot give names no record and waits alone."""
        query = self._select(stream).where(among(self._settings.id, [number]))
        try:
            return self._database.rows(query, stream.name)
        except RowsUnreadable:
            settings = self._settings
            names = (settings.payload, *settings.beside) if settings.payload else stream.columns
            return [{**dict.fromkeys(names, NOT_GIVEN), settings.id: number}]

    def _select(self, stream: OutboxStream) -> Any:
        settings = self._settings
        names = (settings.payload, *settings.beside) if settings.payload else stream.columns
        query = select(*(column(name) for name in dict.fromkeys((settings.id, *names)))).select_from(
            self._table
        )
        return query.where(among(settings.kind, stream.entries)) if settings.kind else query

    def _row(self, stream: OutboxStream, entry: Entry) -> Row:
        """An entry that names no record stands for itself and says nothing: it waits in quarantine alone."""
        number = int(entry[self._settings.id])
        values = values_of(self._settings, stream, entry)
        found = identified(stream.stream, values)
        if not found.named:
            found = found._replace(key=f"{UNNAMED}{number}")
        if names_none(stream, values):
            values, found = {}, found._replace(key=f"{UNNAMED}{number}", gone=False)
        content = sorted((name, repr(value)) for name, value in values.items())
        return Row(
            stream=stream.name,
            key=found.key,
            place=f"{stream.name}/{number}",
            values=values,
            version=number,
            content=self._key.row_hash(repr(content).encode()),
            gone=found.gone,
            fault=fault_in(self._settings, entry) or found.fault,
            timeless=True,
            before=found.before,
        )

    def _wanted(self) -> list[str]:
        settings = self._settings
        own = [settings.id, *([settings.kind] if settings.kind else [])]
        if settings.payload:
            return [*own, settings.payload, *settings.beside]
        return [*own, *sorted({name for stream in settings.streams.values() for name in stream.columns})]

    def _columns(self) -> list[str]:
        with self._database.connection(self._settings.table) as connection:
            nothing = select(text("*")).select_from(self._table).where(text("1 = 0"))
            return list(connection.execute(nothing).keys())

    def _sampled(self, stream: OutboxStream) -> set[str]:
        return {name for entry in self._newest(stream) for name in members(entry[self._settings.payload])}

    def _newest(self, stream: OutboxStream) -> Sequence[Entry]:
        """A sample; none where one of them cannot be given, for that one waits alone."""
        query = self._select(stream).order_by(self._id.desc()).limit(SAMPLE)
        try:
            return self._database.rows(query, stream.name)
        except RowsUnreadable:
            return []

    def _unheard(self, stream: OutboxStream) -> Iterator[Incident]:
        """A column that none of the newest objects holds is misspelt or was dropped: a single entry's fault it is not.

        What ended may say no more than its key.
        """
        if not self._settings.payload:
            return
        said = [values_of(self._settings, stream, entry) for entry in self._newest(stream)]
        held = set[str]().union(*(values for values in said if not identified(stream.stream, values).gone))
        remedy = "correct the column's name, or list it under optional; the stream is not read until then"
        missing = (
            sorted({*stream.columns} - {*stream.optional} - held) if held - {*self._settings.beside} else []
        )
        yield from (Incident(stream.name, MISSING, f"{stream.name}.{name}", remedy) for name in missing[:1])


def _names(columns: Collection[str], wanted: Collection[str], row: Row) -> bool:
    """Whether one of these numbers stands in one of the columns."""
    return any(is_named(row.values, each, wanted) for each in columns)
