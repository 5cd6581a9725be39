"""Avro single-object encoding: two marker bytes, the schema's fingerprint, the record.

https://avro.apache.org/docs/current/specification/#single-object-encoding
"""

from collections.abc import Mapping
from typing import Any

from schemas.avro import MAX_BYTES
from schemas.errors import InvalidPayload, UnknownSchema
from schemas.event import EventSchema, RecordSchema
from schemas.registry import any_by_fingerprint

MARKER = b"\xc3\x01"
HEADER = len(MARKER) + 8
"""How many bytes stand before the record."""


def encode_single(schema: EventSchema | RecordSchema, record: Mapping[str, Any]) -> bytes:
    """The record with its header; raises InvalidPayload."""
    return MARKER + schema.fingerprint + schema.encode(record)


def decode_single(
    data: bytes, *, limit: int = MAX_BYTES
) -> tuple[EventSchema | RecordSchema, dict[str, Any]]:
    """Schema and record of the bytes. Whatever they are, it raises only UnknownSchema (no header, no such
    schema) or InvalidPayload (too long for ``limit``, cut off, something left over, no such record)."""
    if len(data) > limit:
        raise InvalidPayload("single object", f"longer than {limit} bytes")
    if len(data) < HEADER or data[: len(MARKER)] != MARKER:
        raise UnknownSchema("no single-object header")
    schema = any_by_fingerprint(data[len(MARKER) : HEADER])
    return schema, schema.decode(data[HEADER:])
