"""One simulated run of six days, shared by the tests of this folder."""

import pytest

from tests.unit.simulate.running import Run, simulate


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulate(tmp_path_factory.mktemp("seestadt"), 6)
