"""Avro binary encoding of one record, safe against hostile bytes.

``fastavro`` does the work; this module adds what it leaves out: whatever the bytes are, reading ends quickly
and fails with ``InvalidPayload`` only. Lengths inside the data are checked by fastavro against what is really
there, but three things would still burn time or memory: items that take no bytes (a count of 2^62 nulls),
schemas that contain themselves, and decimals of any length (a megabyte took 88 s). The first two are refused
when a schema is parsed, decimals are left as bytes here and converted by ``schemas.fields``.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint as _fingerprint
from fastavro.schema import to_parsing_canonical_form

from schemas.errors import IncompatibleSchema, InvalidPayload

MAX_BYTES = 1 << 20
"""The longest record that is read, in bytes."""

Parsed = dict[str, Any]


def fingerprint(schema: str | Mapping[str, Any]) -> bytes:
    """CRC-64-AVRO of the schema's parsing canonical form: 8 bytes, little-endian as single-object encoding has it."""
    canonical = to_parsing_canonical_form(schema if isinstance(schema, str) else dict(schema))
    return bytes.fromhex(_fingerprint(canonical, "CRC-64-AVRO"))


def parse(schema: Mapping[str, Any]) -> Parsed:
    """The schema, ready for use; raises IncompatibleSchema if it is no Avro or could be a bomb."""
    try:
        parsed = parse_schema(without_decimals(schema))
    except Exception as error:  # noqa: BLE001  fastavro's errors for a bad schema have no common class
        raise IncompatibleSchema(f"{schema.get('name')}: no valid Avro ({type(error).__name__})") from None
    _refuse_bombs(parsed, ())
    return parsed  # type: ignore[return-value]


def parse_type(schema: Any) -> Any:
    """The type of one field of a schema that was parsed, ready to be read alone."""
    return parse_schema(schema)


def without_decimals(schema: Any) -> Any:
    """The same schema with decimals as plain bytes; the canonical form and so the fingerprint stay."""
    if isinstance(schema, list):
        return [without_decimals(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("logicalType") == "decimal":
        return "bytes"
    return {
        key: without_decimals(part) if key in ("type", "items", "values", "fields") else part
        for key, part in schema.items()
    }


def write(name: str, parsed: Parsed, record: Mapping[str, Any]) -> bytes:
    """The record as Avro binary; raises InvalidPayload without the value that did not fit."""
    out = io.BytesIO()
    try:
        schemaless_writer(out, parsed, record)
    except Exception as error:  # noqa: BLE001  no common class; their texts hold values
        raise InvalidPayload(name, f"cannot be written ({type(error).__name__})") from None
    return out.getvalue()


def read(
    name: str, parsed: Parsed, data: bytes, limit: int = MAX_BYTES, *, whole: bool = True
) -> dict[str, Any]:
    """The record in ``data``, all of it if ``whole``; raises InvalidPayload for anything else, whatever it is."""
    if len(data) > limit:
        raise InvalidPayload(name, f"longer than {limit} bytes")
    stream = io.BytesIO(data)
    try:
        record = schemaless_reader(stream, parsed, None)
    except Exception as error:  # noqa: BLE001  EOFError, IndexError, OverflowError, ...
        raise InvalidPayload(name, f"cannot be read ({type(error).__name__})") from None
    if whole and stream.tell() != len(data):
        raise InvalidPayload(name, "bytes left over after the record")
    return record  # type: ignore[return-value]


def read_first(fields: Iterable[tuple[str, Any]], data: bytes, limit: int = MAX_BYTES) -> dict[str, Any]:
    """The first fields (name and parsed type, in order) up to the one that cannot be read, whatever the bytes are; what
    is no UTF-8 is replaced by U+FFFD, and what lies behind is not looked at."""
    stream, found = io.BytesIO(data[:limit]), dict[str, Any]()
    for name, parsed in fields:
        try:
            found[name] = schemaless_reader(stream, parsed, None, handle_unicode_errors="replace")
        except Exception:  # noqa: BLE001  EOFError, IndexError, OverflowError, ...
            break
    return found


def _refuse_bombs(schema: Any, inside: tuple[str, ...]) -> None:
    """Walks the schema; a name met inside itself and items without bytes are refused."""
    if isinstance(schema, list):
        for branch in schema:
            _refuse_bombs(branch, inside)
    elif isinstance(schema, str):
        if schema in inside:
            raise IncompatibleSchema(f"{schema}: contains itself")
    elif schema["type"] == "record":
        for field in schema["fields"]:
            _refuse_bombs(field["type"], (*inside, schema["name"]))
    elif schema["type"] == "array":
        if _may_be_empty(schema["items"]):
            raise IncompatibleSchema(f"{inside[0]}: array items that take no bytes")
        _refuse_bombs(schema["items"], inside)
    elif schema["type"] == "map":
        _refuse_bombs(schema["values"], inside)


def _may_be_empty(schema: Any) -> bool:
    """Whether a value can be written in no bytes at all."""
    if not isinstance(schema, dict):
        return isinstance(schema, str) and schema == "null"
    match schema["type"]:
        case "record":
            return all(_may_be_empty(field["type"]) for field in schema["fields"])
        case "fixed":
            return not schema["size"]
    return bool(schema["type"] == "null")
