"""After a restore a worker says so instead of guessing (protocol rule 13), each case with an exit code of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from sqlalchemy.engine import make_url

from hub.dev.servers import LocalKafka, create_database, drop_database
from tests.support.stories import Families
from tests.support.workers import Rig, rig

GAP, OLDER_STORE, OLDER_LOG, RECREATED = 81, 82, 83, 84


def worked_once(made: Rig) -> Families:
    """A hub that has read something and was stopped in order."""
    families = Families(made, 4)
    families.meet()
    families.go_on()
    one_life(made)
    return families


def one_life(made: Rig) -> None:
    worker = made.start("all")
    made.until_quiet()
    worker.process.terminate()
    assert worker.ended() == 0


def admin(made: Rig) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=made.env["HUB_KAFKA_BOOTSTRAP"])


def test_an_older_store(hub_rig: Rig, postgres: str) -> None:
    families = worked_once(hub_rig)
    hub_rig.parts.store.close()
    url = hub_rig.env["HUB_DATABASE_URL"]
    older = create_database(postgres, f"{make_url(url).database}_old", template=str(make_url(url).database))
    families.go_on()
    one_life(hub_rig)
    try:
        assert hub_rig.start("all", HUB_DATABASE_URL=older).ended() == OLDER_STORE
    finally:
        drop_database(postgres, str(make_url(older).database))


def test_a_topic_made_anew(hub_rig: Rig) -> None:
    worked_once(hub_rig)
    broker = admin(hub_rig)
    broker.delete_topics(["hub.cases"])
    hub_rig.until(lambda: "hub.cases" not in broker.list_topics(), "the topic's end")
    broker.close()
    worker = hub_rig.start("all")
    assert worker.ended() == RECREATED
    assert worker.said("worker.left")[0]["said"].startswith("hub.cases/")


def test_a_gap_before_what_was_read(hub_rig: Rig) -> None:
    families = worked_once(hub_rig)
    families.go_on(3)
    broker = admin(hub_rig)
    topic = f"agency.{families.jobcenter.agency}.events"
    ends = hub_rig.parts.log.state([topic])[topic].end
    broker.delete_records({TopicPartition(topic, partition): end for partition, end in ends.items() if end})
    broker.close()
    assert hub_rig.start("cases").ended() == GAP


@pytest.fixture
def log_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalKafka, Path]]:
    data = tmp_path_factory.mktemp("log") / "broker"
    broker = LocalKafka.start(data)
    yield broker, data
    broker.kill()


def test_an_older_log(log_on_disk: tuple[LocalKafka, Path], postgres: str, tmp_path: Path) -> None:
    broker, data = log_on_disk
    with rig(broker.bootstrap, postgres, tmp_path) as made:
        families = worked_once(made)
        broker.kill()
        copy = data.with_name("copy")
        shutil.copytree(data, copy)
        broker.restart()
        families.go_on(2)
        one_life(made)
        broker.kill()
        shutil.rmtree(data)
        copy.rename(data)
        broker.restart()
        assert made.start("all").ended() == OLDER_LOG
