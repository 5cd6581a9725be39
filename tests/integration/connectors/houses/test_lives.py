"""Every house, connected by its configuration alone: a second run sends nothing, the same export again sends nothing,
and a life cut at any step and gone on with sends what an uncut one sends.

`HUB_CUT_STEPS=all` cuts at every step; else at the first and last of each kind.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.connectors.houses import exports
from tests.integration.connectors.houses.life import NOW, Life, cut, steps_of
from tests.integration.connectors.interface import Interface

NAMES = ("pipes", "tree", "tables", "dump", "acts", "registry", "vendor")
EVERY = os.environ.get("HUB_CUT_STEPS") == "all"
Make = Callable[[str], Life]


@pytest.fixture(params=NAMES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes the house in a folder of this name, everybody having consented."""
    prepared, made = tmp_path / "prepared", list[Life]()
    prepared.mkdir()

    def build(name: str) -> Life:
        shutil.copytree(prepared, tmp_path / name)
        made.append(Life(tmp_path / name))
        return made[-1]

    with closing(Interface()) as interface:
        match request.param:
            case "registry":
                url = request.getfixturevalue("database_url")
                exports.registry(url)
                exports.configure(prepared, "registry", url)
            case "vendor":
                exports.vendor(prepared, interface)
            case "dump" | "acts" as name:
                getattr(exports, name)(prepared)
            case name:
                exports.planned(name, prepared)
        exports.date_files(prepared)
        with closing(Life(prepared)) as life:
            life.consent()
        yield build
        for life in made:
            life.close()


def test_a_second_run_sends_nothing(make: Make, tmp_path: Path) -> None:
    life = make("house")
    life.run(NOW)
    facts, waiting = life.facts(), life.waiting()
    assert len(facts) == life.count() > 0
    for days in (0, 1, 2):
        if days == 2:
            exports.deliver_again(tmp_path / "prepared", life.folder)
        reports = life.run(NOW + timedelta(days=days, minutes=20))
        assert sum(report.published for report in reports) == 0
    assert (life.facts(), life.count(), life.waiting()) == (facts, len(facts), waiting)


def test_a_life_cut_at_any_step_sends_the_same(make: Make) -> None:
    whole = make("whole")
    steps = steps_of(whole, NOW)
    expected = whole.facts(), whole.waiting()
    for number in chosen(steps):
        life = make(str(number))
        cut(life, number, NOW)
        life.run(NOW)
        said = f"cut at step {number} of {len(steps)}, {steps[number - 1]}"
        assert (life.facts(), life.waiting()) == expected, said
        shutil.rmtree(life.folder)


def chosen(steps: Sequence[str]) -> list[int]:
    """Numbers of steps, from 1 on."""
    numbers = list(enumerate(steps, 1))
    first = {name: number for number, name in reversed(numbers)}
    last = {name: number for number, name in numbers}
    return [number for number, _ in numbers if EVERY or number in {*first.values(), *last.values()}]
