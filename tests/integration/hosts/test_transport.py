"""The batch transport on a real broker: every record once, in order, and only what was done is committed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from hub.dev.servers import LocalKafka
from hub.ports import Outgoing
from tests.support.workers import Rig, report, rig

CLONE = Path(__file__).parents[3]
COUNT = 20_000


@pytest.fixture
def hub_rig(hub_kafka: LocalKafka, postgres: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(hub_kafka.bootstrap, postgres, tmp_path) as made:
        yield made


def count(made: Rig, topic: str, wanted: int) -> dict[str, int]:
    """What a worker that reads on saw until it had `wanted` records; it is stopped in order."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.counting", topic, str(wanted)],
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CLONE), **made.env},
        cwd=made.folder,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        said: dict[str, int] = next(json.loads(line) for line in lines if '"seen"' in line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 0
    return said


def committed(made: Rig, topic: str) -> int:
    admin = KafkaAdminClient(bootstrap_servers=made.env["HUB_KAFKA_BOOTSTRAP"])
    try:
        group = f"count-{topic}.all"
        offsets = admin.list_group_offsets([group])[group]
        return sum(offsets[TopicPartition(topic, partition)].offset for partition in range(2))
    finally:
        admin.close()


def test_every_record_once_and_in_order(hub_rig: Rig) -> None:
    topic = "hub.cases"
    records = [Outgoing(b"k%d" % (number % 50), b"x" * 400) for number in range(COUNT)]
    hub_rig.parts.log.append(topic, records)
    said = count(hub_rig, topic, COUNT)
    report(f"transport: {said['rate']} records/s in {said['batches']} batches")
    assert (said["seen"], said["disorder"]) == (COUNT, 0)
    assert committed(hub_rig, topic) == COUNT

    hub_rig.parts.log.append(topic, records[:100])
    again = count(hub_rig, topic, 100)
    assert again["seen"] == 100, "it goes on where the store stands"


def test_nothing_is_written_where_it_runs(hub_rig: Rig) -> None:
    hub_rig.parts.log.append("hub.cases", [Outgoing(b"k", b"x")])
    before = set(hub_rig.folder.iterdir())
    count(hub_rig, "hub.cases", 1)
    assert set(hub_rig.folder.iterdir()) == before
