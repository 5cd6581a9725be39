"""One family with a history of many thousand rows, on a broker and PostgreSQL: nobody else waits for its views.

`HUB_LONG_ROWS` says how many rows (CI: 2,000, `make chaos`: 20,000).
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from schemas import decode_single, limits
from tests.support.publisher import START
from tests.support.sinks import Staging
from tests.support.stories import Families
from tests.support.workers import YOUTH_OFFICE, Rig, report

ROWS = int(os.environ.get("HUB_LONG_ROWS", "2000"))
WAVES = 5
LONG, OTHERS = "long", 2 * WAVES
NOTE = "Träger " + "ä" * 80


def test_nobody_waits_for_a_long_case(hub_rig: Rig, tmp_path: Path) -> None:
    """While its rows come in, in waves, other families' records arrive and their withdrawals take effect."""
    others, long = Families(hub_rig, OTHERS), Families(hub_rig, 0)
    long.names = [LONG]
    for families in (others, long):
        families.meet()
        families.go_on()
    workers = [hub_rig.start(role, supervised=True) for role in ("consents", "cases", "disclose")]
    hub_rig.until(lambda: all(others.version_shown(name) for name in others.names), "all views")
    withdrawn: list[float] = []
    arrived: list[float] = []
    for wave in range(WAVES):
        _say(long, wave)
        leaving, staying = others.names[2 * wave : 2 * wave + 2]
        arrived.append(_arrived(hub_rig, others, staying, wave))
        withdrawn.append(_withdrawn(hub_rig, others, leaving))
    hub_rig.until_quiet()
    sizes = _sizes(hub_rig)
    report(
        f"long case: {ROWS} rows, its view {sum(sizes) / 1e6:.1f} MB in {len(sizes)} records; meanwhile withdrawals"
        f" took effect within {statistics.median(withdrawn):.1f} s (median), {max(withdrawn):.1f} s (longest of"
        f" {WAVES}); records of others were shown within {statistics.median(arrived):.1f} s (median),"
        f" {max(arrived):.1f} s"
    )
    assert max(sizes) <= limits.VIEW_BYTES
    assert len(sizes) > 1
    assert all(worker.process.poll() is None for worker in workers)
    staging = Staging(hub_rig.parts, YOUTH_OFFICE, f"sqlite:///{tmp_path}/staging.sqlite")
    staging.step()
    case = others.youth_office.case_key(LONG)
    rows = [row for row in staging.rows() if row["fall_ref"] == case and row["rolle"] == "ja_asd"]
    assert len([row for row in rows if row["feld"] == "provider"]) == ROWS + 1


def _say(long: Families, wave: int) -> None:
    """One wave of rows of the long case, from its agency."""
    for number in range(wave * ROWS // WAVES, (wave + 1) * ROWS // WAVES):
        payload = {"norm": "16", "provider": f"{number} {NOTE}", "status": "running"}
        long.jobcenter.record(
            LONG, LONG, "MeasureStarted", payload, source_key=f"long {number}", consents=[long.consents[LONG]]
        )
    long.jobcenter.flush()


def _arrived(made: Rig, families: Families, name: str, wave: int) -> float:
    """Seconds until a new record of a family is in its view."""
    before = families.version_shown(name)
    families.jobcenter.measure(name, name, 100 + wave, [families.consents[name]])
    families.jobcenter.flush()
    return _seconds(made, lambda: families.version_shown(name) > before, f"the record of family {name}")


def _withdrawn(made: Rig, families: Families, name: str) -> float:
    """Seconds until a family that withdrew is shown no longer."""
    at = START + timedelta(days=1)
    families.jobcenter.withdraw(name, name, families.consents[name], at=at)
    families.jobcenter.flush()
    return _seconds(made, lambda: not families.version_shown(name), f"the withdrawal of family {name}")


def _seconds(made: Rig, true: Callable[[], bool], what: str) -> float:
    began = time.monotonic()
    made.until(true, what)
    return time.monotonic() - began


def _sizes(made: Rig) -> list[int]:
    """Bytes of each record of the long case's newest view."""
    topic = f"agency.{YOUTH_OFFICE}.views"
    following = dict(made.parts.log.state([topic])[topic].first)
    found: dict[int, list[int]] = {}
    while batch := made.parts.log.read(topic, following, 2000):
        following |= {record.partition: record.offset + 1 for record in batch}
        for record in batch:
            view = decode_single(record.value)[1]
            if view.get("part_count"):
                found.setdefault(view["version"], []).append(len(record.value))
    return found[max(found)]
