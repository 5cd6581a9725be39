"""A broker for all fault tests, whose topics each test makes afresh."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.hosts.local import LocalKafka
from tests.support.workers import Rig, rig


@pytest.fixture(scope="session")
def faults_kafka() -> Iterator[LocalKafka]:
    with LocalKafka.start() as broker:
        yield broker


@pytest.fixture
def hub_rig(faults_kafka: LocalKafka, postgres: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(faults_kafka.bootstrap, postgres, tmp_path) as made:
        yield made
