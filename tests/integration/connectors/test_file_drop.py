"""Files dropped into a folder: read when they are complete, moved whole, refused whole, never read twice."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import connectors.file_drop as kind
from connectors.file_drop.config import drop_settings
from connectors.file_drop.rooms import Rooms
from connectors.files.reader import CsvReader
from connectors.looking.offline import offline
from connectors.runtime.config import ConnectorConfig, load_config
from connectors.runtime.judging import Judged
from connectors.runtime.ports import Incident, NothingKept, Row
from connectors.runtime.state import State
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError

KEY, NOW = AgencyKey(b"k" * 32), datetime(2026, 11, 20, 20, tzinfo=UTC)
PEOPLE = "nr;name;geboren;akte\n1;Ährenfeld;07.06.2015;A1\n2;Öz;01.02.1990;A1\n"
STREAM = """
[streams.people]
file = "personen*.csv"
key = "nr"
[[streams.people.events]]
type = "SubjectRecorded"
subject = "nr"
case = "akte"
occurred_at = "@version"
[streams.people.events.fields]
birth_date = "geboren"
"""
HEAD = """
[agency]
id = "ja-a"
kind = "youth_welfare"
[connector]
kind = "file_drop"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[defaults]
date = "%d.%m.%Y"
[settings]
folder = "drop"
encoding = "cp1252"
delimiter = ";"
"""


class House:
    """A drop folder and a source over it, as a connector's process would hold it."""

    def __init__(self, folder: Path, settings: str, stream: str = STREAM) -> None:
        self.folder, self.drop = folder, folder / "drop"
        (self.drop / "inbox").mkdir(parents=True)
        (folder / "source.toml").write_text(HEAD + settings + stream, encoding="utf-8")
        self.start()

    @property
    def config(self) -> ConnectorConfig:
        return load_config(self.folder / "source.toml")

    def restart(self) -> None:
        """A new process on the same state."""
        self.state.close()
        self.start()

    def start(self) -> None:
        config = self.config
        drop_settings(config)
        self.state = State(self.folder / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
        self.source = kind.build(config, self.state, KEY)

    def put(self, name: str, text: str | bytes, encoding: str = "cp1252") -> None:
        (self.drop / "inbox" / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))

    def manifest(self, day: str, *names: str, **wrong: Any) -> None:
        entries = []
        for name in names:
            data = (self.drop / "inbox" / name).read_bytes()
            told = {"file": name, "rows": data.count(b"\n") - 1, "sha256": hashlib.sha256(data).hexdigest()}
            entries.append(told | wrong)
        content = json.dumps({"as_of": day, "files": entries})
        (self.drop / "inbox" / "manifest.json").write_text(content, encoding="utf-8")

    def step(self) -> tuple[list[Row], list[Incident]]:
        """All rows of one delivery, confirmed."""
        incidents = list(self.source.refresh(NOW))
        rows: list[Row] = []
        for batch in self.source.read(["people"], 100):
            rows += batch.rows
            with self.state.transaction():
                self.state.advance(batch.stream, batch.rows, batch.cursor, set())
        self.source.finished()
        return rows, incidents

    def files(self, room: str) -> list[str]:
        return (
            sorted(path.name for path in (self.drop / room).glob("*")) if (self.drop / room).exists() else []
        )


Build = Callable[..., House]


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Build]:
    """Builds a house and closes its state at the end."""
    houses: list[House] = []

    def build(settings: str, stream: str = STREAM) -> House:
        houses.append(House(tmp_path, settings, stream))
        return houses[-1]

    yield build
    for house in houses:
        house.state.close()


def keys(rows: list[Row]) -> list[str]:
    return [row.key for row in rows if not row.gone]


TRAILER = """complete = "trailer"\ntrailer = 'ENDE;(\\d+)'\n"""


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
    monkeypatch.setattr("connectors.files.again.AHEAD", 4)
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
    house = built('complete = "rename"\n')
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


def test_derived_columns_name_persons_whom_two_columns_tell(built: Build) -> None:
    derived = STREAM.replace(
        'key = "nr"', 'key = "person"\nderive = { person = { columns = ["akte", "nr"], join = "/" } }'
    )
    house = built('complete = "rename"\n', derived.replace('subject = "nr"', 'subject = "person"'))
    house.put("personen.csv", PEOPLE)
    assert keys(house.step()[0]) == ["A1/1", "A1/2"]
    assert [row.key for row in house.source.subjects(["A1/2"])] == ["A1/2"]


def test_half_a_number_made_of_columns_is_nobodys(built: Build) -> None:
    derived = STREAM.replace(
        'key = "nr"', 'key = "nr"\nderive = { person = { columns = ["akte", "name"], join = "/" } }'
    )
    house = built('complete = "rename"\n', derived.replace('subject = "nr"', 'subject = "person"'))
    house.put("personen.csv", PEOPLE.replace("Öz", ""))
    assert [row.values["person"] for row in house.step()[0]] == ["A1/Ährenfeld", ""]


