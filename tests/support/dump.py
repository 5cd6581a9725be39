"""Everything that a hub holds, opened with every key that still exists: what somebody could read who got all of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import select

from hub import read_models
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.tables import key, ref_of
from hub.domain.seal import key_version, open_box, place
from hub.parts import Parts
from hub.ports import Key
from hub.store import tables
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema, topics

Box = tuple[bytes, Mapping[str, Any]]


def living_keys(keys: SqlKeyStore) -> list[Key]:
    """Every key that was not destroyed, whoever it belongs to."""
    with keys.database.engine.connect() as connection:
        rows = connection.execute(select(key).where(key.c.wrapped.is_not(None))).all()
    wanted = [(ref_of(row), row.version) for row in rows]
    return [found for found in keys.opening(wanted).values() if isinstance(found, Key)]


def log_values(parts: Parts) -> Iterator[bytes]:
    """Key and value of every record of every topic, and its headers."""
    patterns = list(topics().values())
    names = {topic.of(agency) for topic in patterns for agency in parts.agencies}
    for name, state in sorted(parts.log.state(sorted(names)).items()):
        following = dict(state.first)
        while any(following[partition] < end for partition, end in state.end.items()):
            for record in parts.log.read(name, following, 2000):
                following[record.partition] = record.offset + 1
                yield from (record.key, record.value, *(value for _, value in record.headers))


def store_values(parts: Parts) -> Iterator[bytes]:
    """Every cell of every table of the store and its read models."""
    with parts.store.transaction() as connection:
        for table in (*tables.metadata.sorted_tables, *read_models.tables(parts.read_models)):
            for row in connection.execute(select(table)):
                yield from (cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)


def opened(values: Iterable[bytes], keys: Sequence[Key]) -> Iterator[bytes]:
    """What is in the boxes of those of these values that are records, as far as any of the keys opens them."""
    for value in values:
        for box, where in boxes(value):
            yield from (plain for one in keys if (plain := _tried(box, where, one)) is not None)


def boxes(value: bytes) -> Iterator[Box]:
    """The boxes of an event, a view or a register entry, each with what binds it to its place."""
    try:
        schema, record = decode_single(value)
    except (UnknownSchema, InvalidPayload):
        return
    if schema is record_schema("envelope"):
        for category, box in record["boxes"].items():
            yield box, _bound("event", record["schema"], record["event_id"], record["subject_ref"], category)
    elif schema is record_schema("view"):
        for part in record["parts"]:
            yield (
                part["box"],
                _bound("view", schema.fingerprint, record["view_id"], part["subject_ref"], part["sender"]),
            )
    elif schema is record_schema("register") and record["box"]:
        consent = record["consent_id"].encode()
        yield record["box"], _bound("register", schema.fingerprint, consent, record["subject_ref"], "CT")


def _bound(kind: str, schema: bytes, event_id: bytes, subject: str, category: str) -> Mapping[str, Any]:
    return {"kind": kind, "schema": schema, "event_id": event_id, "subject": subject, "category": category}


def _tried(box: bytes, where: Mapping[str, Any], one: Key) -> bytes | None:
    try:
        return open_box(one.cipher, box, place(**where, version=key_version(box)))
    except InvalidTag:
        return None


def found(needles: Iterable[bytes], values: Iterable[bytes]) -> set[bytes]:
    """Those of the needles that stand anywhere in the values."""
    hay = b"\0".join(values)
    return {needle for needle in needles if needle in hay}
