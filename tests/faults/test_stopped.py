"""A worker that stands still, for longer than its session and its transaction, shows nothing after a withdrawal."""

import os
import signal
import time
from pathlib import Path

import pytest

from hub.operations.audit.verify import verify
from tests.support.sinks import Staging
from tests.support.stories import Families
from tests.support.workers import YOUTH_OFFICE, Rig, Running, report

ROUNDS = int(os.environ.get("HUB_CHAOS_ROUNDS", "1"))
IDLE = 3000  # milliseconds that a transaction of another stage may stand still in these tests
POINTS = {
    "consents.in_transaction": "consents",
    "admit.after_produce": "cases",
    "admit.in_transaction": "cases",
    "project.in_transaction": "cases",
    "disclose.between": "disclose",
    "disclose.before_produce": "disclose",
    "disclose.after_produce": "disclose",
    "disclose.in_transaction": "disclose",
}


@pytest.mark.parametrize("point", POINTS)
def test_stopped_at_a_point_and_continued(hub_rig: Rig, tmp_path: Path, point: str) -> None:
    """One worker stands still where it hurts, a consent is withdrawn meanwhile, others of its role go on."""
    hub_rig.env["HUB_DATABASE_URL"] += f"?options=-c%20idle_in_transaction_session_timeout%3D{IDLE}"
    families = Families(hub_rig, 1 + ROUNDS)
    families.meet()
    victim = POINTS[point]
    for role in sorted({*POINTS.values()} - {victim}):
        hub_rig.start(role)
    first = hub_rig.start(victim)
    families.go_on()
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    hub_rig.until_quiet()
    first.send(signal.SIGTERM)
    assert first.ended(45) == 0
    for name in families.names[1:]:
        stopped = hub_rig.start(victim, fail=f"{point}:1:stop")
        families.go_on()
        families.say_more()
        hub_rig.until(lambda: _stands_still(stopped), "a worker that stands still")  # noqa: B023 - called at once
        families.jobcenter.withdraw(name, name, families.consents[name])
        families.jobcenter.flush()
        withdrawn = time.monotonic()
        second = hub_rig.start(victim)
        hub_rig.until_quiet()
        waited = time.monotonic() - withdrawn
        stopped.send(signal.SIGCONT)
        families.names.remove(name)
        families.go_on()
        hub_rig.until_quiet()
        for worker in (stopped, second):
            worker.send(signal.SIGTERM)
            worker.ended(45)
        report(f"{point}: quiet {waited:.1f} s after the withdrawal")
    assert _shown(hub_rig, tmp_path) == {families.youth_office.case_key(name) for name in families.names}
    audit = verify(hub_rig.parts)
    assert (audit.breaches, audit.in_flight) == ([], 0)


def _stands_still(worker: Running) -> bool:
    stat = Path(f"/proc/{worker.process.pid}/stat").read_text(encoding="ascii")
    return stat.rsplit(") ", 1)[1][0] == "T"


def _shown(rig: Rig, folder: Path) -> set[str]:
    """Whom the youth office's sink shows, having read every record in order."""
    staging = Staging(rig.parts, YOUTH_OFFICE, f"sqlite:///{folder}/staging.sqlite", batch=1)
    staging.step()
    return {str(row["fall_ref"]) for row in staging.rows()}
