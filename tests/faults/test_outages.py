"""What a worker does while something it needs is away: it waits, says so, and goes on (faults 1, 12, 28, 41)."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from hub.dev.servers import LocalKafka, LocalPostgres
from hub.dev.servers.process import free_port
from hub.store import tables
from tests.support.oracle import assert_each_once
from tests.support.stories import Families
from tests.support.workers import Rig, Running, report, rig


def test_without_a_broker_it_waits_and_does_not_end(tmp_path: Path, hub_rig: Rig) -> None:
    env = hub_rig.env | {"HUB_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
    worker = Running.start(["--role", "cases"], env, tmp_path)
    hub_rig.workers.append(worker)
    hub_rig.until(lambda: bool(worker.said("worker.waiting")), "word that it waits")
    assert worker.said("worker.waiting")[0]["what"] == "not ready"
    assert worker.process.poll() is None
    worker.send(signal.SIGTERM)
    assert worker.ended(45) == 0


def test_closed_until_consents_are_read(hub_rig: Rig) -> None:
    """Nothing is admitted or disclosed while nobody reads consents (rule 14)."""
    families = Families(hub_rig, 5)
    families.meet()
    families.go_on()
    cases = hub_rig.start("cases")
    disclose = hub_rig.start("disclose")
    hub_rig.until(
        lambda: bool(cases.said("worker.closed") and disclose.said("worker.closed")), "closed doors"
    )
    time.sleep(0.5)
    assert hub_rig.count(tables.decision) == hub_rig.count(tables.disclosure) == 0
    hub_rig.start("consents")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    hub_rig.until_quiet()
    assert_each_once(hub_rig, families.told)
    assert hub_rig.count(tables.disclosure) > 0


@pytest.fixture
def keys_server() -> Iterator[LocalPostgres]:
    with LocalPostgres.start() as server:
        yield server


def test_without_keys_it_freezes_and_skips_nothing(
    hub_kafka: LocalKafka, postgres: str, keys_server: LocalPostgres, tmp_path: Path
) -> None:
    keys = keys_server.create_database("keys")
    with rig(hub_kafka.bootstrap, postgres, tmp_path, HUB_KEY_DATABASE_URL=keys) as made:
        families = Families(made, 5)
        families.meet()
        families.go_on()
        worker = made.start("all", HUB_PATIENCE="120")
        made.until(lambda: bool(worker.said("worker.started")), "the start")
        made.until_quiet()
        newcomers = Families(made, 9)
        newcomers.names = newcomers.names[5:]
        newcomers.meet()
        newcomers.go_on()
        keys_server.kill()
        frozen = made.versions()
        made.until(lambda: bool(worker.said("worker.waiting")), "word that it waits")
        assert made.versions() == frozen
        keys_server.restart()
        told = families.told | newcomers.told
        made.until(lambda: set(made.versions()) == told, "every record")
        assert_each_once(made, told)


def test_the_store_goes_away_for_a_while(hub_kafka: LocalKafka, tmp_path: Path) -> None:
    with LocalPostgres.start() as server, rig(hub_kafka.bootstrap, server.url, tmp_path) as made:
        families = Families(made, 10)
        families.meet()
        families.go_on()
        worker = made.start("all")
        made.until_quiet()
        server.kill()
        families_told = set(families.told)
        made.until(lambda: bool(worker.said("worker.waiting")), "word that it waits")
        server.restart()
        families.go_on()
        assert len(families.told) == 2 * len(families_told)
        made.until(lambda: set(made.versions()) == families.told, "every record")
        assert_each_once(made, families.told)
        assert worker.process.poll() is None


def test_a_broker_killed_under_way_comes_back(postgres: str, tmp_path: Path) -> None:
    with LocalKafka.start() as broker, rig(broker.bootstrap, postgres, tmp_path) as made:
        families = Families(made, 10)
        families.meet()
        families.go_on()
        made.start("all", supervised=True)
        made.until_quiet()
        broker.kill()
        time.sleep(1)
        broker.restart()
        families.go_on()
        made.until(lambda: set(made.versions()) == families.told, "what was said after the kill")
        assert_each_once(made, families.told)


def test_told_to_stop_it_ends_in_time_and_loses_nothing(hub_rig: Rig) -> None:
    families = Families(hub_rig, 20)
    families.meet()
    families.go_on(30)
    first = hub_rig.start("all", HUB_CHUNK="5")
    hub_rig.until(lambda: len(hub_rig.versions()) > 20, "something done")
    first.send(signal.SIGTERM)
    assert first.ended(45) == 0
    assert members(hub_rig) == 0, "it has left its group, so that nobody waits for it"
    done = len(hub_rig.versions())
    hub_rig.start("all")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "the rest")
    assert_each_once(hub_rig, families.told)
    report(f"stopped after {done} of {len(families.told)} records")


def members(rig: Rig) -> int:
    admin = KafkaAdminClient(bootstrap_servers=rig.env["HUB_KAFKA_BOOTSTRAP"])
    try:
        group = f"{rig.env['HUB_GROUP']}.all"
        return len(admin.describe_groups([group])[group]["members"])
    finally:
        admin.close()


def test_misconfigured_it_is_not_started_again(hub_rig: Rig) -> None:
    assert hub_rig.start("all", supervised=True, HUB_KEK="short").ended() == 78


def test_a_supervisor_starts_again_what_died(hub_rig: Rig) -> None:
    families = Families(hub_rig, 10)
    families.meet()
    families.go_on(2)
    worker = hub_rig.start("all", supervised=True, fail="project.in_transaction:4", HUB_CHUNK="2")
    hub_rig.until(lambda: len(worker.said("worker.started_again")) > 1, "a second start")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "every record")
    assert_each_once(hub_rig, families.told)
    worker.send(signal.SIGTERM)
    worker.ended(45)
