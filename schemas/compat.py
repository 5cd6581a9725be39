"""Can a newer version read what an older one wrote? Avro's rules, plus ours: nothing disappears silently.

https://avro.apache.org/docs/current/specification/#schema-resolution
"""

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Any

from schemas.registry import raw_events, raw_records
from schemas.upcast import UPCASTERS

_PROMOTIONS = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}


def problems() -> tuple[str, ...]:
    """What stands between any version in this package and the next one; empty = compatible."""
    versions: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for name, version, raw in chain(raw_events(), raw_records()):
        versions.setdefault(name, []).append((version, raw))
    return tuple(
        f"{name}.v{later}: {problem}"
        for name, files in versions.items()
        for (earlier, old), (later, new) in pairwise(sorted(files, key=lambda file: file[0]))
        for problem in backward(new, old, upcast=(name, earlier) in UPCASTERS)
    )


def backward(new: Mapping[str, Any], old: Mapping[str, Any], *, upcast: bool = False) -> tuple[str, ...]:
    """Why a reader of ``new`` cannot read what ``old`` wrote; with ``upcast`` fields may be removed."""
    return tuple(_record(new, old, upcast=upcast))


def _record(new: Mapping[str, Any], old: Mapping[str, Any], *, upcast: bool) -> Iterator[str]:
    before = {field["name"]: field for field in old["fields"]}
    after = {field["name"]: field for field in new["fields"]}
    for name, field in after.items():
        if name not in before:
            if "default" not in field:
                yield f"{name} is new and has no default"
            if field.get("required"):
                yield f"{name} is new and required"
        elif not _readable(field["type"], before[name]["type"]):
            yield f"{name} changes its type"
    if not upcast:
        yield from (f"{name} disappears without an upcaster" for name in before if name not in after)


def _readable(reader: Any, writer: Any) -> bool:
    if isinstance(writer, list):
        return all(_readable(reader, branch) for branch in writer)
    if isinstance(reader, list):
        return any(_readable(branch, writer) for branch in reader)
    kind, old_kind = _kind(reader), _kind(writer)
    if _meaning(reader) != _meaning(writer):
        return False
    return (old_kind, kind) in _PROMOTIONS or (kind == old_kind and _inside(kind, reader, writer))


def _inside(kind: str, reader: Any, writer: Any) -> bool:
    match kind:
        case "record":
            return not any(_record(reader, writer, upcast=False))
        case "array":
            return _readable(reader["items"], writer["items"])
        case "map":
            return _readable(reader["values"], writer["values"])
        case "enum":
            return set(writer["symbols"]) <= set(reader["symbols"]) or "default" in reader
        case "fixed":
            return bool(reader["size"] == writer["size"])
    return True


def _kind(schema: Any) -> str:
    return str(schema["type"] if isinstance(schema, Mapping) else schema)


def _meaning(schema: Any) -> tuple[Any, ...]:
    """What Avro's own rules leave open: a date read as a number would be compatible and wrong."""
    if not isinstance(schema, Mapping):
        return (None, None, None)
    return schema.get("logicalType"), schema.get("precision"), schema.get("scale")
