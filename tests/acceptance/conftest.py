"""Broker and database of the acceptance tests, and one story that several of them look at."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy.engine import make_url

from hub.dev.demo import DAYS, Demo
from hub.dev.servers import LocalKafka, LocalPostgres
from tests.support.kafka_world import KafkaWorld, kafka_world

FAMILIES, SEED = 20, 1
CANARY = "Kanarienvogel-7Q4ZX"


@pytest.fixture(scope="session")
def broker() -> Iterator[LocalKafka]:
    """A broker of our own, whose topics may be deleted."""
    with LocalKafka.start() as started:
        yield started


@pytest.fixture(scope="session")
def server() -> Iterator[LocalPostgres]:
    """A PostgreSQL of our own that remembers when each transaction was committed."""
    with LocalPostgres.start() as started:
        plain = make_url(started.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        started.restart()
        yield started


@dataclass(frozen=True, slots=True)
class Told:
    """One story, lived by both hosts; both have come to rest, and no worker or sink runs any more."""

    embedded: Demo
    kafka: KafkaWorld
    broker: LocalKafka
    server: LocalPostgres


@pytest.fixture(scope="session")
def told(
    broker: LocalKafka, server: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """Twenty families, five days, a canary in everything that a person typed."""
    folder = tmp_path_factory.mktemp("story")
    demo = Demo(folder / "embedded", FAMILIES, SEED, canary=CANARY)
    demo.run(lambda _: None)
    (folder / "kafka").mkdir()
    with kafka_world(
        broker.bootstrap,
        server.url,
        folder / "kafka",
        demo._master,
        families=FAMILIES,
        seed=SEED,
        canary=CANARY,
    ) as world:
        world.start_workers()
        world.start_sinks()
        world.live(DAYS)
        world.rig.stop()
        yield Told(demo, world, broker, server)
    demo.close()
