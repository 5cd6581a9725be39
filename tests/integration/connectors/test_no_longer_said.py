"""A row that is there and says a record no longer: the record is taken back, whatever the source."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.sources.outbox import build as outbox_build
from connectors.sources.outbox import spec as outbox_spec
from connectors.sources.outbox.trial import Trial as OutboxTrial
from connectors.sources.rest import build as rest_build
from connectors.sources.rest import spec as rest_spec
from connectors.sources.rest.trial import Trial as RestTrial
from connectors.sources.xml import build as xml_build
from connectors.sources.xml import spec as xml_spec
from connectors.sources.xml.trial import Trial as XmlTrial
from hub.failpoints import observed
from tests.integration.connectors.test_gone_and_back import CANDIDATES, RECORDED

SOURCES = (
    *CANDIDATES,
    Candidate("rest", rest_build, rest_spec, RestTrial),
    Candidate("sql_outbox", outbox_build, outbox_spec, OutboxTrial),
    Candidate("xml", xml_build, xml_spec, XmlTrial),
)
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


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killed(bench: Bench, day: int, point: str) -> None:
    """A life that ends when it comes to this point."""

    def fail(name: str) -> None:
        if name == point:
            raise Killed

    with observed(fail), pytest.raises(Killed), bench.life() as connector:
        bench.step(connector, evening(day))


@pytest.mark.parametrize("point", ["connector.before_publish", "connector.after_publish"])
def test_what_was_said_before_a_kill_is_taken_back_after_it(bench: Bench, point: str) -> None:
    """The row is cancelled before the next life: all that the log holds of it is an event that nobody noted."""
    told(bench, 0, "wrong?")
    assert bench.waiting() == ["unknown_word"] * 3
    tables = families(6)
    for row in tables["people"]:
        row["remark"] = "planned"
    bench.write(tables, 1)
    killed(bench, 1, point)
    tables["people"][2]["remark"] = "cancelled"
    bench.write(tables, 2)
    bench.all(2)
    newest = {content for kind, content in bench.newest().values() if kind == "ThreeWayTalkScheduled"}
    left = [
        kind
        for kind, content in bench.newest().values()
        if content != "[]" and kind == "ThreeWayTalkScheduled"
    ]
    assert len(left) == 2, newest


@pytest.mark.parametrize("vanished", [True, False])
def test_a_consent_that_was_said_before_a_kill_is_withdrawn_after_it(bench: Bench, *, vanished: bool) -> None:
    tables = families(60)
    consent = bench.raw["streams"]["consents"]["events"][0]
    consent["when"] = [{"column": "family", "not_in": ["revoked"]}]
    more = tables["consents"].pop(1)
    bench.write(tables, 0)
    bench.all(0)
    tables["consents"].append(more)
    bench.write(tables, 1)
    killed(bench, 1, "connector.after_publish")
    tables["consents"].remove(more)
    if not vanished:
        tables["consents"].append({**more, "family": "revoked"})
    bench.write(tables, 2)
    bench.all(2)
    kinds = [kind for kind, _ in bench.newest().values()]
    assert (kinds.count("ConsentGranted"), kinds.count("ConsentWithdrawn")) == (30, 1)


@pytest.mark.parametrize(("ending", "withdrawn"), [("ConsentWithdrawn", 2), ("PersonChanged", 1)])
def test_a_rule_for_vanished_rows_says_nothing_of_one_that_is_there(
    bench: Bench, ending: str, withdrawn: int
) -> None:
    """A consent whose `when` holds no longer is withdrawn; of one whose row is gone the rule says what it means."""
    consents = bench.raw["streams"]["consents"]
    consents["events"][0]["when"] = [{"column": "family", "not_in": ["revoked"]}]
    fields = {"consent_id": "number"} if ending == "ConsentWithdrawn" else {"names": {"constant": "gone"}}
    vanish = {"type": ending, "subject": "person", "case": "family", "occurred_at": "granted"}
    consents["on_vanish"] = {**vanish, "fields": fields}
    tables = families(6)
    bench.write(tables, 0)
    bench.all(0)
    tables["consents"][1]["family"] = "revoked"
    del tables["consents"][2]
    bench.write(tables, 1)
    bench.all(1)
    kinds = [kind for kind, _ in bench.newest().values()]
    assert kinds.count("ConsentWithdrawn") == withdrawn


def test_another_record_of_the_same_type_takes_back_the_first_in_a_case_that_is_looked_up(
    bench: Bench,
) -> None:
    """Two mappings of one type, each by a word: the person stays in the case, the record is another one."""
    bench.raw["lookups"] = {"cases": {"stream": "consents", "key": "person", "columns": ["family"]}}
    case = {"lookup": "cases", "by": "number", "column": "family"}
    bench.raw["streams"]["people"]["events"] = [
        {**talk("ThreeWayTalkScheduled", word), "case": case, "ordinal": ordinal}
        for ordinal, word in enumerate(("planned", "held"))
    ]
    told(bench, 0, "planned")
    assert told(bench, 1, "held") == [("ThreeWayTalkScheduled", False), ("ThreeWayTalkScheduled", True)]
    assert told(bench, 2, "cancelled") == [("ThreeWayTalkScheduled", False)]
