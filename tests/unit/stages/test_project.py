"""Stage project: one guarded row a record, whatever order its versions come in."""

from datetime import date

import pytest

from hub.domain.clock import micros
from hub.parts import CASES
from hub.ports import Outgoing
from hub.sealed.decode import encode_envelope
from hub.stages.project import project
from tests.support.world import JC, MOTHER, NOW, World
from tests.unit.stages.conftest import Taken

FIRST = micros(NOW)  # the publisher counts versions from the record's own time


def _admitted(world: World, *versions: tuple[int, int]) -> None:
    """Versions of one record, as admission appends them; both are counted from the same start."""
    for version, publication in versions:
        envelope = world.jc.draft(
            "MeasureStarted",
            MOTHER,
            {"norm": "16d", "provider": "Träger", "status": "running"},
            consents=["c1"],
            version=version,
            publication=publication,
        )
        world.parts.log.append(CASES, [Outgoing(b"case", encode_envelope(envelope))])


def test_a_row_is_sealed_and_its_case_is_marked(world: World, take: Taken) -> None:
    world.jc.born(MOTHER, date(1990, 1, 1))
    _admitted(world, (0, 1))
    outcome = take(project, CASES)
    assert (outcome.applied, outcome.quarantined, outcome.parked, outcome.skipped) == (1, 0, 0, 0)
    assert outcome.types == {(JC, "MeasureStarted"): 1}
    (row,) = world.rows("case_row")
    assert "Träger".encode() not in row["envelope"]
    assert len(world.rows("dirty")) == 1


@pytest.mark.parametrize(
    "order", [[(0, 1), (1, 1), (1, 2)], [(1, 2), (1, 1), (0, 1)], [(1, 1), (1, 2), (0, 1)]]
)
@pytest.mark.parametrize("together", [True, False])
def test_the_highest_version_and_publication_stands(
    world: World, take: Taken, order: list[tuple[int, int]], together: bool
) -> None:
    for versions in [order] if together else [[one] for one in order]:
        _admitted(world, *versions)
        take(project, CASES)
    (row,) = world.rows("case_row")
    assert (row["source_version"] - FIRST, row["publication"]) == (1, 2)


def test_a_redelivered_batch_marks_nothing(world: World, take: Taken) -> None:
    _admitted(world, (0, 1))
    take(project, CASES)
    before = world.rows("dirty")
    outcome = take(project, CASES)
    assert (outcome.applied, outcome.skipped) == (0, 1)
    assert world.rows("dirty") == before
