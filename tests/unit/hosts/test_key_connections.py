"""Who may hold how many connections to the key service: each bound alone."""

from collections.abc import Iterator
from itertools import count
from socket import socket
from typing import Literal

import pytest

from hub.adapters.keys.tls import Peer
from hub.hosts.keys.connections import Connection, ConnectionLimits, Connections, Phase

AGENCIES = ("a", "b", "c")
LIMITS = ConnectionLimits(handshakes=3, handshakes_per_address=2, per_agency=2, agencies=3, hub=2)


@pytest.fixture
def connections() -> Connections:
    ticks = count()
    return Connections(LIMITS, monotonic=lambda: float(next(ticks)))


_PLUGGED: list[socket] = []


def plug() -> socket:
    _PLUGGED.append(socket())
    return _PLUGGED[-1]


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    yield
    while _PLUGGED:
        _PLUGGED.pop().close()


Role = Literal["hub", "connector"]


def _known(connections: Connections, role: Role, name: str, number: int, phase: Phase) -> list[Connection]:
    made = []
    for each in range(number):
        one = connections.arrived(plug(), f"{role} {name} {each}")
        connections.known(one, Peer(role, name), AGENCIES)
        connections.enter(one, phase)
        made.append(one)
    return made


def test_of_too_many_handshakes_the_oldest_of_the_crowd_makes_room(connections: Connections) -> None:
    made = [connections.arrived(plug(), address) for address in ("x", "y", "y", "z")]
    assert [one.ended for one in made] == [False, True, False, False]


def test_of_too_many_handshakes_of_an_address_its_oldest_makes_room(connections: Connections) -> None:
    made = [connections.arrived(plug(), "x") for _ in range(3)]
    assert [one.ended for one in made] == [True, False, False]


@pytest.mark.parametrize("role", ["hub", "connector"])
def test_an_idle_connection_makes_room_for_its_owners_next_one(connections: Connections, role: Role) -> None:
    made = _known(connections, role, "a", 3, Phase.IDLE)
    assert [(one.ended, one.refused) for one in made] == [(True, False), (False, False), (False, False)]


@pytest.mark.parametrize("role", ["hub", "connector"])
def test_where_all_of_an_owner_work_the_next_one_is_refused(connections: Connections, role: Role) -> None:
    made = _known(connections, role, "a", 3, Phase.WORKING)
    assert [(one.ended, one.refused) for one in made] == [(False, False), (False, False), (False, True)]


@pytest.mark.parametrize(("phase", "ended", "refused"), [(Phase.IDLE, 1, 0), (Phase.WORKING, 0, 1)])
def test_agencies_together_have_a_bound_and_the_hub_stands_beside_it(
    connections: Connections, phase: Phase, ended: int, refused: int
) -> None:
    made = [one for name in ("a", "b") for one in _known(connections, "connector", name, 2, phase)]
    assert (sum(one.ended for one in made), sum(one.refused for one in made)) == (ended, refused)
    assert not any(one.refused for one in _known(connections, "hub", "hub", 2, phase))
