"""A connector killed at its worst moment loses nothing and doubles nothing (protocol rules 2, 15 and 19).

A source dies between publishing and saving its state, so the next life publishes the same events again, under the same
ids and numbers; a sink dies between its table and its receipts. Both must end where an undisturbed story ends.
"""

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.dev.demo import Demo
from hub.dev.servers import LocalKafka
from hub.domain.clock import BERLIN
from hub.parts import Parts
from projections.joint_case.tables import case_row
from tests.support.kafka_world import EVENING, FOLDERS, KafkaWorld, kafka_world, staged
from tests.support.oracle import assert_rebuilt_equals_live
from tests.support.workers import report

LIVES = int(os.environ.get("HUB_CHAOS_ROUNDS", "5"))
FAMILIES, SEED = 6 + LIVES // 2, 3
ROWS = (
    20 if LIVES < 10 else 5
)  # that a source reads at once, so that the lives get beyond control data and not to the end


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[Demo]:
    """The first day on the embedded host, with nobody killed."""
    demo = Demo(tmp_path / "embedded", FAMILIES, SEED)
    day = next(demo.simulation.days)
    demo.simulation.write_day(day)
    demo.clock.set(datetime.combine(day, EVENING, tzinfo=BERLIN))
    demo.settle()
    yield demo
    demo.close()


@pytest.fixture
def world(hub_kafka: LocalKafka, postgres: str, tmp_path: Path, undisturbed: Demo) -> Iterator[KafkaWorld]:
    folder = tmp_path / "kafka"
    folder.mkdir()
    with kafka_world(
        hub_kafka.bootstrap, postgres, folder, undisturbed._master, families=FAMILIES, seed=SEED, batch=ROWS
    ) as made:
        yield made


def live_and_die(world: KafkaWorld, part: str, *points: str) -> None:
    """Both offices' connectors at once, each life until one of the points (`name:count`), as often as LIVES says."""
    for _, point in zip(range(LIVES), cycle(points), strict=False):
        running = [world.connect(office, part, "--once", fail=point) for office in FOLDERS.values()]
        for one in running:
            assert one.ended() == -signal.SIGKILL, one.tail()


def records(parts: Parts) -> set[tuple[object, ...]]:
    """What stands in the joint case; publications aside: they depend on when a gate learned of a consent."""
    c = case_row.c
    wanted = select(c.record_ref, c.event_type, c.case_key, c.subject, c.source_version, c.occurred_at)
    with parts.store.transaction() as connection:
        found = [tuple(row) for row in connection.execute(wanted)]
    assert len(set(found)) == len(found)
    return set(found)


def published_again(world: KafkaWorld) -> int:
    """How many records came again; whatever comes under the same id and number says the same, boxes aside."""
    times = defaultdict[tuple[object, ...], list[dict[str, object]]](list)
    for kind in ("consents", "events"):
        for envelope in world.envelopes(kind):
            boxes = envelope.pop("boxes")
            times[envelope["event_id"], envelope["publication"]].append(envelope | {"boxes": sorted(boxes)})
    assert all(one == same[0] for same in times.values() for one in same)
    return sum(len(same) - 1 for same in times.values())


def shown(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Both offices' staging tables."""
    return {office: staged(folder / office) for office in FOLDERS.values()}


def test_connectors_killed_between_doing_and_saving(world: KafkaWorld, undisturbed: Demo) -> None:
    world.start_workers()
    day = next(world.simulation.days)
    world.simulation.write_day(day)
    world.set_clock(day)
    world.until_idle()

    live_and_die(world, "source", "connector.after_publish:2")
    world.until_quiet()
    again, counts = published_again(world), world.counts()
    decided = counts["admitted"] + sum(counts["withheld_at_admission"].values()) + counts["held"]
    every = sum(len(world.envelopes(kind)) for kind in ("consents", "events"))
    assert again == counts["duplicates"] >= 2 * LIVES
    assert (counts["quarantined"], every) == ({}, decided + again)
    assert records(world.rig.parts) == records(undisturbed.parts)
    assert sum(worker.redelivered() for worker in world.rig.workers) > 0
    assert_rebuilt_equals_live(world.rig)

    live_and_die(world, "sink", "sink.after_apply:1", "sink.after_receipt:1")
    world.start_sinks()
    world.until_idle()
    expected = shown(undisturbed.folder)
    world.rig.until(lambda: shown(world.folder) == expected, "the views of a story without kills")
    report(f"{2 * LIVES} kills of sources, {every} records, {again} duplicates; {2 * LIVES} kills of sinks")
