"""A hub in one process on SQLite, and the records of a topic as its stages get them: no server, no thread."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World

Taken = Callable[[Callable[..., Any], str], Any]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    yield made
    made.close()


@pytest.fixture
def take(world: World) -> Taken:
    """Calls one stage with every record of a topic, and returns its outcome."""

    def call(stage: Callable[..., Any], topic: str) -> Any:
        return stage(world.parts, world.parts.log.state([topic])[topic].topic_id, world.records(topic))

    return call
