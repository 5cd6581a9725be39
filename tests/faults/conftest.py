"""A hub for one test, on servers that others used before."""

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.dev.servers import LocalKafka
from tests.support.workers import Rig, rig


@pytest.fixture
def hub_rig(hub_kafka: LocalKafka, postgres: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(hub_kafka.bootstrap, postgres, tmp_path) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kafka-python leaves the sockets that a killed broker refused to the garbage collector, which warns of each in
    whatever test it happens to run."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


def pytest_unconfigure() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
