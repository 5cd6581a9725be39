"""Reads a system whole, again and again, and passes on only what changed. No row is kept, only keyed hashes."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

from connectors.files.delivery import Delivery
from connectors.files.diff import Diff, Incoming, beyond
from connectors.files.memory import Waiting, rejected_state
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Batch, Control, Held, Incident, NothingKept, Row
from connectors.runtime.rows import KEYLESS, identified, is_named
from connectors.runtime.state import State, hidden
from connectors.runtime.streams import Stream
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
        self, config: ConnectorConfig, state: State, key: AgencyKey, system: System, *,
        vanish_limit: float = 0.05, vanish_rows: int = 10,
    ) -> None:  # fmt: skip
        self._system, self._state, self._key = system, state, key
        self._streams = config.streams
        self._wanted = {name: _wanted(stream, config) for name, stream in config.streams.items()}
        self._limits = vanish_limit, vanish_rows
        self._diff, self._waiting = Diff(state), Waiting(state)
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
        return {name: tuple(self._system.columns(name)) for name in self._streams}

    def refresh(self, now: datetime) -> Sequence[Incident]:
        """Read everything once, to its end; nothing is passed on when a part of it cannot be read."""
        if self._as_of is not None:
            return []
        found = self._missing() or self._examined(now)
        if found:
            return found
        self._as_of = max(micros(now), int(self._state.meta(AS_OF) or 0))
        self._known = self._known and not self._moved()
        return []

    def control(self, streams: Collection[str]) -> Control:
        if self._known or self._as_of is None:
            return Control(iter(()), complete=False)
        return Control(self._control_rows(streams), complete=True)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        if self._as_of is None:
            return
        for name in streams:
            changed = (row for row, before in self._compared(name) if before != row.content)
            gone = (
                Row(name, hidden(key), name, {}, self._as_of, gone=True) for key in self._diff.vanished(name)
            )
            for rows in (changed, gone):
                while page := list(islice(rows, limit)):
                    yield Batch(name, page)

    def finished(self) -> None:
        if self._as_of is not None:
            with self._state.transaction():
                self._state.set_meta(AS_OF, str(self._as_of))
                self._waiting.done()
            self._as_of = None

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        """Rows that changed meanwhile are left out: the next reading brings them."""
        if self._missing():
            raise NothingKept
        wanted = frozenset(local_ids)
        for name, stream in self._streams.items():
            about = {one.by for event in stream.events if not (one := event.subject or event.case).lookup}
            for row in self._rows(name):
                if any(is_named(row.values, column, wanted) for column in about):
                    yield from self._since(row)

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        """Rows that changed meanwhile, or that wait, are left out: the next reading brings them."""
        if self._missing() or not self._known:
            raise NothingKept
        for row in self._rows(stream):
            if wanted(row.values[column]):
                yield from self._since(row)

    def rereadable(self) -> Collection[str]:
        return self._streams

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        """A page is those rows whose keyed hashes come next: one reading of the system. As `subjects`, without what
        changed meanwhile."""
        if self._missing():
            raise NothingKept
        page = self._state.seen_after(stream, bytes.fromhex(after or ""), limit)
        there = (row for row in self._rows(stream) if self._state.key_hash(row.key) in page)
        rows = [row for found in there for row in self._since(found)]
        return Batch(stream, rows, max(page).hex() if len(page) == limit else None)

    def held(self) -> Held | None:
        return self._waiting.held()

    def accept(self, name: str = "") -> Held | None:
        return self._waiting.accept(name)

    def close(self) -> None:
        self._system.close()

    def _control_rows(self, streams: Collection[str]) -> Iterator[Row]:
        """Known once all was read: a system that is away in between is asked for all of it again."""
        for name in streams:
            yield from self._rows(name)
        self._known = True

    def _missing(self) -> list[Incident]:
        remedy = "bring the column back, or correct the mapping; nothing is read until then"
        return [
            Incident(name, "column_missing", f"{name}.{column}", remedy)
            for name, wanted in self._wanted.items()
            if (found := set(self._system.columns(name)))
            for column in sorted(set(wanted) - found)
        ]

    def _examined(self, now: datetime) -> list[Incident]:
        self._diff.clear()
        stream = ""
        try:
            with self._state.transaction():
                for stream in self._streams:
                    self._diff.load(self._incoming(stream))
                self._diff.index()
        except DataError as error:
            return [Incident(stream, error.reason, error.place, error.remedy)]
        twice = [name for name in self._streams if self._diff.duplicate(name) is not None]
        if twice:
            return [Incident(twice[0], "duplicate_key", twice[0], "one row per key: correct key or system")]
        return self._too_many_vanished(now)

    def _too_many_vanished(self, now: datetime) -> list[Incident]:
        share_limit, row_limit = self._limits
        for name in self._streams:
            gone, before = self._diff.vanished_count(name)
            if beyond(gone, before, share_limit, row_limit):
                digest = hashlib.sha256(b"".join(sorted(self._diff.vanished(name)))).hexdigest()
                delivery = Delivery(f"{now:%Y-%m-%d %H:%M}", micros(now), {}, digest)
                if self._waiting.accepted(delivery):
                    continue
                if self._waiting.rejected(delivery):
                    return [rejected_state(name)]
                self._waiting.hold(delivery, name, gone / before)
                self._waiting.only([delivery.digest])
                remedy = f"{gone / before:.0%} of the keys vanished: hub connect accept, if that is true"
                return [Incident(name, "snapshot_held", name, remedy)]
        return []

    def _moved(self) -> bool:
        self._diff.find_changes()
        return any(
            next(self._diff.changes(name), None) or self._diff.vanished_count(name)[0]
            for name in self._streams
        )

    def _incoming(self, name: str) -> Iterator[Incoming]:
        for number, row in enumerate(self._rows(name), 1):
            yield Incoming(name, number, self._state.key_hash(row.key), row.content)

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
        make = self._maker(name)
        for place, values in self._system.rows(name):
            yield make(place, values)

    def _maker(self, name: str) -> Callable[[str, Values], Row]:
        stream, wanted, version = self._streams[name], self._wanted[name], self._as_of or 0

        def make(place: str, found: Values) -> Row:
            if missing := [column for column in wanted if column not in found]:
                remedy = "bring the column back, or correct the mapping; nothing is read until then"
                at = f"{place}.{missing[0]}"
                raise DataError("column is not there", reason="column_missing", place=at, remedy=remedy)
            values = {column: found[column] for column in wanted}
            key, gone, fault, _ = identified(stream, values)
            if fault is not None and fault.reason == KEYLESS:
                remedy = "every row needs its key"
                raise DataError("has no key", reason=KEYLESS, place=place, remedy=remedy)
            content = self._key.row_hash(repr(sorted(values.items())).encode())
            return Row(name, key, place, values, version, content, gone, fault)

        return make


def _wanted(stream: Stream, config: ConnectorConfig) -> tuple[str, ...]:
    """The columns that are mapped or looked up; no other goes further."""
    looked = (lookup for lookup in config.lookups.values() if lookup.stream == stream.name)
    return tuple(sorted(stream.columns.union(*((lookup.key, *lookup.columns) for lookup in looked))))
