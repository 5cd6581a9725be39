"""A file that changes under the reader: its own stream waits with a reason, everything else goes on."""

from collections.abc import Callable

import pytest

from connectors.contract import Incident, NothingKept, Row
from tests.integration.connectors.file_drop.house import NOW, PEOPLE, STREAM, Build, House

MORE = STREAM.replace("people", "more").replace("personen", "weitere")
DATED = "complete = \"rename\"\nas_of = '_(\\d{8})'\n"
TOGETHER = DATED + "together = true\n"
BOTH = ["people", "more"]


def read(house: House, between: Callable[[], object] = lambda: None) -> tuple[list[str], list[Incident]]:
    """One step: the rows that arrive, as stream and key, and what is told. `between`: examining and reading."""
    incidents = list(house.source.refresh(NOW))
    between()
    rows: list[Row] = []
    for batch in house.source.read(BOTH, 1):
        rows += batch.rows
        with house.state.transaction():
            house.state.advance(batch.stream, batch.rows, batch.cursor, set())
    house.source.finished()
    return [f"{row.stream} {row.key}{' gone' if row.gone else ''}" for row in rows], incidents


def written(house: House, text: str) -> Callable[[], object]:
    """Somebody writes into the first file while it is being read."""

    def write() -> object:
        (file,) = (house.drop / "processing").glob("personen_*")
        return file.write_text(text, encoding="cp1252")

    return write


CHANGES = {
    "other row": PEOPLE.replace("1990", "1991"),
    "first row": PEOPLE.replace("2015", "2016"),
    "shorter": PEOPLE.replace("2;Öz;01.02.1990;A1\n", ""),
    "cut": PEOPLE[:-5],
    "other columns": PEOPLE.replace("geboren", "geb"),
}


@pytest.mark.parametrize("how", CHANGES)
def test_its_own_stream_waits_and_the_others_go_on(built: Build, how: str) -> None:
    house = built(TOGETHER, STREAM + MORE)
    house.put("personen_20261119.csv", PEOPLE)
    house.put("weitere_20261119.csv", PEOPLE)
    rows, incidents = read(house, written(house, CHANGES[how]))
    assert incidents == []
    assert [one for one in rows if one.startswith("more")] == ["more 1", "more 2"]
    assert house.files("done") == []
    with pytest.raises(NothingKept):
        list(house.source.subjects({"1"}))
    (house.drop / "processing" / "personen_20261119.csv").write_text(PEOPLE, encoding="cp1252")
    before = [one for one in rows if one.startswith("people")]
    rows, (incident,) = read(house)
    assert (incident.stream, bool(incident.remedy)) == ("people", True)
    assert [*before, *rows] == ["people 1", "people 2"]
    assert read(house) == ([], [])
    assert len(house.files("done")) == 2
    assert len(list(house.source.subjects({"1"}))) == 2


def test_what_the_file_says_then_is_examined_before_it_is_read(built: Build) -> None:
    house = built(TOGETHER, STREAM + MORE)
    house.put("personen_20261119.csv", PEOPLE)
    house.put("weitere_20261119.csv", PEOPLE)
    read(house, written(house, CHANGES["other columns"]))
    rows, incidents = read(house)
    assert (rows, [one.reason for one in incidents]) == ([], ["header_drift", "header_drift"])
    house.put("personen_20261120.csv", PEOPLE)
    house.put("weitere_20261120.csv", PEOPLE)
    rows, incidents = read(house)
    assert rows == ["people 1", "people 2"]


def test_what_was_read_before_is_said_of_nobody_while_newer_rows_are_published(
    built: Build,
) -> None:
    """A new process knows that a delivery was begun: the file before it says less than was published."""
    house = built(DATED)
    house.put("personen_20261119.csv", PEOPLE)
    read(house)
    house.put("personen_20261120.csv", PEOPLE.replace("07.06.2015", "08.06.2015").replace("1990", "1991"))
    list(house.source.refresh(NOW))
    batch = next(iter(house.source.read(["people"], 1)))
    with house.state.transaction():
        house.state.advance(batch.stream, batch.rows, batch.cursor, set())
    (house.drop / "processing" / "personen_20261120.csv").unlink()
    house.restart()
    assert read(house)[0] == []
    with pytest.raises(NothingKept):
        list(house.source.subjects({"1"}))
    house.put("personen_20261121.csv", PEOPLE.replace("1990", "1992"))
    assert read(house)[0] == ["people 1", "people 2"]
    assert len(list(house.source.subjects({"1"}))) == 1


def test_a_file_that_changes_while_the_gate_learns_holds_reading_up(built: Build) -> None:
    house = built(TOGETHER, STREAM + MORE)
    house.put("personen_20261119.csv", PEOPLE)
    house.put("weitere_20261119.csv", PEOPLE)

    def learn() -> None:
        written(house, CHANGES["other columns"])()
        control = house.source.control(BOTH)
        assert (list(control.rows), control.complete) == ([], False)

    assert read(house, learn) == ([], [])
    written(house, PEOPLE)()
    rows, incidents = read(house, lambda: list(house.source.control(BOTH).rows))
    assert (len(rows), [one.stream for one in incidents]) == (4, ["people"])
