"""The checks as pytest runs them, one test each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from connectors.kit.checks import CHECKS, Case
from connectors.kit.plugin import FIGURES, candidate_of

MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own in it: no disk has to be waited for after every write


@pytest.fixture
def room() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_connector(check: Callable[[Case], str], pytestconfig: pytest.Config, room: Path) -> None:
    case = Case(candidate_of(pytestconfig), room, pytestconfig.getoption("--hub-rows"))
    pytestconfig.stash[FIGURES][check.__name__] = check(case)
