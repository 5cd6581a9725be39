"""Fixtures that every test may ask for. A real server is started by the first test that needs it, once per run.

The servers are imported where they are asked for: a pure test starts in a second and needs neither.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from hub.dev.servers import LocalKafka, LocalMariaDB

# Two shared cores: a slow example is not a wrong one. In CI the examples are the same ones every time.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

SPREAD = ("docs", "faults", "integration/connectors")
"""Folders (below this one) whose tests are long and share little."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What two processes share out between them (`pytest -n 2 --dist loadgroup`): file by file, so that the servers of
    a file are started once; in the folders of SPREAD test by test. Those that look at one story stay together."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue  # the compliance kit brings its own
        file = item.path.relative_to(Path(__file__).parent)
        if "told" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("told"))
        elif not file.as_posix().startswith(SPREAD):
            item.add_marker(pytest.mark.xdist_group(file.as_posix()))


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """A verb that a test calls in this process sends the logs to that test's stream; the next test has another."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture(autouse=True)
def language_of_its_own() -> Iterator[None]:
    """A verb that a test calls in this process sets the language of the messages; the next test begins in German."""
    yield
    language = sys.modules.get("hub.cli.language")
    if language is not None:
        language.speak("de")


@pytest.fixture(autouse=True)
def no_loop_left_behind(request: pytest.FixtureRequest) -> None:
    """A browser's driver keeps an event loop running, in which no later test of this process could call `asyncio.run`:
    its fixture ends with the module."""
    assert "browser" in request.fixturenames or asyncio._get_running_loop() is None


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a real broker, shared: use `topic_prefix`. To kill one, start `LocalKafka` yourself."""
    from hub.dev.servers import kafka_or_existing

    with kafka_or_existing() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def hub_kafka() -> Iterator["LocalKafka"]:
    """A broker for whole hubs, shared: each test makes the topics of its hub afresh (`tests.support.workers.rig`)."""
    from hub.dev.servers import LocalKafka

    with LocalKafka.start() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL server, shared: use `database_url`. To kill one, start `LocalPostgres` yourself."""
    from hub.dev.servers import postgres_or_existing

    with postgres_or_existing(durable=False) as url:
        yield url


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database of this test's own."""
    from hub.dev.servers import create_database, drop_database

    name = f"test_{uuid4().hex[:12]}"
    yield create_database(postgres, name)
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def mariadb() -> "Iterator[LocalMariaDB]":
    """A real MariaDB server, shared: every test makes a database of its own. To kill one, start one yourself."""
    from hub.dev.servers import LocalMariaDB

    with LocalMariaDB.start() as server:
        yield server


@pytest.fixture
def mariadb_database(mariadb: "LocalMariaDB") -> Iterator[str]:
    """The name of a fresh, empty MariaDB database of this test's own: `mariadb.url(name)`."""
    name = mariadb.create_database()
    yield name
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def store_template(postgres: str) -> Iterator[str]:
    """The name of a database with the tables of an empty store: to copy it takes a tenth of the migrations' time."""
    from hub import read_models
    from hub.dev.servers import create_database, drop_database
    from hub.store import Store

    name = f"template_{uuid4().hex[:12]}"
    store = Store(create_database(postgres, name))
    store.create(read_models.tables())
    store.close()
    yield name
    drop_database(postgres, name)


@pytest.fixture
def store_url(postgres: str, store_template: str) -> Iterator[str]:
    """An empty store of this test's own on PostgreSQL, its tables made."""
    from hub.dev.servers import create_database, drop_database

    name = f"test_{uuid4().hex[:12]}"
    yield create_database(postgres, name, template=store_template)
    drop_database(postgres, name)


@pytest.fixture
def topic_prefix() -> str:
    """Begins the names of this test's topics, so that tests share a broker without meeting."""
    return f"t{uuid4().hex[:10]}."
