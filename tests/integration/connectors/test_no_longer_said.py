"""A row that is there and says a record no longer: the record is taken back, whatever the source."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.sources.rest import build as rest_build
from connectors.sources.rest import spec as rest_spec
from connectors.sources.rest.trial import Trial as RestTrial
from tests.integration.connectors.test_gone_and_back import CANDIDATES, RECORDED

SOURCES = (*CANDIDATES, Candidate("rest", rest_build, rest_spec, RestTrial))
WHO: dict[str, Any] = {"subject": "number", "case": "family", "occurred_at": "since"}
KNOWN = ["planned", "held", "cancelled", "wrong"]


def talk(event_type: str, word: str) -> dict[str, Any]:
    when = [{"column": "remark", "in": [word], "known": KNOWN}]
    return {"type": event_type, **WHO, "when": when, "fields": {"date": "born"}}


@pytest.fixture(params=SOURCES, ids=lambda candidate: candidate.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(request.param, tmp_path / "bench")) as made:
        made.raw["streams"]["consents"]["events"][0]["fields"]["categories"] = {"constant": ["ID", "TM"]}
        made.raw["streams"]["consents"]["events"].append(RECORDED)
        made.raw["streams"]["people"]["events"] = [
            talk("ThreeWayTalkScheduled", "planned"),
            talk("ThreeWayTalkHeld", "held"),
            talk("HelpPlanMeetingScheduled", "wrong"),
        ]
        yield made


def told(bench: Bench, day: int, remark: str) -> list[tuple[str, bool]]:
    """The events that leave when one person's row says this word: type, and whether it has content."""
    tables = families(6)
    for row in tables["people"]:
        row["remark"] = "planned"
    tables["people"][2]["remark"] = remark
    before = bench.sent()
    bench.write(tables, day)
    bench.all(day)
    return sorted((kind, content != "[]") for kind, content in bench.newest(before).values())


def test_what_no_condition_says_any_more_is_taken_back(bench: Bench) -> None:
    told(bench, 0, "planned")
    assert told(bench, 1, "cancelled") == [("ThreeWayTalkScheduled", False)]
    assert told(bench, 2, "cancelled") == []
    assert told(bench, 3, "planned") == [("ThreeWayTalkScheduled", True)]
    assert told(bench, 4, "wrong") == [("HelpPlanMeetingScheduled", True), ("ThreeWayTalkScheduled", False)]


def test_what_became_of_a_record_takes_nothing_back(bench: Bench) -> None:
    told(bench, 0, "planned")
    assert told(bench, 1, "held") == [("ThreeWayTalkHeld", True)]
    assert told(bench, 2, "planned") == [("ThreeWayTalkHeld", False)]
    assert told(bench, 3, "held") == [("ThreeWayTalkHeld", True)]
    assert told(bench, 4, "cancelled") == [("ThreeWayTalkHeld", False), ("ThreeWayTalkScheduled", False)]


def test_a_word_that_nobody_knows_takes_nothing_back(bench: Bench) -> None:
    told(bench, 0, "planned")
    assert told(bench, 1, "geplant?") == []
    assert bench.waiting() == ["unknown_word"] * 3


def test_a_record_of_another_person_takes_back_that_of_the_first(bench: Bench) -> None:
    people = bench.raw["streams"]["people"]["events"]
    people[:] = [{**people[0], "when": [], "subject": "remark"}]
    told(bench, 0, "P0000002")
    assert told(bench, 1, "P0000004") == [("ThreeWayTalkScheduled", False), ("ThreeWayTalkScheduled", True)]


def test_a_consent_that_its_row_says_no_longer_is_withdrawn(bench: Bench) -> None:
    consent = bench.raw["streams"]["consents"]["events"][0]
    consent["when"] = [{"column": "family", "not_in": ["revoked"]}]
    tables = families(6)
    for row in tables["people"]:
        row["remark"] = "planned"
    bench.write(tables, 0)
    bench.all(0)
    tables["consents"][1]["family"] = "revoked"
    before = bench.sent()
    bench.write(tables, 1)
    bench.all(1)
    assert "ConsentWithdrawn" in dict(bench.newest(before).values())
    with bench.life() as connector:
        bench.step(connector, evening(2))
        at = evening(2)
        assert not connector._learning.knowledge.consents(bench.key.person("P0000002"), at)
