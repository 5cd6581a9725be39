"""Stage disclose: marked cases become views, and a view that lost its ground is removed."""

from hub.stages.consents import take_consents
from hub.stages.disclose import DiscloseOutcome, disclose
from tests.support.world import JA, JC, MOTHER, World
from tests.unit.stages.conftest import Taken


def test_nothing_is_marked_and_nothing_happens(world: World) -> None:
    assert disclose(world.parts) == DiscloseOutcome()


def test_a_view_is_delivered_and_registered_once(world: World) -> None:
    world.shared()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    registered = world.rows("disclosure")
    assert registered
    assert disclose(world.parts).marks == 0
    assert world.rows("disclosure") == registered


def test_a_case_that_is_marked_and_says_the_same_is_not_delivered_again(world: World) -> None:
    world.shared()
    before = len(world.views(JA))
    world.measure()
    world.run()
    outcome = disclose(world.parts)
    assert (outcome.delivered, outcome.removed, len(world.views(JA))) == (0, 0, before)


def test_a_withdrawal_removes_the_view(world: World, take: Taken) -> None:
    world.shared()
    world.jc.withdraws("c1", MOTHER)
    take(take_consents, f"agency.{JC}.consents")
    outcome = disclose(world.parts)
    assert outcome.removed > 0
    assert outcome.urgent
    assert len(outcome.effects) == outcome.removed
    assert world.seen(JA, "ja_asd") == []
    assert disclose(world.parts).marks == 0
