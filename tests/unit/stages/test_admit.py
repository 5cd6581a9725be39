"""Stage admit: what is admitted, held, withheld, quarantined or a duplicate."""

from datetime import date

from hub.parts import CASES
from hub.ports import Outgoing
from hub.stages.admit import admit
from hub.stages.consents import take_consents
from hub.stages.held import answer_held, end_expired_holds
from tests.support.world import JC, MOTHER, World
from tests.unit.stages.conftest import Taken

EVENTS, CONSENTS = f"agency.{JC}.events", f"agency.{JC}.consents"


def _consented(world: World, take: Taken) -> None:
    world.jc.born(MOTHER, date(1990, 1, 1))
    world.jc.grants("c1", MOTHER, ["EG", "LS", "ID"])
    take(take_consents, CONSENTS)


def test_a_consented_event_is_appended_to_the_event_store(world: World, take: Taken) -> None:
    _consented(world, take)
    world.measure()
    outcome = take(admit, EVENTS)
    assert (outcome.admitted, outcome.held, outcome.withheld, outcome.quarantined) == (1, 0, {}, {})
    assert outcome.types == {("MeasureStarted", "admitted"): 1}
    (record,) = world.records(CASES)
    assert {name for name, _ in record.headers} >= {"policy", "epoch", "dropped"}


def test_an_event_before_its_consent_is_held_and_admitted_afterwards(world: World, take: Taken) -> None:
    world.measure()
    outcome = take(admit, EVENTS)
    assert (outcome.admitted, outcome.held) == (0, 1)
    assert [row["reason"] for row in world.rows("held")] == ["consent_unknown"]
    assert world.records(CASES) == []
    _consented(world, take)
    assert answer_held(world.parts) == {"admitted": 1}
    assert (world.rows("held"), len(world.records(CASES))) == ([], 1)


def test_a_held_event_that_nobody_answers_ends_as_withheld(world: World, take: Taken) -> None:
    world.measure()
    take(admit, EVENTS)
    world.wait(days=world.parts.hold_days, seconds=-1)
    assert end_expired_holds(world.parts) == 0
    world.wait(seconds=2)
    assert end_expired_holds(world.parts) == 1
    assert world.decisions() == [("withheld", "consent_unknown")]


def test_a_consent_that_does_not_cover_the_event_withholds_it(world: World, take: Taken) -> None:
    world.jc.born(MOTHER, date(1990, 1, 1))
    world.jc.grants("c1", MOTHER, ["BT"])
    take(take_consents, CONSENTS)
    world.measure()
    outcome = take(admit, EVENTS)
    assert (outcome.admitted, outcome.held, sum(outcome.withheld.values())) == (0, 0, 1)
    assert world.records(CASES) == []


def test_an_event_that_was_admitted_is_a_duplicate(world: World, take: Taken) -> None:
    _consented(world, take)
    world.measure()
    take(admit, EVENTS)
    world.jc.repeat()
    outcome = take(admit, EVENTS)
    assert (outcome.admitted, outcome.duplicates, outcome.skipped) == (0, 1, 1)
    assert len(world.records(CASES)) == 1


def test_one_unreadable_record_is_quarantined_alone(world: World, take: Taken) -> None:
    _consented(world, take)
    world.jc.put("events", Outgoing(b"another case", b"no envelope"))
    world.measure()
    outcome = take(admit, EVENTS)
    assert (outcome.admitted, outcome.parked) == (1, 0)
    assert sum(outcome.quarantined.values()) == 1
