"""Stage timers: what time alone changes takes effect at the next tick, once, however long the hub was down."""

from datetime import timedelta

import pytest

from hub.stages.consents import take_consents
from hub.stages.timers import TickOutcome, tick
from tests.support.world import JA, JC, MOTHER, NOW, World
from tests.unit.stages.conftest import Taken

CONSENTS = f"agency.{JC}.consents"


def _epochs(world: World) -> dict[str, int]:
    return {row["key"]: row["epoch"] for row in world.rows("subject")}


def test_nothing_is_due(world: World) -> None:
    tick(world.parts)
    assert tick(world.parts) == TickOutcome()


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(days=3)])
def test_a_consent_that_ends_raises_the_epoch_once(world: World, take: Taken, late: timedelta) -> None:
    world.jc.grants("c1", MOTHER, ["EG"], until=NOW + timedelta(hours=2))
    take(take_consents, CONSENTS)
    tick(world.parts)
    before = _epochs(world)
    world.wait(hours=1)
    assert tick(world.parts).raised == 0
    world.wait(hours=1, seconds=late.total_seconds())
    assert tick(world.parts).raised > 0
    after = _epochs(world)
    assert after[f"{JC}:{world.jc.ref(MOTHER)}"] > before[f"{JC}:{world.jc.ref(MOTHER)}"]
    assert tick(world.parts).raised == 0


def test_a_hold_ends_after_its_days(world: World) -> None:
    world.measure()
    world.run()
    world.wait(days=world.parts.hold_days, seconds=1)
    assert tick(world.parts).holds_ended == 1
    assert world.decisions() == [("withheld", "consent_unknown")]


def test_a_view_is_marked_for_renewal_in_the_second_half_of_its_lease(world: World) -> None:
    world.shared()
    assert world.seen(JA, "ja_asd")
    world.wait(seconds=world.parts.lease / 2 - 60)
    assert tick(world.parts).renewed == 0
    world.wait(seconds=120)
    assert tick(world.parts).renewed > 0
    assert world.rows("dirty")
