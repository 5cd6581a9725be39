"""Which row a record is of, where another stream says a part of its name: two rows never speak for one record.

A source tells rows apart by their own columns, so it cannot see that two of them come to one name by what another
stream says of them. The row that said a record first keeps it; another one waits. Kept as keyed hashes in the
connector's state.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from connectors.contract import Row
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.state.state import State
from hub.domain.consent import NARROWING

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS claimed (
        record_ref BLOB PRIMARY KEY, stream TEXT NOT NULL, key BLOB NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS claimed_by ON claimed (stream, key)",
)
TWICE = "duplicate_key"


class Apart(NamedTuple):
    """The events of a batch that may be said, and the rows that wait because another one says the same record."""

    events: list[MappedEvent]
    waiting: list[Unmapped]


class Claims:
    """In the connector's state; writes belong in a transaction of it."""

    def __init__(self, streams: Mapping[str, Stream], state: State) -> None:
        self._state = state
        self._streams = {name: stream for name, stream in streams.items() if stream.named_elsewhere}
        for statement in SCHEMA:
            state.db.execute(statement)

    def apart(self, rows: Sequence[Row], events: list[MappedEvent]) -> Apart:
        """The events without those of rows that claim another row's record; what narrows is said all the same."""
        stream = next((row.stream for row in rows), "")
        if stream not in self._streams:
            return Apart(events, [])
        key = self._state.key_hash
        claimed: dict[bytes, set[bytes]] = defaultdict(set)
        for event in events:
            claimed[event.record_ref].add(key(event.row_key))
        leaving = {key(row.key) for row in rows if row.gone} | {key(event.row_key) for event in events}
        owners = {
            ref: owner
            for ref, owner in self._owners(claimed).items()
            if owner in claimed[ref] or not (owner in leaving or self._wants_another(stream, owner))
        }
        places = {
            event.place: event
            for event in events
            if owners.get(event.record_ref, key(event.row_key)) != key(event.row_key)
            or (event.record_ref not in owners and len(claimed[event.record_ref]) > 1)
        }
        kept = [
            event for event in events if event.place not in places or event.schema.event_type in NARROWING
        ]
        return Apart(kept, [self._waits(event) for event in places.values()])

    def is_named(self, event: MappedEvent) -> bool:
        """Whether another stream says a part of its record's name."""
        return event.stream in self._streams

    def own(self, events: Iterable[MappedEvent]) -> list[MappedEvent]:
        """Those of records that their rows keep; and what narrows."""
        found = list(events)
        owners = self._owners({event.record_ref for event in found if self.is_named(event)})
        return [
            event
            for event in found
            if not self.is_named(event)
            or event.schema.event_type in NARROWING
            or owners.get(event.record_ref) == self._state.key_hash(event.row_key)
        ]

    def keep(self, rows: Iterable[Row], events: Iterable[MappedEvent], waiting: Iterable[str]) -> None:
        """Inside the caller's transaction: these rows say these records now; rows at the places `waiting` say what they
        said before."""
        held = set(waiting)
        done = [(row.stream, self._state.key_hash(row.key)) for row in rows if row.place not in held]
        if not done or done[0][0] not in self._streams:
            return
        self._state.db.executemany("DELETE FROM claimed WHERE stream = ? AND key = ?", done)
        self._state.db.executemany(
            "INSERT OR REPLACE INTO claimed VALUES (?, ?, ?)",
            [
                (one.record_ref, one.stream, self._state.key_hash(one.row_key))
                for one in events
                if one.place not in held
            ],
        )

    def _wants_another(self, stream: str, row: bytes) -> bool:
        """Whether the row waits for a record that another row keeps: it does not say its own one any more."""
        query = "SELECT 1 FROM quarantine WHERE stream = ? AND key = ? AND reason = ?"
        return self._state.db.execute(query, (stream, row, TWICE)).fetchone() is not None

    def _owners(self, refs: Iterable[bytes]) -> dict[bytes, bytes]:
        query = "SELECT key FROM claimed WHERE record_ref = ?"
        found = ((ref, self._state.db.execute(query, (ref,)).fetchone()) for ref in refs)
        return {ref: row[0] for ref, row in found if row}

    def _waits(self, event: MappedEvent) -> Unmapped:
        column = self._streams[event.stream].key[0]
        return Unmapped(
            stream=event.stream,
            place=event.place,
            event_type=event.schema.event_type,
            reason=TWICE,
            column=column,
            remedy="another row says the same record: correct what the other stream says, or the key",
        )
