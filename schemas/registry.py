"""All schema files of this package, read once on first use and found by name, version or fingerprint."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from schemas import avro
from schemas.errors import IncompatibleSchema, UnknownSchema
from schemas.event import EventSchema, RecordSchema
from schemas.fields import field_spec

TOPICS = frozenset({"consents", "events", "danger", "views"})
PRESENT = frozenset({"state", "start", "end", "plan", "worker", "appointment", "step", "none"})

_FILE = re.compile(r"(\w+)\.v(\d+)\.avsc")

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Registry:
    events: dict[tuple[str, int], EventSchema]
    records: dict[tuple[str, int], RecordSchema]
    fingerprints: dict[bytes, EventSchema | RecordSchema]
    latest: dict[str, int]


def event_schema(event_type: str, version: int | None = None) -> EventSchema:
    """The schema of this event in this version, the latest if none is given; raises UnknownSchema."""
    registry = _load()
    wanted = registry.latest.get(event_type, 0) if version is None else version
    try:
        return registry.events[event_type, wanted]
    except KeyError:
        raise UnknownSchema(f"no event schema of this name in version {wanted or 'any'}") from None


def event_types() -> tuple[str, ...]:
    """Every event of the catalogue, by name; what is computed for a view alone is published by nobody and no event."""
    return tuple(sorted({name for (name, _), one in _load().events.items() if one.topic != "views"}))


def event_versions() -> tuple[EventSchema, ...]:
    """Every version of every event, by name and version."""
    return tuple(schema for _, schema in sorted(_load().events.items()))


def record_schema(name: str, version: int | None = None) -> RecordSchema:
    """The schema of a record of the machinery, by its file name (``envelope``); raises UnknownSchema."""
    registry = _load()
    wanted = registry.latest.get(name, 0) if version is None else version
    try:
        return registry.records[name, wanted]
    except KeyError:
        raise UnknownSchema(f"no record schema of this name in version {wanted or 'any'}") from None


@cache
def record_head(name: str, fields: tuple[str, ...]) -> RecordSchema:
    """The head of a record: its first fields, which must be these, for readers that need no more of it."""
    raw = next(raw for found, _, raw in raw_records() if found == name)
    first = raw["fields"][: len(fields)]
    if tuple(field["name"] for field in first) != fields:
        raise IncompatibleSchema(f"{name}: these are not its first fields")
    whole = record_schema(name)
    parsed = avro.parse({**raw, "name": f"{raw['name']}Head", "fields": first})
    return RecordSchema(
        name=name, version=whole.version, fingerprint=whole.fingerprint, partial=True, parsed=parsed
    )


def by_fingerprint(fingerprint: bytes) -> EventSchema:
    """The event schema with these 8 bytes; raises UnknownSchema."""
    schema = any_by_fingerprint(fingerprint)
    if not isinstance(schema, EventSchema):
        raise UnknownSchema(f"fingerprint {fingerprint.hex()} is not of an event")
    return schema


def any_by_fingerprint(fingerprint: bytes) -> EventSchema | RecordSchema:
    """The schema of an event or a record with these 8 bytes; raises UnknownSchema."""
    try:
        return _load().fingerprints[bytes(fingerprint)]
    except KeyError:
        raise UnknownSchema(f"no schema with fingerprint {bytes(fingerprint[:8]).hex()}") from None


def raw_events() -> Iterator[tuple[str, int, Raw]]:
    """Name, version and file content of every event schema."""
    return _read(files("schemas") / "events")


def raw_records() -> Iterator[tuple[str, int, Raw]]:
    """Name, version and file content of every record of the machinery."""
    return _read(files("schemas"))


@cache
def _load() -> _Registry:
    events = {(name, version): _event(name, version, raw) for name, version, raw in raw_events()}
    records = {(name, version): _record(name, version, raw) for name, version, raw in raw_records()}
    fingerprints: dict[bytes, EventSchema | RecordSchema] = {}
    schemas: list[EventSchema | RecordSchema] = [*events.values(), *records.values()]
    for schema in schemas:
        if schema.fingerprint in fingerprints:
            raise IncompatibleSchema(
                "two schema files have one fingerprint: give each version its own namespace"
            )
        fingerprints[schema.fingerprint] = schema
    latest = dict(sorted((*events, *records)))
    return _Registry(events, records, fingerprints, latest)


def _read(folder: Traversable) -> Iterator[tuple[str, int, Raw]]:
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if match := _FILE.fullmatch(file.name):
            yield match[1], int(match[2]), json.loads(file.read_text(encoding="utf-8"))


def _record(name: str, version: int, raw: Raw) -> RecordSchema:
    return RecordSchema(name=name, version=version, fingerprint=avro.fingerprint(raw), parsed=avro.parse(raw))


def _event(name: str, version: int, raw: Raw) -> EventSchema:
    _check_header(name, version, raw)
    fields = {spec.name: spec for spec in map(field_spec, raw["fields"])}
    return EventSchema(
        event_type=name,
        version=version,
        fingerprint=avro.fingerprint(raw),
        parsed=avro.parse(raw),
        topic=raw["topic"],
        present=raw["present"],
        group=raw.get("group", ""),
        doc=raw["doc"],
        pairs_with=tuple(raw.get("pairs_with", ())),
        key=tuple(raw.get("key", ())),
        fields=MappingProxyType(fields),
        required=frozenset(spec.name for spec in fields.values() if spec.required),
        money=tuple(spec.name for spec in fields.values() if spec.kind == "decimal"),
    )


def _check_header(name: str, version: int, raw: Raw) -> None:
    if (raw["name"], raw["namespace"]) != (name, f"fallbruecke.events.v{version}"):
        raise IncompatibleSchema(f"{name}.v{version}: file name and schema name differ")
    if raw["topic"] not in TOPICS or raw["present"] not in PRESENT:
        raise IncompatibleSchema(f"{name}.v{version}: unknown topic or present")
