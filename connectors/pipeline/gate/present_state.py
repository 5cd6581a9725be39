"""The present state of a person: what is published again when a consent opens more (protocol rule 12). Pure.

Whatever started and has not ended, the latest plan, the latest worker of each function, appointments from today
(Berlin) on; never ended history. How an event counts stands in its schema (`present`, `group`, `key`, `pairs_with`).
Control data count whole: the policy reads them.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import berlin_day, moment

_NOT_COMPARED = frozenset({"status"})
REFERENCES = frozenset({"matter_ref", "agreement_ref", "task_ref"})
_LATEST = frozenset({"state", "plan", "worker"})


def present_state(events: Iterable[MappedEvent], at: datetime) -> list[MappedEvent]:
    """The events that are the present state at `at`, in their given order."""
    known, today = list(events), berlin_day(at)
    latest = _latest([e for e in known if e.schema.present in _LATEST])
    ends = [event for event in known if event.schema.present == "end"]
    return [event for event in known if _counts(event, latest, ends, today)]


def _counts(event: MappedEvent, latest: frozenset[bytes], ends: Sequence[MappedEvent], today: date) -> bool:
    if event.control:
        return True
    match event.schema.present:
        case "state" | "plan" | "worker":
            return event.record_ref in latest and not _over(event, today)
        case "start":
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
    named = REFERENCES & end.payload.keys() & start.payload.keys()
    if named:  # what bears one reference is one thing, whatever else its two ends say
        return all(end.payload[name] == start.payload[name] for name in named)
    both = (end.payload.keys() & start.payload.keys()) - _NOT_COMPARED
    return end.occurred_at >= start.occurred_at and all(
        end.payload[name] == start.payload[name] for name in both
    )
