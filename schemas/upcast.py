"""From an old version of an event to the latest: pure functions, one per step, applied when reading.

A version that only adds fields needs none. Whoever removes or renames a field writes one here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.event import EventSchema
from schemas.fields import stamp_parts
from schemas.registry import event_schema

Payload = dict[str, Any]


def upcast(schema: EventSchema, payload: Mapping[str, Any]) -> Payload:
    """The payload of this version as the latest version has it."""
    current = dict(payload)
    for version in range(schema.version, event_schema(schema.event_type).version):
        current = UPCASTERS.get((schema.event_type, version), dict)(current)
    return current


def help_hours_to_intensity(payload: Payload) -> Payload:
    """HelpStarted 1 → 2: a number of weekly hours becomes the text that other intensities need too."""
    rest = {name: value for name, value in payload.items() if name != "hours_per_week"}
    hours = payload.get("hours_per_week")
    return rest if hours is None else {**rest, "intensity": f"{hours} h/Woche"}


def stamp_to_parts(payload: Payload) -> Payload:
    """Applications 1 → 2: the stamp's one text becomes the project that it names."""
    stamp = payload.get("stamp")
    return payload if stamp is None else {**payload, "stamp": stamp_parts(stamp)}


_STAMPED = ("ApplicationSubmitted", "ApplicationQueried", "ApplicationDecided", "DocumentReceived")

UPCASTERS: Mapping[tuple[str, int], Callable[[Payload], Payload]] = {
    ("HelpStarted", 1): help_hours_to_intensity,
    **{(event_type, 1): stamp_to_parts for event_type in _STAMPED},
}
"""(event type, from version) → the step to the next version."""
