"""The checks as pytest runs them, one test each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.kit.checks import Case
from connectors.kit.checks.sinks import SinkCase
from connectors.kit.plugin import FIGURES, candidate_of, checks_of
from connectors.kit.sink_bench import SinkCandidate

MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own in it: no disk has to be waited for after every write


@pytest.fixture
def room() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    checks = checks_of(candidate_of(metafunc.config))
    metafunc.parametrize("check", checks, ids=lambda check: check.__name__)


def test_connector(check: Callable[[Any], str], pytestconfig: pytest.Config, room: Path) -> None:
    candidate = candidate_of(pytestconfig)
    if isinstance(candidate, SinkCandidate):
        figure = check(SinkCase(candidate, room))
    else:
        figure = check(Case(candidate, room, pytestconfig.getoption("--hub-rows")))
    pytestconfig.stash[FIGURES][check.__name__] = figure
