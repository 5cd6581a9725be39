"""A worker killed in the middle of its work loses nothing, doubles nothing and shows nothing too much (promise 3)."""

import os
import random
import signal
import time

import pytest

from hub.store import tables
from tests.support.oracle import (
    assert_each_once,
    assert_rebuilt_equals_live,
    assert_views_agree,
    produced_again,
)
from tests.support.stories import Families
from tests.support.workers import Rig, report

LIVES = int(os.environ.get("HUB_CHAOS_ROUNDS", "3"))
ROUNDS = int(os.environ.get("HUB_CHAOS_ROUNDS", "5"))
AT_WORK = 0.7  # of the random deaths come when this life has decided something, the others whenever they fall
KILLED = {-signal.SIGKILL, 137}
SEED = int(os.environ.get("HUB_CHAOS_SEED", str(random.SystemRandom().randrange(2**32))))
POINTS = {
    "consents.in_transaction:2": "consents",
    "admit.after_produce:2": "cases",
    "admit.in_transaction:2": "cases",
    "project.in_transaction:2": "cases",
    "disclose.between:1": "disclose",
    "disclose.after_produce:1": "disclose",
    "disclose.in_transaction:1": "disclose",
}
"""Where a worker dies, the how-many-eth time it comes by, and in which role it gets there."""


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(hub_rig: Rig, point: str) -> None:
    """One worker dies where it hurts, as often as HUB_CHAOS_ROUNDS says, while those of the other roles go on."""
    families = Families(hub_rig, 12)
    families.meet()
    victim = POINTS[point]
    for role in sorted({*POINTS.values()} - {victim}):
        hub_rig.start(role)
    for life in range(LIVES):
        families.go_on()
        families.say_more()
        group = f"{hub_rig.env['HUB_GROUP']}-{life}"  # where nobody waits for the dead one's session to end
        worker = hub_rig.start(victim, fail=point, HUB_CHUNK="4", HUB_GROUP=group)
        assert worker.ended() in KILLED, worker.tail()
    hub_rig.start(victim)
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    hub_rig.until_quiet()
    assert_each_once(hub_rig, families.told)
    assert_rebuilt_equals_live(hub_rig)
    assert_views_agree(hub_rig)
    again = produced_again(hub_rig)
    report(f"{point}: {LIVES} kills, {len(families.told)} records, {again} produced again without effect")
    assert again > 0 or victim != "cases" or point.startswith("project.")


def test_killed_at_random(hub_rig: Rig) -> None:
    """SIGKILL whenever it happens to fall, under input; HUB_CHAOS_ROUNDS says how often, HUB_CHAOS_SEED repeats."""
    report(f"HUB_CHAOS_SEED={SEED} HUB_CHAOS_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    families = Families(hub_rig, 25)
    families.meet()
    for life in range(ROUNDS):
        at_work = chance.random() < AT_WORK
        group = f"-{life}" if at_work else ""  # where nobody waits for the dead one's session to end
        chunk = str(chance.randrange(1, 30))
        worker = hub_rig.start("all", HUB_CHUNK=chunk, HUB_GROUP=hub_rig.env["HUB_GROUP"] + group)
        families.go_on()
        done = hub_rig.count(tables.decision)
        hub_rig.until(lambda: bool(worker.said("worker.started")), "the start")  # noqa: B023 - it is called at once
        if at_work:
            hub_rig.until(lambda: hub_rig.count(tables.decision) > done, "work")  # noqa: B023 - likewise
        end = time.monotonic() + chance.uniform(0.0, 2.0)
        while time.monotonic() < end:
            families.go_on()
            families.say_more()
            time.sleep(0.05)
        worker.send(signal.SIGKILL)
        assert worker.ended() == -signal.SIGKILL
    hub_rig.start("all")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    hub_rig.until_quiet()
    assert_each_once(hub_rig, families.told)
    assert_rebuilt_equals_live(hub_rig)
    assert_views_agree(hub_rig)
    report(
        f"{ROUNDS} kills, {len(families.told)} records, {produced_again(hub_rig)} produced again without effect"
    )
