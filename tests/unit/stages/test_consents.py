"""Stage consents: which records take effect, and what happens to those that cannot be read."""

from datetime import date

from hub.ports import Outgoing
from hub.stages.consents import take_consents
from tests.support.world import JC, MOTHER, World
from tests.unit.stages.conftest import Taken

TOPIC = f"agency.{JC}.consents"


def test_a_grant_stands_in_the_register_and_raises_the_epoch(world: World, take: Taken) -> None:
    world.jc.born(MOTHER, date(1990, 1, 1))
    world.jc.grants("c1", MOTHER, ["EG"])
    outcome = take(take_consents, TOPIC)
    assert (outcome.taken, outcome.quarantined, outcome.parked, outcome.skipped) == (2, 0, 0, 0)
    assert outcome.types == {"SubjectRecorded": 1, "ConsentGranted": 1}
    assert outcome.raised > 0
    assert [row["consent_id"] for row in world.rows("consent_row") if row["consent_id"]] == ["c1"]


def test_a_redelivered_batch_has_no_effect(world: World, take: Taken) -> None:
    world.jc.grants("c1", MOTHER, ["EG"])
    take(take_consents, TOPIC)
    before = world.rows("subject")
    outcome = take(take_consents, TOPIC)
    assert (outcome.taken, outcome.skipped, outcome.raised) == (0, 1, 0)
    assert world.rows("subject") == before


def test_a_grant_waits_behind_an_unreadable_record_of_its_person_and_a_withdrawal_does_not(
    world: World, take: Taken
) -> None:
    world.jc.grants("c1", MOTHER, ["EG"])
    world.jc.put("consents", Outgoing(world.jc.ref(MOTHER).encode(), b"no envelope"))
    world.jc.grants("c2", MOTHER, ["LS"])
    world.jc.withdraws("c1", MOTHER)
    world.jc.grants("c3", "another", ["EG"], family="another")
    outcome = take(take_consents, TOPIC)
    assert (outcome.taken, outcome.quarantined, outcome.parked) == (3, 1, 1)
    assert outcome.types == {"ConsentGranted": 2, "ConsentWithdrawn": 1}


def test_a_broken_withdrawal_is_quarantined_and_takes_effect(world: World, take: Taken) -> None:
    world.jc.grants("c1", MOTHER, ["EG"])
    broken = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    world.jc.send(broken._replace(scope='{"categories":'))
    outcome = take(take_consents, TOPIC)
    assert (outcome.taken, outcome.quarantined) == (1, 1)
    assert outcome.types == {"ConsentGranted": 1, "ConsentWithdrawn": 1}
    assert [row["reason"].startswith("narrowed_") for row in world.rows("quarantine")] == [True]
