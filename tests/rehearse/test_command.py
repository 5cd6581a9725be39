"""`hub rehearse`: what it prints, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main

Write = Callable[..., Path]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["hub", "rehearse", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_one_story_as_an_object(
    plain: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(write(plain)), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["hits"], found["misses"], found["host"]) == (2, 0, "embedded")
    assert found["seconds"] > 0
    first, second = found["views"]
    assert first["at"] == "2026-09-03T07:00:00Z"
    assert (first["recipient"], first["purpose"], first["family"]) == (
        plain["steps"][3]["recipient"],
        "joint_case_management",
        "fam",
    )
    assert first["persons"] == plain["steps"][3]["expect"]["persons"]
    assert "LB" in first["withheld"]["mother"]
    assert (second["persons"], second["marks"], second["withheld"]) == ({}, [], {})


def test_a_miss_ends_with_one_and_says_where(
    plain: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain["steps"][5]["expect"] = {"persons": {"mother": {}}}
    assert run(monkeypatch, str(write(plain))) == 1
    said = capsys.readouterr().out
    assert "Anders als erwartet: persons" in said
    assert "2 Sichten, 1 wie erwartet, 1 anders." in said
    assert "Zur Familie können weitere Personen gehören." in said


def test_a_folder_is_played_where_something_is_expected(
    plain: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = {**plain, "steps": [{k: v for k, v in step.items() if k != "expect"} for step in plain["steps"]]}
    wrong = {
        **plain,
        "steps": [*plain["steps"][:5], {**plain["steps"][5], "expect": {"marks": [["m0", "norm"]]}}],
    }
    folder = write(plain, "b.json").parent
    write(silent, "a.json")
    write({"no": "story"}, "d.json")
    (folder / "e.json").write_bytes(b"\xff")
    write(wrong, "c.json")
    assert run(monkeypatch, str(folder), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["hits"], one["misses"]) for one in found] == [
        ("b.json", 2, 0),
        ("c.json", 1, 1),
    ]


def test_an_impossible_story_is_played_by_nobody(
    plain: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain["steps"][2]["at"] = "2026-08-01T00:00:00+02:00"
    assert run(monkeypatch, str(file := write(plain)), "--json") == 65
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["place"] == "steps[2] (step 3, record)"
    assert "steps[2] (step 3, record)" in said.err
    assert run(monkeypatch, str(file.parent), "--json") == 65
    (entry,) = json.loads(capsys.readouterr().out)
    assert "steps[2] (step 3, record)" in entry["error"]


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "no-such-story.json") == 66
