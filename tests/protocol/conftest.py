"""A world on each database that the hub runs on."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.world import World


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a world keeps its files: in memory, for a test waits for no disk."""
    memory = Path("/dev/shm")  # noqa: S108
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, folder: Path) -> Iterator[World]:
    """A fresh hub with two agencies, on SQLite and on PostgreSQL."""
    url = request.getfixturevalue("store_url") if request.param == "postgres" else ""
    made = World.at(folder, url)
    yield made
    made.close()


@pytest.fixture
def small(folder: Path) -> Iterator[World]:
    """A fresh hub on SQLite, for rules that do not touch the store."""
    made = World.at(folder)
    yield made
    made.close()
