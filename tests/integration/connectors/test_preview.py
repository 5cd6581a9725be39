"""`hub connect preview`: everything that a first run would do, shown and not done."""

import base64
import json
import socket
from collections import Counter
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


def previewed(folder: Path, *more: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["preview", str(folder / "source.toml"), "--json", *more])
    assert result.exit_code == 0, result.output
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
