"""Heartbeats over a real broker: a running connector is seen at a worker's /metrics, and missed when it is gone.

The broker refuses one agency's status topic, as it does for a connector whose rights were forgotten.
"""

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)
from prometheus_client.parser import text_string_to_metric_families

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.run.heartbeat import EVERY, HeartbeatSender
from connectors.pipeline.state.heartbeat import RUNNING, StepStatus
from hub.adapters.clocks import ManualClock
from hub.adapters.log import topics
from hub.adapters.log.kafka import KafkaLog
from hub.dev.servers import LocalKafka
from hub.domain.heartbeat import status_topic
from hub.errors import ConfigurationError
from hub.metrics.hearing import SILENT_AFTER, Hearing
from hub.ports import Outgoing
from tests.support.kafka_world import KafkaWorld, kafka_world, set_clock
from tests.support.workers import PATIENT, Running

JC = "jc-seestadt"
_PROPERTIES = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


@pytest.fixture(scope="module")
def strict_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that knows access control lists; without one everybody may do everything."""
    file = tmp_path_factory.mktemp("strict") / "more.properties"
    file.write_text(_PROPERTIES)
    with LocalKafka.start(env={"KAFKA_PROPERTIES": str(file)}) as broker:
        yield broker.bootstrap


def refuse(bootstrap: str, topic: str) -> None:
    """From now on nobody may write to this topic; reading goes on."""
    everybody = {
        "principal": "User:*",
        "host": "*",
        "resource_pattern": ResourcePattern(ResourceType.TOPIC, topic),
    }
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        rules = ((ACLPermissionType.ALLOW, ACLOperation.ALL), (ACLPermissionType.DENY, ACLOperation.WRITE))
        answer = admin.create_acls(
            [ACL(permission_type=kind, operation=what, **everybody) for kind, what in rules]
        )
        assert len(answer["succeeded"]) == 2
    finally:
        admin.close()


class Seen:
    """What a worker exports, asked anew each time."""

    def __init__(self, world: KafkaWorld) -> None:
        self.world = world
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        world.rig.start("consents", HUB_METRICS_PORT=str(self._port))

    def states(self) -> dict[tuple[str, str], str]:
        """(agency, connector) → its present state; exactly one."""
        found: dict[tuple[str, str], str] = {}
        for labels, value in self._series("hub_connector_status"):
            if value == 1:
                assert (labels["agency"], labels["source"]) not in found
                found[labels["agency"], labels["source"]] = labels["state"]
        return found

    def success(self, agency: str, connector: str) -> float:
        """When, as far as it was heard; 0 for never."""
        found = (
            value
            for labels, value in self._series("hub_connector_last_success_timestamp_seconds")
            if (labels["agency"], labels["source"]) == (agency, connector)
        )
        return next(found, 0.0)

    def until(self, true: Callable[[dict[tuple[str, str], str]], bool]) -> None:
        give_up, states = time.monotonic() + PATIENT, dict[tuple[str, str], str]()
        while time.monotonic() < give_up:
            if true(states := self.states()):
                return
            time.sleep(0.2)
        raise AssertionError(f"it stays {states}: {[one.tail() for one in self.world.rig.workers]}")

    def _series(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        except OSError:  # the worker is still starting
            return
        for family in text_string_to_metric_families(text):
            yield from ((one.labels, one.value) for one in family.samples if one.name == name)


@pytest.fixture
def world(strict_kafka: str, postgres: str, tmp_path: Path) -> Iterator[KafkaWorld]:
    with kafka_world(strict_kafka, postgres, tmp_path, bytes(range(32)), families=2, seed=1) as made:
        made.simulation.write_day(next(iter(made.simulation.days)))
        config = tmp_path / "jobcenter" / "source.toml"
        config.write_text(config.read_text().replace("interval_seconds = 10", "interval_seconds = 0.3"))
        yield made


def later(world: KafkaWorld, by: timedelta) -> datetime:
    """The same new time for every process."""
    now = world.rig.parts.clock.now() + by
    set_clock(world.folder / "clock", now)
    return now


def connect(world: KafkaWorld, part: str) -> Running:
    running = world.connect("jobcenter", part)
    world.rig.workers.append(running)
    return running


def test_who_runs_is_seen_and_who_is_gone_is_missed(world: KafkaWorld) -> None:
    seen, source, sink = Seen(world), connect(world, "source"), connect(world, "sink")
    both = {(JC, "source"): "running", (JC, "sink"): "running"}
    seen.until(lambda states: states == both and len(reports(source)) > 0)
    later(world, EVERY)
    seen.until(lambda _: seen.success(JC, "source") > 0)
    done = seen.success(JC, "source")
    source.send(signal.SIGSTOP)
    now = later(world, SILENT_AFTER + timedelta(seconds=1))
    seen.until(lambda states: states == both | {(JC, "source"): "silent"})
    seen.until(lambda _: seen.success(JC, "sink") == now.timestamp())
    assert seen.success(JC, "source") == done < now.timestamp()
    source.send(signal.SIGCONT)
    seen.until(lambda states: states == both)
    sink.kill()
    source.send(signal.SIGTERM)
    assert source.ended() == 0, source.tail()
    later(world, SILENT_AFTER + timedelta(seconds=1))
    seen.until(lambda states: states == {(JC, "source"): "stopped", (JC, "sink"): "silent"})


def test_a_broker_that_refuses_the_heartbeat_does_not_stop_the_steps(world: KafkaWorld) -> None:
    topic, parts = status_topic(JC), world.rig.parts
    refuse(world.rig.env["HUB_KAFKA_BOOTSTRAP"], topic)
    seen, source, sink = Seen(world), connect(world, "source"), connect(world, "sink")
    world.rig.until(lambda: len(reports(source)) > 3, "steps")
    before = len(reports(source))
    later(world, timedelta(minutes=2))
    world.rig.until(lambda: len(reports(source)) > before + 3, "steps beside refused heartbeats")
    assert sum(one["published"] for one in reports(source)) > 0
    assert len(source.said("connector.heartbeat_unsent")) == 1
    with pytest.raises(ConfigurationError, match="refuses"):
        parts.log.append(topic, [Outgoing(b"source", b"")])
    assert sum(parts.log.state([topic])[topic].end.values()) == 0
    for one in (source, sink):
        one.send(signal.SIGTERM)
        assert one.ended() == 0, one.tail()
    assert seen.states() == {}


def reports(running: Running) -> list[dict[str, Any]]:
    """What a source said of its steps so far; its last line may be half a line."""
    lines = running.log.read_text().splitlines()[:-1]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in told if "published" in one and "event" not in one]


def test_the_brokers_clock_tells_the_skew(strict_kafka: str, tmp_path: Path) -> None:
    """A connector whose clock is an hour behind, on topics as they are declared."""
    agency = f"jc-skew-{time.time_ns()}"
    (tmp_path / "c.toml").write_text(
        f'[agency]\nid = "{agency}"\nkind = "jobcenter"\n[connector]\nkind = "sql"\nstate = "own.sqlite"\n'
        'pseudonyms = "p.sqlite"\n'
    )
    plan = topics.topic_plan([agency], 2, "append")
    behind = ManualClock(datetime.now(UTC) - timedelta(hours=1))
    log = KafkaLog(strict_kafka, clock=behind)
    try:
        topics.apply(log, {name: plan[name] for name in plan if name == status_topic(agency)})
        heart = HeartbeatSender(load_config(tmp_path / "c.toml"), log, behind)
        heart.beat(StepStatus(at=behind.now(), state=RUNNING))
        (heard,) = Hearing(log, [agency]).heard(datetime.now(UTC)).values()
    finally:
        log.close()
    assert 3600 <= heard.skew < 3600 + PATIENT
    assert heard.state(datetime.now(UTC)) == "running"
