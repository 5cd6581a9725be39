"""Workers that join, leave and fall silent: records come again, and are applied once (faults 24, 26, 41)."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from tests.support.oracle import assert_each_once
from tests.support.stories import Families
from tests.support.workers import Rig, report

IDLE = 3000  # milliseconds that a transaction may stand still in these tests


def test_a_second_worker_joins_and_leaves(hub_rig: Rig) -> None:
    families = Families(hub_rig, 20)
    families.meet()
    hub_rig.start("consents")
    hub_rig.start("cases", HUB_CHUNK="7")
    families.go_on(10)
    second = hub_rig.start("cases", HUB_CHUNK="7")
    until = time.monotonic() + 6
    while time.monotonic() < until:
        families.go_on()
        time.sleep(0.1)
    began = time.monotonic()
    second.send(signal.SIGTERM)
    assert second.ended(45) == 0
    stopped_after = time.monotonic() - began
    families.go_on(10)
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    assert_each_once(hub_rig, families.told)
    report(f"{len(families.told)} records; the second worker stopped after {stopped_after:.1f} s")


@contextmanager
def admission_blocked(rig: Rig) -> Iterator[None]:
    """Nobody can write a decision: whoever admits stands still in the middle of a transaction."""
    with rig.parts.store.transaction() as connection:
        connection.execute(text("LOCK TABLE decision IN EXCLUSIVE MODE"))
        yield


def waiting_for_lock(rig: Rig) -> bool:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with rig.parts.store.transaction() as connection:
        return bool(connection.execute(text(asked)).scalar_one())


def test_a_worker_that_was_thought_dead_is_fenced(hub_rig: Rig) -> None:
    """Stopped inside a transaction until others had taken over, then continued: it applies nothing twice."""
    hub_rig.env["HUB_DATABASE_URL"] += f"?options=-c%20idle_in_transaction_session_timeout%3D{IDLE}"
    families = Families(hub_rig, 10)
    families.meet()
    hub_rig.start("consents")
    zombie = hub_rig.start("cases")
    families.go_on(3)
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "the first records")
    with admission_blocked(hub_rig):
        families.go_on(5)
        hub_rig.until(lambda: waiting_for_lock(hub_rig), "a transaction that stands still")
        zombie.send(signal.SIGSTOP)
    second = hub_rig.start("cases")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record, from the second worker")
    zombie.send(signal.SIGCONT)
    hub_rig.until(lambda: zombie.redelivered() > 0, "the zombie's own look at what was done meanwhile")
    families.go_on(3)
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "what came later")
    assert_each_once(hub_rig, families.told)
    assert second.process.poll() is None
    report(f"{len(families.told)} records, {zombie.redelivered()} fenced")
