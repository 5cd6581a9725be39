"""Payloads as people write them: JSON with ISO dates and amounts as text or number, and back.

Used where a payload does not come from a connector's mapping: rehearsals, the API, files. Lenient where a
writer may reasonably differ (one text for a list of one, a moment for a day, which then is the Berlin day),
exact otherwise.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from schemas.errors import InvalidPayload
from schemas.event import EventSchema

_BERLIN = ZoneInfo("Europe/Berlin")


def from_json(schema: EventSchema, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload in Python types, null left out; raises InvalidPayload for an unknown field or a wrong value."""
    return {name: _value(schema, name, value) for name, value in payload.items() if value is not None}


def to_json(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload in JSON types: dates "2026-07-01", times with the Berlin offset, amounts "563.00"."""
    return {name: _plain(value) for name, value in payload.items() if value is not None}


def _value(schema: EventSchema, name: str, value: Any) -> Any:
    spec = schema.fields.get(name)
    if spec is None:
        raise InvalidPayload(schema.event_type, "unknown field", name if name.isidentifier() else None)
    try:
        read = _READ.get(spec.kind, lambda same: same)(value)
    except (ValueError, InvalidOperation, OverflowError, TypeError):
        raise InvalidPayload(schema.event_type, f"is no {spec.kind}", name) from None
    if not spec.fits(read):
        raise InvalidPayload(schema.event_type, f"is no {spec.kind}", name)
    return read


def _date(value: Any) -> dt.date:
    if isinstance(value, str) and len(value) > len("2026-07-01"):
        return _time(value).astimezone(_BERLIN).date()
    return dt.date.fromisoformat(value)


def _time(value: Any) -> dt.datetime:
    moment = dt.datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=_BERLIN)


def _money(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    return Decimal(str(value)).quantize(Decimal("0.01")) if isinstance(value, float) else Decimal(value)


def _strings(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_READ: dict[str, Callable[[Any], Any]] = {
    "date": _date,
    "timestamp-micros": _time,
    "decimal": _money,
    "strings": _strings,
}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, dt.datetime):
        return value.astimezone(_BERLIN).isoformat()
    return value.isoformat() if isinstance(value, dt.date) else value
