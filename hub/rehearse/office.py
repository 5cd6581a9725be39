"""One agency of a story: its own system, which holds rows, and the source through which its connector reads them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from connectors.contract import Batch, Control, Incident, Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.state.state import State
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError
from hub.rehearse.mapping import SPLIT
from schemas import EventSchema, event_schema
from schemas.fields import STAMP, stamp_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row to enter: `key` is the row's own, `name` what the story calls it, `more` the columns beside the payload.

    `about` a person (`subject`), or the family whose case it is.
    """

    event_type: str
    key: str
    name: str = ""
    about: str = "person"
    subject: str
    case: str
    occurred_at: datetime
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)
    more: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def values(self) -> Mapping[str, object]:
        fixed = {
            "about": self.about,
            "subject": self.subject,
            "case": self.case,
            "occurred_at": self.occurred_at,
        }
        return fixed | dict(self.more)


@dataclass(slots=True)
class Office:
    """An agency's own system. Rows are put in; a row put again under its key is a later version of it.

    It outlives every process of the hub and its connectors, as an agency's database does.
    """

    agency: str
    key: AgencyKey
    config: ConnectorConfig
    rows: dict[tuple[str, str], tuple[int, Row]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)  # record ref in hex → the story's id
    _count: int = 0

    def put(self, entry: Entry, at: datetime, place: str) -> None:
        """Enter a record or its next version; raises DataError when the connector could not read it."""
        row = self._row(entry, at, place)
        self.told |= {one.record_ref.hex(): entry.name for one in self._events(row)}
        self._count += 1
        self.rows[entry.event_type, entry.key] = self._count, row

    def mapped(self, entry: Entry, at: datetime, place: str) -> list[MappedEvent]:
        """The events that the connector would make of it; raises DataError when it could not read it."""
        return self._events(self._row(entry, at, place))

    def known(self, event_type: str, key: str) -> list[MappedEvent]:
        """The events of a row that was entered; none where none was."""
        held = self.rows.get((event_type, key))
        return self._events(held[1]) if held else []

    def _row(self, entry: Entry, at: datetime, place: str) -> Row:
        known: dict[str, object] = dict.fromkeys(self.config.streams[entry.event_type].columns)
        cells = {
            **known,
            **_cells(event_schema(entry.event_type), entry.payload),
            **entry.values,
            "key": entry.key,
        }
        content = self.key.row_hash(repr(sorted(cells.items())).encode())
        return Row(entry.event_type, entry.key, place, cells, micros(at) + self._count + 1, content)

    def _events(self, row: Row) -> list[MappedEvent]:
        mapper = Mapper(self.key, self.config.agency_kind, self.config.streams, any_code=True)
        mapped = list(mapper.events(row, {}))
        events = [one for one in mapped if isinstance(one, MappedEvent)]
        if not events or len(events) < len(mapped):
            raise DataError("the connector cannot read it", reason="unreadable_record", place=row.place)
        return events

    def refs(self, name: str) -> frozenset[bytes]:
        """The records that the story calls by this id."""
        return frozenset(bytes.fromhex(ref) for ref, told in self.told.items() if told == name)


class StorySource:
    """A `Source` over an office: reads in the order in which rows were entered."""

    def __init__(self, office: Office, state: State) -> None:
        self._office, self._state = office, state

    def check(self) -> None:
        """An office in memory can always be read."""

    def discover(self) -> Mapping[str, Sequence[str]]:
        return {}

    def refresh(self, now: datetime) -> Sequence[Incident]:
        return ()

    def control(self, streams: Collection[str]) -> Control:
        return Control((row for _, row in self._ordered() if row.stream in streams), complete=True)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        for stream in streams:
            read = int(self._state.cursor(stream) or 0)
            new = ((number, row) for number, row in self._ordered() if row.stream == stream and number > read)
            while batch := list(islice(new, limit)):
                yield Batch(stream, [row for _, row in batch], str(batch[-1][0]))

    def finished(self) -> None:
        """Nothing is kept beside the office."""

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        ids = set(local_ids)
        return (row for _, row in self._ordered() if ids & {row.values["subject"], row.values["case"]})

    def close(self) -> None:
        """The office is not ours."""

    def _ordered(self) -> list[tuple[int, Row]]:
        return sorted(self._office.rows.values())


def _cells(schema: EventSchema, payload: Mapping[str, Any]) -> Mapping[str, object]:
    """The payload as a row holds it: lists in one cell, numbers as text."""
    stamps = {name for name, spec in schema.fields.items() if spec.kind == STAMP}
    cells: dict[str, object] = {}
    for name, value in payload.items():
        if name in stamps and value is not None:
            cells |= {f".{name}.{part}": one for part, one in stamp_parts(value).items()}
        else:
            cells[f".{name}"] = _cell(value)
    return cells


def _cell(value: Any) -> object:
    if isinstance(value, set | frozenset):
        return SPLIT.join(sorted(value)) or None
    if isinstance(value, list | tuple):
        return SPLIT.join(map(str, value)) or None
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return value if isinstance(value, bool | date) or value is None else str(value)
