"""`hub connect preview`: everything that a first run would do, shown and not done."""

import base64
import csv
import json
import socket
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli.connect import app


@pytest.fixture
def folder(offices: Any) -> Path:
    """The jobcenter's folder with its own key, no log, no key database and no key-encryption key in it."""
    offices.write_day(0)
    place: Path = offices.root / "jobcenter"
    (place / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    return place


def previewed(folder: Path, *more: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["preview", str(folder / "source.toml"), "--json", *more])
    assert result.exit_code == code, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_every_field_has_a_fate_with_rule_and_norm(folder: Path) -> None:
    answer = previewed(folder)
    fields = [each for record in answer["records"] for each in record["fields"]]
    assert {each["fate"] for each in fields} == {"sent", "pseudonymised", "withheld"}
    assert all(each["rule"] and each["norm"] for each in fields)
    withheld = Counter(each["rule"] for each in fields if each["fate"] == "withheld")
    assert answer["totals"] == dict(withheld)
    assert {"personen", "massnahmen"} <= answer["unmapped_columns"].keys()


def test_no_socket_is_opened_and_nothing_is_left_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = sorted(folder.iterdir())
    previewed(folder)
    assert sorted(folder.iterdir()) == before


def test_it_says_what_a_run_does(offices: Any, tools: Any, folder: Path) -> None:
    at = tools.evening(0)
    (folder / "clock").write_text(at.isoformat(), encoding="ascii")
    offices.edit(
        "jc-seestadt", lambda toml: toml.replace("[connector]\n", '[connector]\nclock_file = "clock"\n')
    )
    answer = previewed(folder)
    passing = sum(any(f["fate"] != "withheld" for f in record["fields"]) for record in answer["records"])
    offices.beat(at)
    report = offices.step(offices.source("jc-seestadt"), at)
    assert passing == report.published
    assert not answer["faults"]
    assert (answer["held"], answer["incidents"]) == ([], [])


def test_the_page_is_whole_and_names_no_value(offices: Any, tools: Any, tmp_path: Path) -> None:
    offices.write_day(0)
    folder = offices.root / "youth_office"
    (folder / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    page = tmp_path / "vorschau.html"
    previewed(folder, "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert "bleibt im Haus" in text
    assert "http" not in text
    names = {name for row in (folder / "export").glob("*/personen.csv") for name in _names(row)}
    assert names
    assert not [name for name in names if name in text]


def _names(file: Path) -> set[str]:
    lines = [line.split(";") for line in file.read_text(encoding="cp1252").splitlines()]
    place = lines[0].index("nachname") if "nachname" in lines[0] else lines[0].index('"nachname"')
    return {line[place].strip('"') for line in lines[1:]}


@pytest.fixture
def youth_office(offices: Any) -> Path:
    offices.write_day(0)
    folder: Path = offices.root / "youth_office"
    (folder / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    return folder


def damage_person(folder: Path) -> None:
    """Give the first person a sex that no code table knows."""
    (path,) = folder.glob("export/*/personen.csv")
    lines = path.read_text(encoding="cp1252").split("\n")
    cells = lines[1].split(";")
    cells[lines[0].split(";").index("geschlecht")] = "?"
    lines[1] = ";".join(cells)
    path.write_text("\n".join(lines), encoding="cp1252", newline="")
    manifest = path.with_name("manifest.json")
    said = json.loads(manifest.read_text(encoding="utf-8"))
    for one in said["files"]:
        if one["file"] == path.name:
            one["sha256"] = sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(said), encoding="utf-8")


def test_values_are_shown_on_the_own_screen_and_nowhere_else(youth_office: Path, tmp_path: Path) -> None:
    page = tmp_path / "vorschau.html"
    shown = previewed(youth_office, "--values", "--html", str(page))
    hidden = previewed(youth_office)
    assert shown.keys() == hidden.keys()
    assert not any("local_id" in one or "value" in one["fields"][0] for one in hidden["records"])
    persons = [one for one in shown["records"] if one["event_type"] == "PersonRegistered"]
    (path,) = youth_office.glob("export/*/personen.csv")
    with path.open(encoding="cp1252", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    told = {one["local_id"]: {f["field"]: f["value"] for f in one["fields"]} for one in persons}
    assert persons
    assert all(one["case_id"] for one in persons)
    assert {
        row["personen_nr"]: (
            ", ".join((row["nachname"], row["vorname"])),
            "-".join(reversed(row["geburtsdatum"].split("."))),
        )
        for row in rows
        if row["personen_nr"] in told
    } == {number: (fields["names"], fields["birth_date"]) for number, fields in told.items()}
    assert not [row for row in rows if row["nachname"] in page.read_text(encoding="utf-8")]


def test_persons_are_named_by_their_own_number_and_what_is_absent_is_null(folder: Path) -> None:
    fields = [each for record in previewed(folder, "--values")["records"] for each in record["fields"]]
    named = [each["value"] for each in fields if each["fate"] == "pseudonymised"]
    assert named
    assert not [one for one in named if str(one).startswith("p_")]
    assert [each for each in fields if each["value"] is None and not each["rule"]]


def test_a_held_row_is_held_whole_and_the_answer_is_no(youth_office: Path) -> None:
    before = previewed(youth_office)
    damage_person(youth_office)
    after = previewed(youth_office, "--values", code=1)
    places = {one["place"] for one in after["held"]}
    assert len(places) == 1
    assert all(one["remedy"] and one["reason"] and one["column"] for one in after["held"])
    assert not [one for one in after["records"] if one["place"] in places]
    assert len(after["records"]) == len(before["records"]) - len(
        [one for one in before["records"] if one["place"] in places]
    )


def test_the_page_says_categories_rules_and_consents_in_words(youth_office: Path, tmp_path: Path) -> None:
    page = tmp_path / "vorschau.html"
    previewed(youth_office, "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert "Name und Kontakt (ID)" in text
    assert "Es fehlt eine Einwilligung oder andere Grundlage" in text
    assert "Einwilligungen: " in text
    assert " wirksam" in text
    assert 'class="warning"' not in text


def test_what_would_protect_and_does_not_is_red(offices: Any, youth_office: Path, tmp_path: Path) -> None:
    offices.edit("ja-seestadt", lambda toml: toml.replace('entrusted_by = "none"\n', ""))
    page = tmp_path / "vorschau.html"
    answer = previewed(youth_office, "--html", str(page))
    assert {one for left in answer["protections"]["unanswered"] for one in left["circumstances"]} == {
        "entrusted_by"
    }
    assert "anvertraut von (§ 65 SGB VIII)" in page.read_text(encoding="utf-8")
    assert 'class="warning"' in page.read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["preview", str(youth_office / "source.toml"), "--limit", "0"])
    assert "Schützt nicht: " in shown.output


def test_the_consent_that_nearly_counts_is_named(youth_office: Path) -> None:
    answer = previewed(youth_office)
    assert answer["consents"].keys() == {"effective", "without", "flaws"}
    assert {tuple(one) for record in answer["records"] for one in record["nearly"]} <= {
        ("consent", "category", "recipient", "missing")
    }