def test_a_column_that_makes_another_is_mapped(built: Build) -> None:
    derived = STREAM.replace(
        'key = "nr"', 'key = "person"\nderive = { person = { columns = ["akte", "nr"], join = "/" } }'
    )
    house = built('complete = "rename"\n', derived.replace('subject = "nr"', 'subject = "person"'))
    house.put("personen.csv", PEOPLE)
    house.step()
    assert house.source.discover() == {"people": ("name", "geboren")}


def test_where_nothing_is_quoted_a_quote_is_a_character(built: Build) -> None:
    named = STREAM.replace('type = "SubjectRecorded"', 'type = "PersonRegistered"')
    named = named.replace('birth_date = "geboren"', 'names = "name"')
    house = built('complete = "rename"\nquote = ""\n', named)
    house.put("personen.csv", PEOPLE.replace("Öz", '"Ötzi" Öz').replace("Ährenfeld", '"Änne'))
    rows, incidents = house.step()
    assert ([row.values["name"] for row in rows], incidents) == (['"Änne', '"Ötzi" Öz'], [])


def test_no_header_and_lines_before_the_rows(built: Build) -> None:
    bare = STREAM.replace('key = "nr"', 'key = "nr"\ncolumns = ["nr", "name", "geboren", "akte"]')
    house = built('complete = "rename"\nheader = false\nskip = 2\n', bare)
    house.put("personen.csv", "Export 4711\nStand 19.11.2026\n" + PEOPLE.split("\n", 1)[1])
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])
    assert [row.place for row in rows] == ["personen.csv:3", "personen.csv:4"]


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


CUT_AWAY = {
    "truncated",
    "checksum_mismatch",
    "wrong_columns",
    "unreadable_csv",
    "header_drift",
    "wrong_delimiter",
}


@pytest.mark.parametrize("sign", ["manifest", "trailer"])
def test_cut_at_every_byte_it_is_refused_whole(built: Build, sign: str) -> None:
    settings = TRAILER if sign == "trailer" else 'complete = "manifest"\n'
    whole = (PEOPLE + ("ENDE;2\n" if sign == "trailer" else "")).encode("cp1252")
    house = built(settings)
    for cut in range(len(whole) - 1):
        house.put("personen.csv", whole)
        if sign == "manifest":
            house.manifest("2026-11-19", "personen.csv")
        house.put("personen.csv", whole[:cut])
        rows, incidents = house.step()
        assert rows == [], cut
        assert {one.reason for one in incidents} <= CUT_AWAY, cut
        assert incidents, cut
        assert all(one.place.startswith("personen.csv") and one.remedy for one in incidents)
        shutil.rmtree(house.drop / "quarantine")


@pytest.mark.parametrize("delimiter", [",", "\t", "|", ":"])
def test_a_wrong_delimiter_is_named(built: Build, delimiter: str) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", PEOPLE.replace(";", delimiter))
    rows, incidents = house.step()
    assert rows == []
    assert [one.reason for one in incidents] == ["header_drift" if delimiter == ":" else "wrong_delimiter"]


@pytest.mark.parametrize(
    ("configured", "written"),
    [
        ("cp1252", "utf-8"),
        ("utf-8", "cp1252"),
        ("ascii", "cp1252"),
        ("cp1252", "utf-16"),
        ("utf-8", "utf-16"),
        ("utf-16", "cp1252"),
    ],
)
def test_an_encoding_that_the_bytes_contradict_is_refused(
    built: Build, configured: str, written: str
) -> None:
    house = built('complete = "rename"\n')
    config = house.folder / "source.toml"
    config.write_text(
        config.read_text(encoding="utf-8").replace('"cp1252"', f'"{configured}"'), encoding="utf-8"
    )
    house.restart()
    house.put("personen.csv", PEOPLE, written)
    rows, incidents = house.step()
    assert rows == []
    assert [one.reason for one in incidents] == ["wrong_encoding"]
    assert "byte" in incidents[0].remedy


def test_a_utf8_mark_at_the_start_is_no_column(built: Build) -> None:
    house = built('complete = "rename"\n')
    config = house.folder / "source.toml"
    config.write_text(config.read_text(encoding="utf-8").replace('"cp1252"', '"utf-8"'), encoding="utf-8")
    house.restart()
    house.put("personen.csv", PEOPLE, "utf-8-sig")
    assert keys(house.step()[0]) == ["1", "2"]


@pytest.mark.parametrize(
    "settings",
    [
        'complete = "guess"\n',
        'complete = "trailer"\n',
        'complete = "rename"\ntogether = true\n',
        'complete = "rename"\nas_of = "x"\n',
    ],
)
def test_settings_that_contradict_each_other_are_refused(built: Build, settings: str) -> None:
    with pytest.raises(ConfigurationError):
        built(settings)
