"""JSON over HTTP: a list that cannot be read waits with a reason, as it was read last; the other lists go on."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from connectors.contract import Incident, Row
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.rest import house
from tests.integration.connectors.rest.house import PEOPLE, Build, House, person

MORE = "/v1/weitere"
Answer = tuple[int, dict[str, str], bytes]
REFUSED: Answer = (404, {}, b"")
BROKEN: Answer = (200, {}, b'{"daten": 1}')


@pytest.fixture
def both(built: Build, interface: Interface, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    more = house.STREAM.replace("people", "more").replace(PEOPLE, MORE)
    monkeypatch.setattr(house, "STREAM", house.STREAM + more)
    interface.lists[MORE] = [person(n) for n in (7, 8)]
    made = built()
    with closing(made.source):
        yield made


def step(made: House) -> tuple[list[str], list[Incident]]:
    """One step over both streams."""
    incidents = list(made.source.refresh(made.now))
    rows: list[Row] = []
    for batch in made.source.read(["people", "more"], 2):
        rows += batch.rows
        with made.state.transaction():
            made.state.advance(batch.stream, batch.rows, batch.cursor, set())
    made.source.finished()
    return [f"{row.stream} {'gone' if row.gone else row.key}" for row in rows], incidents


@pytest.mark.parametrize("answer", [REFUSED, BROKEN], ids=["refused", "broken"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_list_that_cannot_be_read_holds_no_other_up(
    both: House, interface: Interface, answer: Answer, *, restarted: bool
) -> None:
    interface.special = [lambda: answer]
    rows, (incident,) = step(both)
    assert (rows, incident.stream, bool(incident.remedy)) == (["more 7", "more 8"], "people", True)
    if restarted:
        both.restart()
    assert step(both) == ([f"people {n}" for n in range(1, 6)], [])
    interface.special = [lambda: answer]
    interface.lists[MORE].append(person(9))
    rows, incidents = step(both)
    assert (rows, [one.stream for one in incidents]) == (["more 9"], ["people"])
    assert len(list(both.source.subjects({"1", "9"}))) == 2
    if restarted:
        both.restart()
    interface.lists[PEOPLE] = interface.lists[PEOPLE][1:]
    assert step(both) == (["people gone"], [])
    assert step(both) == ([], [])
