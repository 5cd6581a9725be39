"""Houses with an inbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.connectors.file_drop.house import STREAM, Build, House


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Build]:
    """Builds a house and closes its state at the end."""
    houses: list[House] = []

    def build(settings: str, stream: str = STREAM) -> House:
        houses.append(House(tmp_path, settings, stream))
        return houses[-1]

    yield build
    for house in houses:
        house.state.close()
