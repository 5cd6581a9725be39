"""Work that is no record: what fails alone is quarantined by name, tried again later, and leaves when it went well."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hub.isolation import AGAIN_AFTER, isolated
from hub.store import quarantines
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    yield made
    made.close()


def _aside(world: World) -> list[tuple[str, str]]:
    with world.parts.store.transaction() as connection:
        return [(one.item, one.reason) for one in quarantines.items(connection, "s")]


def test_one_fails_alone_waits_and_goes_on(world: World) -> None:
    bad, taken = {"c"}, list[str]()

    def work(names: Sequence[str]) -> int:
        if bad & set(names):
            raise ValueError("Erika")
        taken.extend(names)
        return len(names)

    def go() -> int:
        taken.clear()
        return sum(isolated(world.parts, "s", list("abcde"), work, lambda name: name, lambda _: number))

    number = 1
    assert go() == 4
    assert (taken, _aside(world)) == (list("abde"), [("c", "failed_ValueError")])
    bad.clear()
    assert go() == 4  # it is not due yet
    number = 2  # somebody marked it anew
    assert go() == 5
    assert _aside(world) == []
    bad.add("e")
    go()
    bad.clear()
    world.wait(seconds=AGAIN_AFTER)
    assert (go(), _aside(world)) == (5, [])
