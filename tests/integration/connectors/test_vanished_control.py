"""A control row that is there no longer: what widens is taken back at the hub, what narrows stays in effect."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, evening, families
from tests.integration.connectors.test_gone_and_back import CANDIDATES

OBJECTS: dict[str, Any] = {
    "type": "ObjectionRaised",
    "subject": "number",
    "case": "family",
    "occurred_at": "since",
    "when": [{"column": "remark", "in": ["objects"]}],
    "fields": {"norm": {"constant": "76"}},
}
WITHDRAWS: dict[str, Any] = {
    "type": "ConsentWithdrawn",
    "subject": "number",
    "case": "family",
    "occurred_at": "since",
    "when": [{"column": "remark", "in": ["withdraws"]}],
    "fields": {"consent_id": {"constant": "C0000006"}},
}
CUSTODY: dict[str, Any] = {
    "type": "CustodyChanged",
    "subject": "number",
    "case": "family",
    "occurred_at": "since",
    "fields": {"custodians": {"constant": []}},
}


@pytest.fixture(params=CANDIDATES, ids=lambda candidate: candidate.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(request.param, tmp_path / "bench")) as made:
        yield made


def without(tables: Any, stream: str, number: str) -> Any:
    return {**tables, stream: [row for row in tables[stream] if row["number"] != number]}


def told(bench: Bench, day: int) -> list[tuple[str, str]]:
    before = bench.sent()
    bench.all(day)
    return sorted(bench.newest(before).values())


def test_birth_date_and_custody_are_taken_back_and_said_again(bench: Bench) -> None:
    bench.raw["streams"]["people"]["events"].append(CUSTODY)
    everybody = families(40)
    bench.write(everybody, 0)
    bench.all(0)
    bench.write(without(everybody, "people", "P0000002"), 1)
    assert told(bench, 1) == [("CustodyChanged", "[]"), ("SubjectRecorded", "[]")]
    assert told(bench, 1) == []
    bench.write(everybody, 2)
    again = dict(told(bench, 2))
    assert "datetime.date(1990, 2, 28)" in again["SubjectRecorded"]
    assert "custodians" in again["CustodyChanged"]
    assert bench.waiting() == []
    bench.write(without(everybody, "people", "P0000002"), 3)
    assert [kind for kind, _ in told(bench, 3)] == ["CustodyChanged", "SubjectRecorded"]


def test_a_consent_of_which_nobody_has_the_paper_is_withdrawn(bench: Bench) -> None:
    everybody = families(40)
    bench.write(everybody, 0)
    bench.all(0)
    token = bench.key.consent("C0000002")
    bench.write(without(everybody, "consents", "C0000002"), 1)
    said = dict(told(bench, 1))
    assert token in said["ConsentWithdrawn"]
    assert told(bench, 1) == []
    bench.write(everybody, 2)
    assert "ConsentWithdrawn" not in dict(told(bench, 2)), "a withdrawal holds"


def test_what_the_configuration_says_of_a_vanished_consent_is_said(bench: Bench) -> None:
    bench.raw["streams"]["consents"]["on_vanish"] = {
        "type": "PersonChanged",
        "subject": "person",
        "case": "family",
        "occurred_at": "@version",
        "fields": {"names": {"constant": "archived"}},
    }
    everybody = families(40)
    bench.write(everybody, 0)
    bench.all(0)
    bench.write(without(everybody, "consents", "C0000002"), 1)
    assert "ConsentWithdrawn" not in dict(told(bench, 1))


def test_an_objection_and_a_withdrawal_outlive_their_rows(bench: Bench) -> None:
    bench.raw["streams"]["people"]["events"] += [OBJECTS, WITHDRAWS]
    everybody = families(40)
    everybody["people"][4]["remark"], everybody["people"][6]["remark"] = "objects", "withdraws"
    bench.write(everybody, 0)
    bench.all(0)
    ref = bench.key.person("P0000004")
    bench.write(without(without(everybody, "people", "P0000004"), "people", "P0000006"), 1)
    assert {kind for kind, _ in told(bench, 1)} == {"SubjectRecorded"}
    with bench.life() as connector:
        bench.step(connector, evening(2))
        assert connector._learning.knowledge.objected(ref)
        assert not connector._learning.knowledge.objected(bench.key.person("P0000002"))


def test_a_birth_date_that_becomes_empty_is_taken_back(bench: Bench) -> None:
    bench.raw["streams"]["people"]["events"][0]["fields"].pop("capable")
    everybody, fewer = families(6), families(6)
    fewer["people"][2]["born"] = ""
    bench.write(everybody, 0)
    bench.all(0)
    bench.write(fewer, 1)
    assert dict(told(bench, 1))["SubjectRecorded"] == "[]"


def test_a_record_of_another_person_takes_back_that_of_the_first(bench: Bench) -> None:
    """The row stays and names somebody else: what it said of the first one was wrong."""
    bench.raw["streams"]["people"]["events"][0]["subject"] = "remark"
    everybody, corrected = families(6), families(6)
    for tables in (everybody, corrected):
        for row in tables["people"]:
            row["remark"] = row["number"]
    corrected["people"][2]["remark"] = "P0000004"
    bench.write(everybody, 0)
    bench.all(0)
    bench.write(corrected, 1)
    contents = [content for kind, content in told(bench, 1) if kind == "SubjectRecorded"]
    assert "[]" in contents
    assert any("birth_date" in content for content in contents)
