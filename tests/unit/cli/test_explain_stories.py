"""`hub explain` told along whole stories: every word of the contract, in both languages, to the end of the content."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.cli.explain.explain import explained
from hub.cli.explain.words import sentences
from hub.domain.envelope import Envelope
from hub.policy.explain import Language
from hub.rights.event_history.trail import trail
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, World

POINTS = {"read", "egress", "publish", "admit", "project", "disclose", "withdraw", "erase", "quarantine"}
PLACE = re.compile(r"(agency\.[\w-]+\.\w+|hub\.cases|hub\.words)(/\d+/\d+)?|key ledger")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SECRET = "Geheimer Träger"


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World.at(tmp_path)
    yield made
    made.close()


def told(world: World, event: Envelope, lang: Language = "de") -> dict[str, Any]:
    """The answer, held to the contract whatever the story."""
    answer = explained(
        trail(world.parts, event.event_id.hex(), world.parts.keys.ledger()), world.parts.gate.policy, lang
    )
    assert answer["event_id"] == event.event_id.hex()
    times = [datetime.fromisoformat(step["at"]) for step in answer["trail"]]
    assert times == sorted(times)
    for step in answer["trail"]:
        assert step["point"] in POINTS
        assert PLACE.fullmatch(step["where"]), step["where"]
        assert TIME.fullmatch(step["at"]), step["at"]
        assert all(rule.keys() == {"rule", "norm", "text"} and rule["text"] for rule in step["rules"])
        assert set(step["kept"]).isdisjoint(step["dropped"])
    prose = "\n".join(sentences(answer, lang))
    assert SECRET not in prose + str(answer)
    assert "{" not in prose
    assert "_" not in re.sub(r"\w+_id|\w+_\w+ \(R|jc_\w+|ja_\w+", "", prose.split("\n", 1)[0])
    return answer


def outcomes(answer: dict[str, Any], *, now: bool = False) -> list[str]:
    return [f"{step['point']} {step['outcome']}" for step in answer["trail"] if step.get("now", False) == now]


def shared(world: World, **consent: Any) -> Envelope:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"], **consent)
    event = world.measure(provider=SECRET)
    world.run()
    return event


def test_the_whole_way_with_every_place(world: World) -> None:
    answer = told(world, shared(world))
    assert outcomes(answer)[:3] == ["publish published", "admit admitted", "project applied"]
    assert all(step["where"].count("/") == 2 for step in answer["trail"])
    assert [
        step["where"].split("/")[0] for step in answer["trail"] if step["recipient"] and not step.get("now")
    ] == [f"agency.{JA}.views"]
    assert answer["trail"][2]["where"].startswith("hub.cases/")
    assert {step["recipient"] for step in answer["trail"] if step.get("now")} == {
        f"{JA}/ja_asd",
        f"{JA}/ja_wjh",
    }


def test_in_german_and_in_english(world: World) -> None:
    event = shared(world)
    german = "\n".join(sentences(told(world, event), "de"))
    english = "\n".join(sentences(told(world, event, "en"), "en"))
    assert "01.09.2026 10:00:00  Das Amt hat es versiegelt übergeben" in german
    assert f"{JA} (Allgemeiner Sozialer Dienst) hat es bekommen" in german
    assert "heute" in german
    assert "2026-09-01 10:00:00  The agency handed it over, sealed" in english
    assert "may see all of it" in english
    assert not re.search(r"\b(das|der|wurde|hat|nicht)\b", english)


def test_a_withdrawal_and_one_in_part(world: World) -> None:
    event = shared(world)
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER, scope='{"purposes": [], "categories": ["LS"], "recipients": []}')
    world.run()
    assert "withdraw narrowed" in outcomes(told(world, event))
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    answer = told(world, event)
    assert outcomes(answer)[-3:] == ["disclose removed", "withdraw withdrawn", "erase key_destroyed"]
    assert outcomes(answer, now=True) == []
    assert "nicht mehr lesbar" in "\n".join(sentences(answer, "de"))


def test_a_consent_that_runs_out_by_itself(world: World) -> None:
    event = shared(world, until=NOW + timedelta(days=3))
    world.wait(days=2)
    assert "withdraw expired" not in outcomes(told(world, event))
    world.wait(days=1)
    world.run()
    answer = told(world, event)
    (step,) = [step for step in answer["trail"] if step["outcome"] == "expired"]
    assert step["at"] == "2026-09-04T08:00:00Z"
    assert step["where"].startswith(f"agency.{JC}.consents/")


def test_the_other_offices_consent_of_that_number_is_no_part_of_it(world: World) -> None:
    """Both offices have a paper c1 of the mother; hers at the youth office runs out, another one is taken back."""
    event = shared(world)
    world.ja.grants("c1", MOTHER, ["HS"], until=NOW + timedelta(days=1))
    world.run()
    world.wait(hours=1)
    world.ja.withdraws("c1", MOTHER)
    world.run()
    world.wait(days=2)
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert not [one for one in outcomes(told(world, event)) if one.startswith(("withdraw", "erase"))]


def test_a_split_is_said_and_shown_of_today(world: World) -> None:
    event = shared(world)
    world.wait(hours=1)
    world.jc.say("IdentitySplit", MOTHER, {"refs": [world.jc.subject(MOTHER)]})
    world.run()
    answer = told(world, event)
    assert {"withdraw split", "disclose removed"} <= set(outcomes(answer))
    assert set(outcomes(answer, now=True)) == {"disclose deny"}
    assert {rule["rule"] for step in answer["trail"] if step.get("now") for rule in step["rules"]} == {
        "not_linked"
    }


def test_a_second_publication_stands_beside_the_first(world: World) -> None:
    world.know_family()
    world.jc.grants("c0", MOTHER, ["TM"])
    world.measure(["c0"])
    world.run()
    world.wait(hours=1)
    world.jc.grants("c1", MOTHER, ["EG"])
    event = world.measure(["c1"], publication=2, at=NOW, version=0)
    world.run()
    answer = told(world, event)
    assert [one for one in outcomes(answer) if one.startswith(("publish", "admit"))] == [
        "publish published",
        "admit withheld",
        "publish published",
        "admit admitted",
    ]
    assert len({step["where"] for step in answer["trail"] if step["point"] == "publish"}) == 2


def test_quarantine_waiting_and_holds_say_why(world: World) -> None:
    world.know_family()
    bad = world.jc.draft(
        "MeasureStarted", MOTHER, {"norm": "16d", "provider": SECRET, "status": "x"}, consents=["c1"]
    )
    world.jc.send(bad._replace(controller_id=JA), kind="events")
    behind = world.measure(provider=SECRET, key="m2")
    lonely = world.jc.say(
        "MeasureStarted",
        CHILD,
        {"norm": "16d", "provider": SECRET, "status": "x"},
        family="other",
        consents=["c-unknown"],
    )
    world.run()
    assert [one for one in outcomes(told(world, bad)) if "quarantine" in one] == ["quarantine quarantined"]
    (rule,) = next(step for step in told(world, bad)["trail"] if step["point"] == "quarantine")["rules"]
    assert rule["text"] == "Der Träger passt nicht zum Topic"
    assert "quarantine parked" in outcomes(told(world, behind))
    assert outcomes(told(world, lonely)) == ["publish published", "admit held"]
    world.wait(days=8)
    world.run()
    assert outcomes(told(world, lonely))[-1] == "admit withheld"


def test_after_an_erasure_the_trail_stays_and_no_content(world: World) -> None:
    event = shared(world)
    world.wait(hours=1)
    world.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17 DSGVO"}, key="erase mother")
    world.run()
    world.wait(hours=1)
    world.run()
    answer = told(world, event)
    assert {"publish published", "admit admitted", "erase requested", "erase key_destroyed"} <= set(
        outcomes(answer)
    )
    assert outcomes(answer, now=True) == []
