"""The youth office's exports: dialect, manifest, and how the snapshots differ from day to day."""

import csv
import hashlib
import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from hub.dev.simulate import Simulation
from hub.dev.simulate.changes import Value
from hub.dev.simulate.youth_office import COLUMNS, render
from hub.errors import ConfigurationError
from tests.unit.simulate.running import START, Run


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "ja"),
        (False, "nein"),
        (date(9999, 12, 31), "31.12.9999"),
        (datetime(2026, 6, 1, 9, 5), "01.06.2026 09:05"),  # noqa: DTZ001 - local time, as the export has it
        (Decimal("1234.56"), "1.234,56"),
        (Decimal("2.5"), "2,50"),
        (("13", "18"), "13,18"),
        ((), ""),
        ("0004711", "0004711"),
        (3, "3"),
    ],
)
def test_values_are_written_as_the_vendor_does(value: Value, written: str) -> None:
    assert render(value) == written


def test_every_day_has_all_files_and_a_manifest_that_is_right(run: Run) -> None:
    for report in run.reports:
        folder = run.folder / "jugendamt" / report.day.isoformat()
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        assert {p.name for p in folder.iterdir()} == {"manifest.json", *(f"{name}.csv" for name in COLUMNS)}
        assert (manifest["as_of"], manifest["agency"]) == (report.day.isoformat(), "ja-seestadt")
        assert len(manifest["files"]) == 11
        for entry in manifest["files"]:
            content = (folder / entry["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
            rows = list(
                csv.reader(content.decode(entry["encoding"]).splitlines(), delimiter=entry["delimiter"])
            )
            assert len(rows) - 1 == entry["rows"]
            assert entry["as_of"] == report.day.isoformat()


def test_the_dialect_is_the_promised_one(run: Run) -> None:
    folder = run.folder / "jugendamt" / "2026-06-01"
    for name, columns in COLUMNS.items():
        content = (folder / f"{name}.csv").read_bytes()
        assert content.startswith(";".join(columns).encode() + b"\r\n")
        assert content.count(b"\n") == content.count(b"\r\n")
        assert content.endswith(b"\r\n")
    everything = b"".join(path.read_bytes() for path in folder.glob("*.csv"))
    assert "ß".encode("cp1252") in everything
    assert "ö".encode() not in everything
    assert b'"Vermerk; siehe ""Gespr\xe4ch"""' in everything


def test_amounts_dates_and_leading_zeros(run: Run) -> None:
    helps = run.read("hilfen")
    assert any(re.fullmatch(r"1\.\d{3},56", row["kosten_monat"]) for row in helps)
    assert all(row["ende"] == "31.12.9999" for row in helps)
    assert all(row["aktenzeichen"].startswith("0") for row in helps)
    assert all(re.fullmatch(r"\d\d\.\d\d\.\d{4}", row["geburtsdatum"]) for row in run.read("personen"))


def test_keys_are_unique_in_every_file(run: Run) -> None:
    for name, columns in COLUMNS.items():
        keys = [row[columns[0]] for row in run.read(name, day=3)]
        assert keys
        assert len(keys) == len(set(keys))


def test_special_rows_of_help(run: Run) -> None:
    helps, persons = run.read("hilfen"), {row["personen_nr"] for row in run.read("personen")}
    confided = [row["vertraulich_von"] for row in helps if row["vertraulich_von"]]
    assert confided
    assert set(confided) <= persons
    assert {"27(2)", "28", "29", "30", "31", "32", "33", "34", "35a", "41"} <= {
        row["paragraf"] for row in helps
    }
    assert {row["quelle_203"] for row in helps} == {"ja", "nein"}
    assert {row["aufgabe"] for row in helps} == {"hilfe", "andere"}
    goals = ",".join(row["ziele"] for row in run.read("hilfeplaene"))
    assert all(f"{tag}:" in goals for tag in ("arbeit", "kinderbetreuung", "schule", "familie"))
    assert {row["gefaehrdet_hilfe"] for row in run.read("hilfeplaene")} == {"ja", "nein"}


def test_a_row_vanishes_and_a_whole_file_moves_away(run: Run) -> None:
    world = run.simulation.world
    twins = next(f for f in world.families if f.model.kind == "twins").homes[0].case_number
    gone = next(f for f in world.families if f.model.kind == "youth_office_only")
    meetings = [{row["aktenzeichen"] for row in run.read("termine", day)} for day in (1, 2)]
    assert twins in meetings[0]
    assert twins not in meetings[1]
    number = gone.persons[0].youth_office_id
    there = [number in {row["personen_nr"] for row in run.read("personen", day)} for day in (3, 4)]
    assert there == [True, False]
    assert str(gone.homes[0].case_number) not in (run.folder / "jugendamt/2026-06-05/hilfen.csv").read_text(
        "cp1252"
    )


def test_a_correction_there_and_back(run: Run) -> None:
    number = (
        next(f for f in run.simulation.world.families if f.model.kind == "couple").persons[0].youth_office_id
    )
    streets = [
        {r["personen_nr"]: r["strasse"] for r in run.read("personen", day)}[str(number)] for day in range(3)
    ]
    assert streets[0] == streets[2] != streets[1] == "Verschriebene Straße"


def test_custody_moves_and_help_ends_to_plan(run: Run) -> None:
    child = (
        next(f for f in run.simulation.world.families if f.model.kind == "two_homes")
        .persons[2]
        .youth_office_id
    )
    holders = [
        {r["kind_nr"]: r["sorgeberechtigte"] for r in run.read("sorgerecht", day)}[str(child)]
        for day in (3, 4)
    ]
    assert [len(h.split(",")) for h in holders] == [2, 1]
    assert [r["endegrund"] for r in run.read("hilfen", 2) if r["ende"] != "31.12.9999"] == ["10"]


def test_a_day_is_never_exported_twice(run: Run, tmp_path: Path) -> None:
    again = Simulation(1, 1, START, f"sqlite:///{tmp_path / 'jc.sqlite'}", run.folder / "jugendamt")
    with pytest.raises(ConfigurationError, match="exported before"):
        again.write_day(START)
    assert not (tmp_path / "jc.sqlite").exists()
