"""An outbox entry → a row of its stream. Pure: what the object does not hold is not guessed."""

from collections.abc import Mapping
from typing import Any

from connectors.contract import Fault, Unreadable
from connectors.database.values import loads, told
from connectors.pipeline.config.protecting import protecting_in
from connectors.sources.outbox.config import OutboxSettings, OutboxStream

Values = Mapping[str, object]


def values_of(settings: OutboxSettings, stream: OutboxStream, entry: Mapping[str, Any]) -> Values:
    """What the entry says, by column; a column that it does not hold is missing, which the mapping reports."""
    if not settings.payload:
        return {name: told(entry[name]) for name in stream.columns}
    said, found = _object(entry[settings.payload]), dict[str, object]()
    for name in stream.columns:
        if name in settings.beside:
            found[name] = told(entry[name])
        elif (member := _member(said, name)) is not None:
            found[name] = member[0]
        elif name in stream.optional and said is not None:
            found[name] = None
    return found


def names_none(stream: OutboxStream, values: Values) -> bool:
    """Whether the entry names no record."""
    return any(values.get(name) is None for name in stream.stream.key)


def fault_in(settings: OutboxSettings, entry: Mapping[str, Any]) -> Fault | None:
    """Why the entry's object cannot be read, if it cannot."""
    said = _read(entry[settings.payload]) if settings.payload else {}
    if isinstance(said, dict):
        return None
    why = said.why if isinstance(said, Unreadable) else "is no JSON object"
    return Fault("unreadable_json", settings.payload, f"it {why}: write the entry again")


def members(payload: object) -> frozenset[str]:
    """Names of what an object holds, those of inner objects with a dot; of objects in lists, those that would
    protect."""
    return frozenset(_names(_object(payload) or {}, ""))


def _names(found: Mapping[str, Any], before: str) -> list[str]:
    names: list[str] = []
    for name, value in found.items():
        names += _names(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]
        hidden = protecting_in(value, (name,), ()) if isinstance(value, list) else ()
        names += [f"{before}{'.'.join(each)}" for each in hidden]
    return names


def _object(raw: object) -> Mapping[str, Any] | None:
    found = _read(raw)
    return found if isinstance(found, dict) else None


def _read(raw: object) -> object:
    return loads(raw) if isinstance(raw, bytes | str) else raw


def _member(found: object, name: str) -> tuple[object] | None:
    """The value or list under a name (inner objects with a dot); None where there is none."""
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return None if isinstance(found, dict) else (found,)
