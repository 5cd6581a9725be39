"""An outbox entry → a row of its stream. Pure: what the object does not hold is not guessed."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.sql_outbox.config import OutboxSettings, OutboxStream

SEPARATOR = "\x1f"
Values = Mapping[str, object]


def values_of(settings: OutboxSettings, stream: OutboxStream, entry: Mapping[str, Any]) -> Values:
    """What the entry says, by column; a column that it does not hold is missing, which the mapping reports."""
    if not settings.payload:
        return {name: entry[name] for name in stream.columns}
    said, found = _object(entry[settings.payload]), dict[str, object]()
    for name in stream.columns:
        if name in settings.beside:
            found[name] = entry[name]
        elif (member := _member(said, name)) is not None:
            found[name] = member[0]
        elif name in stream.optional and said is not None:
            found[name] = None
    return found


def key_of(stream: OutboxStream, values: Values) -> str | None:
    """The record's key; None where the entry names none."""
    parts = [values.get(name) for name in stream.stream.key]
    if any(part is None for part in parts):
        return None
    return SEPARATOR.join(map(str, parts)).replace("\x00", "\\0")


def members(payload: object) -> frozenset[str]:
    """Names of what an object holds, those of inner objects with a dot."""
    return frozenset(_names(_object(payload) or {}, ""))


def _names(found: Mapping[str, Any], before: str) -> list[str]:
    names: list[str] = []
    for name, value in found.items():
        names += _names(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]
    return names


def _object(raw: object) -> Mapping[str, Any] | None:
    if isinstance(raw, bytes | str):
        try:
            raw = json.loads(raw, parse_float=Decimal)
        except ValueError:
            return None
    return raw if isinstance(raw, dict) else None


def _member(found: object, name: str) -> tuple[object] | None:
    """The plain value under a name (inner objects with a dot); None where there is none."""
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return None if isinstance(found, dict | list) else (found,)
