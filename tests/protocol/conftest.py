"""A world on each database that the hub runs on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A fresh hub with two agencies, on SQLite and on PostgreSQL."""
    url = request.getfixturevalue("database_url") if request.param == "postgres" else ""
    made = World.at(tmp_path, url)
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A fresh hub on SQLite, for rules that do not touch the store."""
    made = World.at(tmp_path)
    yield made
    made.close()
