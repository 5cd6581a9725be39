"""Reads a system whole, again and again, and passes on only what changed. No row is kept, only keyed hashes.

A stream that cannot be read stands still alone. A row without a key, and rows that claim one key and say different
things, wait alone.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Protocol

from connectors.contract import Batch, Control, Held, Incident, NothingKept, Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.mapping.row_rules import identified, is_named, is_unnamed
from connectors.pipeline.state.renumbering import RowKeys, numbered
from connectors.pipeline.state.skipped_streams import SkippedStreams
from connectors.pipeline.state.state import State, hidden
from connectors.sources.doubtful import TWICE, Doubtful, too_many
from connectors.sources.files.delivery import Delivery
from connectors.sources.files.diff import Diff, Incoming, beyond
from connectors.sources.files.memory import Waiting, rejected_state
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, DataError

AS_OF = "whole_as_of"
PAGE = 500
Values = Mapping[str, object]


class System(Protocol):
    """An agency's system, read and never changed. It is asked several times a step and answers with what is there."""

    def check(self) -> None:
        """Raises ConfigurationError or ServiceUnavailable when reading cannot work."""
        ...

    def columns(self, stream: str) -> Sequence[str]:
        """All columns, mapped or not; none when that cannot be told because nothing is there."""
        ...

    def rows(self, stream: str) -> Iterator[tuple[str, Values]]:
        """Every row that there is now: its place (for people: file and line, never a value) and its values by column.

        Raises DataError (reason, place, remedy) at the first thing that cannot be read, ServiceUnavailable when the
        system does not answer: it never just ends early, for what is not there counts as deleted.
        """
        ...

    def close(self) -> None: ...


