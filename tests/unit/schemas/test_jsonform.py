"""Payloads as JSON, and the topics table."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import InvalidPayload, event_schema, event_versions, from_json, to_json, topics
from tests.unit.schemas.payloads import payloads


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_json_and_back(data: st.DataObject) -> None:
    schema = data.draw(st.sampled_from(event_versions()))
    payload = data.draw(payloads(schema))
    assert from_json(schema, to_json(payload)) == payload


@pytest.mark.parametrize(
    ("event_type", "field", "written", "read"),
    [
        ("BenefitGranted", "amount", "563", Decimal("563.00")),
        ("BenefitGranted", "amount", 563, Decimal("563.00")),
        ("BenefitGranted", "amount", 563.1, Decimal("563.10")),
        ("SanctionImposed", "from", "2026-07-01", dt.date(2026, 7, 1)),
        ("HelpPlanMeetingScheduled", "date", "2026-06-30T23:30:00Z", dt.date(2026, 7, 1)),
        ("CooperationPlanAgreed", "steps", "one", ["one"]),
        ("HelpPlanMeetingScheduled", "participants", "one", "one"),
        ("HelpPlanMeetingScheduled", "participants", ["one"], ["one"]),
    ],
)
def test_what_people_write(event_type: str, field: str, written: Any, read: Any) -> None:
    assert from_json(event_schema(event_type), {field: written}) == {field: read}


def test_null_is_absent() -> None:
    assert from_json(event_schema("MeasureStarted"), {"result": None}) == to_json({"result": None}) == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "much"),
        ("amount", True),
        ("amount", "1e99999999"),
        ("amount", []),
        ("colour", 1),
        ("kind", 1),
    ],
)
def test_what_cannot_be_read_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidPayload, match=rf"^BenefitGranted\.{field}: "):
        from_json(event_schema("BenefitGranted"), {field: value})


def test_topics_are_those_of_the_protocol() -> None:
    table = topics()
    assert table["cases"].of() == "hub.cases"
    assert table["danger_answers"].of("ja-a") == "agency.ja-a.danger-answers"
    assert {name for name, topic in table.items() if topic.cleanup == "compact"} == {"register", "status"}
    assert {name for name, topic in table.items() if topic.timestamp == "LogAppendTime"} == {
        "views",
        "status",
    }
    assert {name for name, topic in table.items() if topic.key == "subject_ref"} == {"consents"}
    assert table["events"].settings()["retention.ms"] == "-1"
    assert table["views"].settings()["retention.ms"] == str(7 * 24 * 3_600_000)
    with pytest.raises(ValueError, match="agency id"):
        table["views"].of()
