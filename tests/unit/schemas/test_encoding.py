"""What is written can be read; everything else is refused, with a name and without a value."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import (
    EventSchema,
    IncompatibleSchema,
    InvalidPayload,
    UnknownSchema,
    by_fingerprint,
    decode_single,
    encode_single,
    event_schema,
    event_versions,
    record_schema,
)
from schemas.avro import fingerprint, parse
from tests.unit.schemas.payloads import payloads

SCHEMAS = event_versions()
RECORDS = tuple(record_schema(name) for name in ("envelope", "view", "receipt", "register", "danger"))
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.data())
def test_what_is_written_is_read_again(data: st.DataObject) -> None:
    schema = data.draw(st.sampled_from(SCHEMAS))
    payload = data.draw(payloads(schema))
    assert schema.decode(schema.encode(payload)) == payload
    assert decode_single(encode_single(schema, payload)) == (schema, payload)


@QUICK
@given(st.data())
def test_parts_add_up_to_the_whole(data: st.DataObject) -> None:
    schema = data.draw(st.sampled_from(SCHEMAS))
    payload = data.draw(payloads(schema))
    parts = [schema.decode(schema.encode_part({name: value})) for name, value in payload.items()]
    assert {name: value for part in parts for name, value in part.items()} == payload


def read_or_refused(data: bytes) -> bool:
    """Whether the bytes were read; anything but the two errors of the contract fails the test."""
    try:
        _, record = decode_single(data)
    except (UnknownSchema, InvalidPayload):
        return False
    return isinstance(record, dict)


FINGERPRINTS = [schema.fingerprint for schema in SCHEMAS] + [schema.fingerprint for schema in RECORDS]


@QUICK
@given(st.sampled_from(FINGERPRINTS), st.binary())
def test_any_bytes_are_read_or_refused(fingerprint_: bytes, body: bytes) -> None:
    data = b"\xc3\x01" + fingerprint_ + body
    read_or_refused(data)
    assert not read_or_refused(data[:9])


@QUICK
@given(st.data())
def test_damaged_records_are_read_or_refused(data: st.DataObject) -> None:
    schema = data.draw(st.sampled_from(SCHEMAS))
    written = bytearray(encode_single(schema, data.draw(payloads(schema))))
    assert read_or_refused(bytes(written))
    assert not read_or_refused(bytes(written[:-1]))
    position = data.draw(st.integers(0, len(written) - 1))
    written[position] ^= data.draw(st.integers(1, 255))
    read_or_refused(bytes(written))


@given(st.binary(max_size=30))
def test_bytes_without_header_are_refused(data: bytes) -> None:
    with pytest.raises(UnknownSchema):
        decode_single(b"\x00" + data)


def _varint(number: int) -> bytes:
    number, out = number << 1, b""
    while number > 0x7F:
        number, out = number >> 7, out + bytes([number & 0x7F | 0x80])
    return out + bytes([number])


@pytest.mark.parametrize("length", [1, 9, 1 << 20, 1 << 31, 1 << 40, (1 << 62) - 1])
@pytest.mark.parametrize(
    ("event_type", "before"),
    [("HelpPlanAgreed", b"\x02"), ("BenefitGranted", b"\x00\x02"), ("CaseOpened", b"\x02")],
)
def test_a_length_beyond_the_data_is_refused_at_once(event_type: str, before: bytes, length: int) -> None:
    schema = event_schema(event_type)
    with pytest.raises(InvalidPayload):
        schema.decode(before + _varint(length))


def test_an_amount_of_any_length_is_refused_before_it_is_converted() -> None:
    digits = b"\x00\x02" + _varint(500_000) + b"\x7f" * 500_000 + b"\x00" * 3
    with pytest.raises(InvalidPayload, match=r"BenefitGranted\.amount: has too many digits"):
        event_schema("BenefitGranted").decode(digits)


def test_a_date_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        event_schema("HelpPlanMeetingScheduled").decode(b"\x02" + _varint(2**31 - 1) + b"\x00" * 3)


def test_too_much_and_too_long_are_refused() -> None:
    schema = event_schema("CaseOpened")
    data = encode_single(schema, {"kind": "x"})
    with pytest.raises(InvalidPayload, match="left over"):
        decode_single(data + b"\x00")
    with pytest.raises(InvalidPayload, match="longer than"):
        decode_single(data, limit=len(data) - 1)
    with pytest.raises(InvalidPayload, match="longer than"):
        decode_single(b"\xc3\x01" + schema.fingerprint + bytes(1 << 20))


@pytest.mark.parametrize(
    ("event_type", "field", "value"),
    [
        ("BenefitGranted", "amount", 563.0),
        ("BenefitGranted", "amount", Decimal("0.001")),
        ("BenefitGranted", "amount", Decimal("1e10")),
        ("BenefitGranted", "amount", Decimal("NaN")),
        ("BenefitGranted", "provisional", 1),
        ("BenefitGranted", "kind", 21),
        ("BenefitGranted", "colour", "secret"),
        ("SanctionImposed", "percent", True),
        ("SanctionImposed", "percent", 2**31),
        ("SanctionImposed", "from", "2026-07-01"),
        ("SanctionImposed", "from", dt.datetime(2026, 7, 1, tzinfo=dt.UTC)),
        ("IndicatorObserved", "value", float("nan")),
        ("HelpPlanAgreed", "goals", "work:a"),
        ("HelpPlanAgreed", "goals", [1]),
        ("HelpPlanAgreed", "goals", ["\ud800"]),
        ("IndicatorObserved", "value", 10**400),
    ],
)
def test_a_value_that_does_not_fit_is_refused(event_type: str, field: str, value: object) -> None:
    with pytest.raises(InvalidPayload) as caught:
        event_schema(event_type).encode({field: value})
    assert caught.value.event_type == event_type
    assert caught.value.field in {field, None}
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(InvalidPayload, match=r"ConsentGranted\.granted_at"):
        event_schema("ConsentGranted").encode_part(
            {"granted_at": dt.datetime(2026, 7, 1, tzinfo=dt.UTC).replace(tzinfo=None)}
        )


def test_a_required_field_is_asked_for_in_the_whole_and_not_in_a_part() -> None:
    schema = event_schema("ConsentWithdrawn")
    with pytest.raises(InvalidPayload, match=r"ConsentWithdrawn\.consent_id: is required"):
        schema.encode({"reason": "x"})
    assert schema.decode(schema.encode_part({"reason": "x"})) == {"reason": "x"}


def test_the_fingerprint_is_the_published_one() -> None:
    """Apache Avro, share/test/data/schema-tests.txt: "int"."""
    assert fingerprint("int") == (0x7275D51A3F395C8F).to_bytes(8, "little")


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: f"{s.event_type}.v{s.version}")
def test_every_version_has_its_own_fingerprint(schema: EventSchema) -> None:
    assert by_fingerprint(schema.fingerprint) is schema
    assert event_schema(schema.event_type, schema.version) is schema


def test_a_record_is_no_event() -> None:
    with pytest.raises(UnknownSchema):
        by_fingerprint(record_schema("envelope").fingerprint)
    with pytest.raises(UnknownSchema):
        record_schema("CaseOpened")


@pytest.mark.parametrize(
    "bomb",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}},
        ["null", "Bomb"],
        {"type": "map", "values": {"type": "array", "items": "Bomb"}},
        "no such type",
    ],
)
def test_schemas_that_could_be_bombs_are_refused(bomb: object) -> None:
    with pytest.raises(IncompatibleSchema):
        parse({"type": "record", "name": "Bomb", "fields": [{"name": "fuse", "type": bomb}]})