class WholeSource:
    """A `Source` over a `System`. More vanished keys than `vanish_limit` (a share) and `vanish_rows` wait for a person.

    The version of a change is the time at which it was seen, never earlier than the one before.
    """

    def __init__(
        self,
        config: ConnectorConfig,
        state: State,
        key: AgencyKey,
        system: System,
        *,
        vanish_limit: float = 0.05,
        vanish_rows: int = 10,
    ) -> None:
        self._system, self._state, self._key = system, state, key
        self._streams = config.streams
        self._wanted = {name: _wanted(stream, config) for name, stream in config.streams.items()}
        self._limits = vanish_limit, vanish_rows
        self._diff, self._waiting, self._passed_over = Diff(state), Waiting(state), SkippedStreams(state)
        self._doubtful, self._keys = Doubtful(state, key.row_hash), RowKeys(state)
        self._halted: dict[str, str] = {}  # stream → digest of what waits for a person, if that is why
        self._as_of: int | None = None  # the round that is being read
        self._known = False
        for name, stream in config.streams.items():
            if stream.on_vanish:
                raise ConfigurationError(
                    "asks for what a vanished row said, which is not kept",
                    place=f"config.streams.{name}.on_vanish",
                    remedy="map a deletion mark with gone, or read files",
                )

    def check(self) -> None:
        self._system.check()

    def discover(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, Sequence[str]] = {}
        for name in self._streams:
            with suppress(DataError):  # an incident tells it
                found[name] = tuple(self._system.columns(name))
        return found

    def refresh(self, now: datetime) -> Sequence[Incident]:
        """Read everything once, to its end; of a stream that cannot be read to its end nothing is passed on."""
        if self._as_of is not None:
            return []
        self._halted = {}
        incidents = [*self._examined(), *self._too_many_vanished(now)]
        self._waiting.only(self._held_digests())
        if running := self._running():
            self._as_of = max(micros(now), int(self._state.meta(AS_OF) or 0))
            self._known = self._known and not self._moved()
            self._passed_over.caught_up(running)
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        if self._known or self._as_of is None:
            return Control(iter(()), complete=False)
        running = self._running(streams)
        return Control(self._control_rows(running), complete=len(running) == len(streams))

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        if self._as_of is None:
            return
        for name in self._running(streams):
            with suppress(DataError):  # it changed since it was examined: the next examination tells of it
                yield from self._changed(name, self._as_of, limit)

    def finished(self) -> None:
        if self._as_of is not None:
            with self._state.transaction():
                self._state.set_meta(AS_OF, str(self._as_of))
                self._waiting.done(still=self._held_digests())
            self._doubtful.keep(self._running())
            self._as_of = None

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        """Rows that changed meanwhile are left out: the next reading brings them."""
        wanted = frozenset(local_ids)
        for name, stream in self._streams.items():
            about = {one.by for event in stream.events if not (one := event.subject or event.case).lookup}
            try:
                for row in self._rows(name):
                    if any(is_named(row.values, column, wanted) for column in about):
                        yield from self._since(row)
            except DataError:
                self._passed_over.note([name])

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        """Rows that changed meanwhile, or that wait, are left out: the next reading brings them."""
        if stream in self._halted or not self._known:
            raise NothingKept
        try:
            for row in self._rows(stream):
                if wanted(row.values.get(column)):
                    yield from self._since(row)
        except DataError:
            raise NothingKept from None

    def rereadable(self) -> Collection[str]:
        return self._streams

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        """A page is those rows whose keyed hashes come next: one reading of the system. As `subjects`, without what
        changed meanwhile."""
        page = self._state.seen_after(stream, bytes.fromhex(after or ""), limit)
        there = (row for row in self._rows(stream) if self._state.key_hash(row.key) in page)
        try:
            rows = [row for found in there for row in self._since(found)]
        except DataError:
            raise NothingKept from None
        return Batch(stream, rows, max(page).hex() if len(page) == limit else None)

    def held(self) -> Held | None:
        return self._waiting.held()

    def accept(self, name: str = "") -> Held | None:
        return self._waiting.accept(name)

    def close(self) -> None:
        self._system.close()

    def _running(self, streams: Collection[str] | None = None) -> list[str]:
        return [name for name in (self._streams if streams is None else streams) if name not in self._halted]

    def _held_digests(self) -> list[str]:
        return [digest for digest in self._halted.values() if digest]

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        """Known once all was read: a system that is away in between is asked for all of it again."""
        whole = not self._halted
        for name in streams:
            try:
                yield from self._rows(name)
            except DataError:
                whole = False
        self._known = whole

    def _changed(self, name: str, as_of: int, limit: int) -> Iterator[Batch]:
        changed = (row for row, before in self._compared(name) if before != row.content)
        vanished = self._doubtful.vanished(name, self._diff.vanished(name))
        gone = (Row(name, hidden(key), name, {}, as_of, gone=True) for key in vanished)
        for rows in (changed, gone):
            while page := list(islice(rows, limit)):
                yield Batch(name, page)

    def _require_columns(self, name: str) -> None:
        """Raises DataError for a column that is not there."""
        found = set(self._system.columns(name))
        if missing := sorted(set(self._wanted[name]) - found) if found else []:
            raise _column_missing(f"{name}.{missing[0]}")

    def _examined(self) -> list[Incident]:
        """Each stream once, to its end; those that cannot be read."""
        self._diff.clear()
        self._doubtful.begin(self._streams)
        found: list[Incident] = []
        with self._state.transaction():
            for name in self._streams:
                try:
                    self._require_columns(name)
                    self._renumber(name)
                    self._diff.load(self._incoming(name))
                except DataError as error:
                    found.append(self._halt(name, Incident(name, error.reason, error.place, error.remedy)))
            self._diff.index()
            for name in self._running():
                if too_many(self._diff.contradicting(name)[0], self._diff.rows(name)):
                    remedy = "one row per key: correct key or system"
                    found.append(self._halt(name, Incident(name, TWICE, name, remedy)))
                    continue
                self._tell_apart(name)
        return found

    def _halt(self, name: str, incident: Incident, digest: str = "") -> Incident:
        self._halted[name] = digest
        if not digest:
            self._diff.leave_out(name)
        return incident

    def _tell_apart(self, name: str) -> None:
        """Rows that say the same count once; rows that claim one key and say different things wait, each alone."""
        lines = self._diff.contradictions(name)
        places = defaultdict[bytes, list[str]](list)
        for number, row in enumerate(self._plain(name), 1) if lines else ():
            if number in lines:
                places[lines[number]].append(row.place)
                self._diff.rename(name, number, self._state.key_hash(self._doubtful.apart(row)))
        for key in set(lines.values()):
            self._doubtful.twice(name, self._streams[name].key[0], key, places[key])
        self._doubtful.repeated(name, self._diff.leave_out_repeated(name))

    def _too_many_vanished(self, now: datetime) -> list[Incident]:
        share_limit, row_limit = self._limits
        found: list[Incident] = []
        for name in self._running():
            gone, before = self._doubtful.losses(name, self._diff.vanished(name), self._diff.known(name))
            if not beyond(gone, before, share_limit, row_limit):
                continue
            digest = hashlib.sha256(b"".join(sorted(self._diff.vanished(name)))).hexdigest()
            delivery = Delivery(f"{now:%Y-%m-%d %H:%M} {name}", micros(now), {}, digest)
            if self._waiting.accepted(delivery):
                continue
            if self._waiting.rejected(delivery):
                found.append(self._halt(name, rejected_state(name)))
                continue
            self._waiting.hold(delivery, name, gone / before)
            remedy = f"{gone / before:.0%} of the keys vanished: hub connect accept, if that is true"
            found.append(self._halt(name, Incident(name, "snapshot_held", name, remedy), digest))
        return found

    def _moved(self) -> bool:
        self._diff.find_changes()
        return any(
            next(self._diff.changes(name), None) or self._diff.vanished(name) for name in self._running()
        )

    def _incoming(self, name: str) -> Iterator[Incoming]:
        for number, row in enumerate(self._plain(name), 1):
            key = self._state.key_hash(row.key)
            if is_unnamed(row):
                self._doubtful.unnamed(name, key)
            yield Incoming(name, number, key, row.content)

    def _compared(self, name: str) -> Iterator[tuple[Row, bytes]]:
        """Every row with the content under which it was last read (empty: new)."""
        rows = self._rows(name)
        while page := list(islice(rows, PAGE)):
            seen = self._state.seen(name, [row.key for row in page])
            yield from ((row, seen.get(self._state.key_hash(row.key), (b"",))[0]) for row in page)

    def _since(self, row: Row) -> Iterator[Row]:
        before = self._state.seen(row.stream, [row.key]).get(self._state.key_hash(row.key))
        if before and before[0] == row.content:
            yield row._replace(version=before[1])

    def _rows(self, name: str) -> Iterator[Row]:
        """Every row that counts; those of which nobody can tell which record they are wait."""
        yield from self._doubtful.told_apart(name, self._plain(name))

    def _plain(self, name: str) -> Iterator[Row]:
        yield from self._keys.rows(name, self._given(name))

    def _renumber(self, name: str) -> None:
        """Settle under which keys rows count whose person has a newer number."""
        self._keys.forget(name)
        if self._streams[name].renumbered:
            given = self._given(name)
            self._keys.settle(name, (numbered(row) for row in given if row.before))

    def _given(self, name: str) -> Iterator[Row]:
        make = self._maker(name)
        for place, values in self._system.rows(name):
            yield make(place, values)

    def _maker(self, name: str) -> Callable[[str, Values], Row]:
        stream, wanted, version = self._streams[name], self._wanted[name], self._as_of or 0

        def make(place: str, found: Values) -> Row:
            if missing := [column for column in wanted if column not in found]:
                raise _column_missing(f"{place}.{missing[0]}")
            values = {column: found[column] for column in wanted}
            one = identified(stream, values)
            content = self._key.row_hash(repr(sorted(values.items())).encode())
            return Row(name, one.key, place, values, version, content, one.gone, one.fault, before=one.before)

        return make


def _column_missing(place: str) -> DataError:
    remedy = "bring the column back, or correct the mapping; the stream is not read until then"
    return DataError("column is not there", reason="column_missing", place=place, remedy=remedy)


def _wanted(stream: Stream, config: ConnectorConfig) -> tuple[str, ...]:
    """The columns that are mapped or looked up; no other goes further."""
    looked = (lookup for lookup in config.lookups.values() if lookup.stream == stream.name)
    return tuple(sorted(stream.columns.union(*((lookup.key, *lookup.columns) for lookup in looked))))
