"""The server and the houses that ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sources.rest import client
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.rest.house import PEOPLE, Build, House, person


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interface]:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.0)
    made = Interface()
    made.lists[PEOPLE] = [person(n) for n in range(1, 6)]
    yield made
    made.close()


@pytest.fixture
def built(tmp_path: Path, interface: Interface) -> Iterator[Build]:
    """Builds a house and closes its state at the end."""
    houses: list[House] = []

    def build(settings: str = "", more: str = "", name: str = "house") -> House:
        (tmp_path / name).mkdir()
        houses.append(House(tmp_path / name, interface, settings, more))
        return houses[-1]

    yield build
    for house in houses:
        house.source.close()
        house.state.close()
