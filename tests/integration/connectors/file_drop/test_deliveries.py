"""Files in an inbox: when one is whole, what is new in it, and where it goes, crashes included."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors.contract import NothingKept, Row
from connectors.pipeline.gate.judge import Judged
from connectors.sources import drop
from connectors.sources.files.reader import CsvReader
from connectors.sources.files.rooms import Rooms
from connectors.tools.dry_run.offline import offline
from hub.errors import Refused
from tests.integration.connectors.file_drop.house import KEY, NOW, PEOPLE, STREAM, TRAILER, Build, keys


def test_a_file_is_read_when_its_name_says_that_it_is_finished(built: Build) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv.part", PEOPLE)
    assert house.step() == ([], [])
    (house.drop / "inbox" / "personen.csv.part").rename(house.drop / "inbox" / "personen.csv")
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])
    assert house.files("inbox") == house.files("processing") == []
    assert [name.split("-", 1)[1] for name in house.files("done")] == ["personen.csv"]
    assert (house.drop / "done" / house.files("done")[0]).read_bytes() == PEOPLE.encode("cp1252")


def test_a_trailer_tells_the_end_and_the_number_of_rows(built: Build) -> None:
    house = built(TRAILER)
    house.put("personen.csv", PEOPLE + "ENDE;2\n")
    assert keys(house.step()[0]) == ["1", "2"]
    house.put("personen2.csv", PEOPLE + "ENDE;3\n")
    rows, incidents = house.step()
    assert not rows
    assert [one.reason for one in incidents] == ["truncated"]
    assert house.files("quarantine") == ["personen2.csv", "personen2.csv.why.json"]


def test_a_manifest_names_the_day_and_everything_else_waits_for_it(built: Build) -> None:
    house = built('complete = "manifest"\n')
    house.put("personen.csv", PEOPLE)
    assert house.step() == ([], [])
    house.manifest("2026-11-19", "personen.csv")
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])
    assert {datetime.fromtimestamp(row.version / 1e6, UTC).date().isoformat() for row in rows} == {
        "2026-11-18"
    }
    assert house.files("processing") == []


def test_only_what_changed_is_passed_on_and_what_vanished_is_told(built: Build) -> None:
    house = built('complete = "rename"\nvanish_limit = 0.9\n')
    house.put("personen_1.csv", PEOPLE)
    house.step()
    house.put("personen_2.csv", PEOPLE.replace("1990", "1991").replace("1;Ährenfeld;07.06.2015;A1\n", ""))
    rows, _ = house.step()
    assert keys(rows) == ["2"]
    assert sum(row.gone for row in rows) == 1


@pytest.mark.parametrize("name", ["personen.csv", "personen_neu.csv"])
def test_the_same_file_again_is_nothing_new_under_whatever_name(built: Build, name: str) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", PEOPLE)
    house.step()
    house.put(name, PEOPLE)
    assert house.step() == ([], [])
    assert house.files("inbox") == house.files("processing") == []


def test_files_that_hold_changes_add_up(built: Build) -> None:
    changing = STREAM.replace(
        'key = "nr"', 'key = "nr"\nchanges = true\ngone = { column = "akte", in = ["-"] }'
    )
    house = built('complete = "rename"\n', changing)
    house.put("personen_1.csv", PEOPLE)
    house.step()
    house.put("personen_2.csv", "nr;name;geboren;akte\n2;Özil;01.02.1990;A2\n3;Neu;01.01.2000;A2\n")
    assert keys(house.step()[0]) == ["2", "3"]
    house.put("personen_3.csv", "nr;name;geboren;akte\n1;Ährenfeld;07.06.2015;-\n")
    rows, _ = house.step()
    assert [(row.key, row.gone) for row in rows] == [("1", True)]
    standing = {row.key: row.values["akte"] for row in house.source.subjects(["1", "2", "3"])}
    assert standing == {"1": "-", "2": "A2", "3": "A2"}
    again = house.source.rows_after("people", None, 2)
    last = house.source.rows_after("people", again.cursor, 2)
    assert {row.key: row.values["akte"] for page in (again, last) for row in page.rows} == standing
    assert (len(again.rows), last.cursor) == (2, None)
    assert house.source.rows_after("people", None, 2) == again, "a page that was not confirmed comes again"
    next((house.drop / "done").glob("*-personen_1.csv")).unlink()
    assert set(house.source.rereadable()) == set()
    with pytest.raises(NothingKept):
        house.source.rows_after("people", None, 2)


def test_once_more_by_few_looks_and_by_new_ones_when_another_file_counts(
    built: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, looks = built('complete = "rename"\n'), list[str]()
    monkeypatch.setattr("connectors.sources.files.again.AHEAD", 4)
    read = CsvReader.cells

    def counted(reader: CsvReader) -> Iterator[tuple[int, list[str]]]:
        looks.append("look")
        return read(reader)

    monkeypatch.setattr(CsvReader, "cells", counted)
    many = "nr;name;geboren;akte\n" + "".join(f"{n};N;01.02.1990;A\n" for n in range(8))
    house.put("personen_1.csv", many)
    house.step()
    looks.clear()
    first, rest, after = list[Row](), list[Row](), None
    for _ in range(3):
        page = house.source.rows_after("people", after, 1)
        first, after = [*first, *page.rows], page.cursor
    assert len(looks) == 1
    house.put("personen_2.csv", many.replace(";A", ";B"))
    house.step()
    while after is not None:
        page = house.source.rows_after("people", after, 1)
        rest, after = [*rest, *page.rows], page.cursor
    assert {row.values["akte"] for row in first} == {"A"}
    assert {row.values["akte"] for row in rest} == {"B"}
    assert sorted(row.key for row in [*first, *rest]) == [str(n) for n in range(8)]


def test_too_many_vanished_keys_wait_for_a_person(built: Build) -> None:
    house = built('complete = "rename"\nvanish_rows = 0\n')
    house.put("personen_1.csv", PEOPLE)
    house.step()
    house.put("personen_2.csv", "nr;name;geboren;akte\n1;Ährenfeld;07.06.2015;A1\n")
    rows, incidents = house.step()
    assert (rows, [one.reason for one in incidents]) == ([], ["snapshot_held"])
    assert house.source.accept() is not None
    rows, incidents = house.step()
    assert (sum(row.gone for row in rows), incidents) == (1, [])


def test_files_of_one_day_wait_for_each_other(built: Build) -> None:
    second = STREAM.replace("people", "more").replace("personen", "weitere")
    settings = "complete = \"rename\"\ntogether = true\nas_of = '_(\\d{8})'\n"
    house = built(settings, STREAM + second)
    house.put("personen_20261119.csv", PEOPLE)
    assert house.step() == ([], [])
    house.put("weitere_20261119.csv", PEOPLE)
    assert keys(house.step()[0]) == ["1", "2"]


@pytest.mark.parametrize("crash", ["adopt", "before_done"])
def test_a_crash_between_two_rooms_is_mended(
    built: Build, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", PEOPLE)
    list(house.source.refresh(NOW))
    assert house.files("processing") == ["personen.csv"]
    if crash == "before_done":
        rows = [row for batch in house.source.read(["people"], 100) for row in batch.rows]
        with house.state.transaction():
            house.state.advance("people", rows, None, set())
        with monkeypatch.context() as patched:
            patched.setattr(Rooms, "done", lambda self, path: None)
            house.source.finished()
        assert house.files("processing") == ["personen.csv"]
    house.restart()
    rows, incidents = house.step()
    assert keys(rows) == ([] if crash == "before_done" else ["1", "2"])
    assert not incidents
    assert house.files("processing") == []


def test_a_preview_moves_nothing(built: Build) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", PEOPLE)
    with offline(house.config, KEY) as looking:
        found = list(looking.judged(NOW))
    assert [one.event.schema.event_type for one in found if isinstance(one, Judged)] == [
        "SubjectRecorded"
    ] * 2
    assert house.files("inbox") == ["personen.csv"]
    assert not any((house.drop / room).exists() for room in ("processing", "done", "quarantine"))


DATED = "complete = \"rename\"\nas_of = '_(\\d{8})'\n"
HEAD, ANNA, BEN, IDA = (
    "nr;name;geboren;akte\n",
    "1;N;01.02.1990;Anna\n",
    "2;N;01.02.1990;Ben\n",
    "3;N;01.02.1990;Ida\n",
)


def test_an_older_delivery_is_held_and_can_be_rejected(built: Build) -> None:
    house = built(DATED)
    house.put("personen_20261119.csv", HEAD + ANNA + BEN)
    house.step()
    house.put("personen_20261118.csv", HEAD + ANNA.replace("Anna", "Alt") + BEN)
    for _ in range(2):
        rows, incidents = house.step()
        assert (rows, [one.reason for one in incidents]) == ([], ["as_of_not_newer"])
    with pytest.raises(Refused):
        house.source.accept()
    house.put("personen_20261120.csv", HEAD + ANNA.replace("Anna", "Neu") + BEN)
    rows, incidents = house.step()
    assert [row.values["akte"] for row in rows] == ["Neu"]
    assert drop.waiting(house.config, house.state).reject() is not None
    assert house.step() == ([], [])
    assert [name[13:] for name in house.files("rejected")] == ["personen_20261118.csv"]
    assert house.step() == ([], [])


def test_a_held_delivery_blocks_no_other_and_waits_by_its_name(built: Build) -> None:
    house = built(DATED)
    house.put("personen_20261119.csv", HEAD + ANNA + BEN + IDA)
    house.step()
    house.put("personen_20261120.csv", HEAD)
    house.put("personen_20261121.csv", HEAD + ANNA + BEN.replace("Ben", "Bo") + IDA)
    rows, incidents = house.step()
    assert [one.reason for one in incidents] == ["snapshot_held"]
    assert [row.values["akte"] for row in rows] == ["Bo"]
    assert [one.name for one in drop.waiting(house.config, house.state).all_held()] == [
        "personen_20261120.csv"
    ]
    house.step()
    assert drop.waiting(house.config, house.state).reject("personen_20261120.csv") is not None
    assert house.step() == ([], [])


@pytest.mark.parametrize("together", ["", "together = true\n"])
def test_parts_of_one_day_are_one_stock(built: Build, together: str) -> None:
    house = built(DATED + together)
    house.put("personen_a_20261119.csv", HEAD + ANNA)
    house.put("personen_b_20261119.csv", HEAD + BEN)
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])
    house.put("personen_a_20261120.csv", HEAD + ANNA)
    house.put("personen_b_20261120.csv", HEAD + BEN.replace("Ben", "Bo") + IDA)
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["2", "3"], [])
    assert [row.place for row in rows] == ["personen_b_20261120.csv:2", "personen_b_20261120.csv:3"]
    assert {row.key for row in house.source.subjects(["1", "2", "3"])} == {"1", "2", "3"}
    assert house.step() == ([], [])


def test_a_part_that_comes_later_adds_to_its_day(built: Build) -> None:
    house = built(DATED)
    house.put("personen_a_20261119.csv", HEAD + ANNA)
    house.step()
    house.put("personen_b_20261119.csv", HEAD + BEN)
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["2"], [])
    house.put("personen_a_20261119.csv", HEAD + ANNA.replace("Anna", "Änne"))
    rows, incidents = house.step()
    assert ([row.values["akte"] for row in rows], incidents) == (["Änne"], [])
    assert {row.key for row in house.source.subjects(["1", "2"])} == {"1", "2"}
    house.put("personen_c_20261119.csv", HEAD + BEN.replace("Ben", "Bo"))
    rows, incidents = house.step()
    assert ([row.fault and row.fault.reason for row in rows], incidents) == (["duplicate_key"] * 2, [])


@pytest.mark.parametrize(
    "names", [["personen_20261119.csv", "personen_20261120.csv", "personen_20261121.csv"]]
)
def test_a_state_that_went_back_is_read(built: Build, names: list[str]) -> None:
    house = built(DATED)
    read = []
    for name, who in zip(names, ("Anna", "Änne", "Anna"), strict=True):
        house.put(name, HEAD + ANNA.replace("Anna", who))
        rows, incidents = house.step()
        read += [row.values["akte"] for row in rows]
        assert incidents == []
    assert read == ["Anna", "Änne", "Anna"]


@pytest.mark.parametrize("left", ["", ANNA])
def test_a_small_table_is_guarded_too(built: Build, left: str) -> None:
    more = STREAM.replace("people", "more").replace("personen", "weitere")
    many = HEAD + "".join(f"{n};N;01.02.1990;A\n" for n in range(200))
    house = built(DATED + "together = true\nvanish_rows = 1\n", STREAM + more)
    house.put("personen_20261119.csv", HEAD + ANNA + BEN + IDA)
    house.put("weitere_20261119.csv", many)
    house.step()
    house.put("personen_20261120.csv", HEAD + left)
    house.put("weitere_20261120.csv", many)
    assert [one.reason for one in house.step()[1]] == ["snapshot_held"]


@pytest.mark.parametrize(("rows", "reasons"), [(4, []), (3, ["snapshot_held"])])
def test_all_streams_together_are_guarded_from_the_same_number_on(
    built: Build, rows: int, reasons: list[str]
) -> None:
    """Two of nine are gone from each of two streams."""
    more = STREAM.replace("people", "more").replace("personen", "weitere")
    house = built(DATED + f"together = true\nvanish_rows = {rows}\n", STREAM + more)
    for day, left in ((19, 9), (20, 7)):
        for name in ("personen", "weitere"):
            there = "".join(f"{n};N;01.02.1990;A\n" for n in range(left))
            house.put(f"{name}_202611{day}.csv", HEAD + there)
        incidents = house.source.refresh(NOW)
        gone = 0
        for batch in house.source.read(["people", "more"], 100):
            gone += sum(row.gone for row in batch.rows)
            with house.state.transaction():
                house.state.advance(batch.stream, batch.rows, batch.cursor, set())
        house.source.finished()
    assert ([one.reason for one in incidents], gone) == (reasons, 0 if reasons else 4)
    held = house.source.held()
    assert (held and held.stream) == ("*" if reasons else None)
