"""The present state of a person: what is published again when a consent opens more (protocol rule 12). Pure.

Whatever started and has not ended, with its steps, the latest plan, the latest worker of each function, appointments
from today (Berlin) on; never ended history. How an event counts stands in its schema (`present`, `group`, `key`,
`pairs_with`). Control data count whole: the policy reads them.

Of an agreement or matter that another office began, this agency holds its own steps and ends alone. They count for a
year, for nobody here can tell whether the other office still waits for them: so an end is never lost at the other.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Any

from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import berlin_day, moment

_NOT_COMPARED = frozenset({"status"})
REFERENCES = frozenset({"matter_ref", "agreement_ref", "task_ref"})
_CLOSED_BY_REFERENCE = frozenset({"agreement", "task"})
"""Groups of which a start without a reference could never be closed: it counts when it is said, and not again."""
_LATEST = frozenset({"state", "plan", "worker"})
_THREADED = frozenset({"start", "step", "end"})
_YEAR = timedelta(days=365)


def present_state(events: Iterable[MappedEvent], at: datetime) -> list[MappedEvent]:
    """The events that are the present state at `at`, in their given order."""
    known, today = list(events), berlin_day(at)
    latest = _latest([e for e in known if e.schema.present in _LATEST])
    starts = [event for event in known if event.schema.present == "start"]
    ends = [event for event in known if event.schema.present == "end"]
    counted = {id(event) for event in known if _counts(event, latest, ends, today)}
    counted |= {
        id(event)
        for event in known
        if event.schema.present in _THREADED and _belongs_to_what_counts(event, starts, counted, at)
    }
    return [event for event in known if id(event) in counted]


def _belongs_to_what_counts(
    event: MappedEvent, starts: Sequence[MappedEvent], counted: AbstractSet[int], at: datetime
) -> bool:
    """Whether a start under the same reference counts; of one that another office holds, whether the event is of this
    year."""
    if not _references(event):
        return False
    own = [start for start in starts if _bears_one_reference(event, start)]
    if own:
        return any(id(start) in counted for start in own)
    return at - moment(event.occurred_at) <= _YEAR


def _bears_one_reference(event: MappedEvent, start: MappedEvent) -> bool:
    if start.schema.event_type not in (event.schema.event_type, *event.schema.pairs_with):
        return False
    named = _references(event) & _references(start)
    return bool(named) and all(event.payload[name] == start.payload[name] for name in named)


def _references(event: MappedEvent) -> AbstractSet[str]:
    return {name for name in REFERENCES if event.payload.get(name) is not None}


def _counts(event: MappedEvent, latest: frozenset[bytes], ends: Sequence[MappedEvent], today: date) -> bool:
    if event.control:
        return True
    match event.schema.present:
        case "state" | "plan" | "worker":
            return event.record_ref in latest and not _over(event, today)
        case "start":
            if event.schema.group in _CLOSED_BY_REFERENCE and not _references(event):
                return False
            return not _over(event, today) and not any(_ends(end, event) for end in ends)
        case "appointment":
            day = event.payload.get("date")
            return isinstance(day, date) and day >= today
    return False


def _over(event: MappedEvent, today: date) -> bool:
    """Its last day is past; an end of today still counts."""
    return event.valid_to is not None and berlin_day(moment(event.valid_to)) < today


def _latest(events: Iterable[MappedEvent]) -> frozenset[bytes]:
    newest: dict[tuple[Any, ...], MappedEvent] = {}
    for event in events:
        key = tuple(str(event.payload.get(name)) for name in event.schema.key)
        slot = (event.subject_ref, event.case_ref, event.schema.group, *key)
        held = newest.get(slot)
        if held is None or _order(event) >= _order(held):
            newest[slot] = event
    return frozenset(event.record_ref for event in newest.values())


def _order(event: MappedEvent) -> tuple[int, int]:
    return event.occurred_at, event.source_version


def _ends(end: MappedEvent, start: MappedEvent) -> bool:
    """An end ends what agrees with it in every field that both have, or what stands in the same row of the source."""
    if end.subject_ref != start.subject_ref or start.schema.event_type not in end.schema.pairs_with:
        return False
    if (end.stream, end.source_key) == (start.stream, start.source_key):
        return True
    named = _references(end) & _references(start)
    if (
        named
    ):  # what bears one reference is one thing, whatever else its two ends say; sent again it is open again
        same = all(end.payload[name] == start.payload[name] for name in named)
        return same and end.occurred_at >= start.occurred_at
    both = (end.payload.keys() & start.payload.keys()) - _NOT_COMPARED
    return end.occurred_at >= start.occurred_at and all(
        end.payload[name] == start.payload[name] for name in both
    )
