"""`check` says where two rows become one person, case or record only by normalising, and never which."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, families
from connectors.pipeline.config.connector import parse_config
from connectors.tools.dry_run.checking import Found, examine
from connectors.tools.dry_run.spelling import Alike
from hub.cli.connect.check import as_object
from hub.cli.connect.checks import _numbers
from hub.cli.language import speak
from tests.integration.connectors.file_drop.house import KEY, NOW
from tests.support.candidates import candidate

HEAD = "nr;name;akte\n"
EVENT = {"type": "PersonRegistered", "case": "akte", "occurred_at": "@version", "fields": {"names": "name"}}


def checked(folder: Path, *files: str, subject: str = "nr", **connector: str) -> Found:
    (folder / "drop" / "inbox").mkdir(parents=True)
    streams: dict[str, Any] = {}
    for number, text in enumerate(files):
        name = f"strom{number}"
        (folder / "drop" / "inbox" / f"{name}.csv").write_bytes((HEAD + text).encode())
        streams[name] = {"file": f"{name}.csv", "key": ["name"], "events": [{**EVENT, "subject": subject}]}
    raw = {
        "agency": {"id": "jc-x", "kind": "jobcenter"},
        "connector": {"kind": "file_drop", "state": "s.sqlite", "pseudonyms": "p.sqlite", **connector},
        "settings": {"folder": "drop", "complete": "rename", "encoding": "utf-8", "delimiter": ";"},
        "streams": streams,
    }
    return examine(parse_config(raw, folder), KEY, NOW)


@pytest.mark.parametrize(
    "other",
    ["4711 ", "4711\u00ad", '"=""4711"""', "'4711", "\u00a04711"],
    ids=["blank", "invisible", "formula", "apostrophe", "no-break space"],
)
def test_two_spellings_of_a_person_are_counted(tmp_path: Path, other: str) -> None:
    found = checked(tmp_path, f"4711;Anna;A1\n{other};Bea;A2\n4712;Cem;A3\n4712;Dora;A3\n")
    assert found.alike == [Alike("person", ("strom0",), 1)]


def test_cases_keys_and_streams_are_told_apart(tmp_path: Path) -> None:
    umlaut = "Ä-1;Ida;Ä-7\n"
    found = checked(tmp_path, umlaut + "9;Änne;B\n9;A\u0308nne;C\n", umlaut.replace("Ä", "A\u0308"))
    assert found.alike == [
        Alike("case", ("strom0", "strom1"), 1),
        Alike("person", ("strom0", "strom1"), 1),
        Alike("row", ("strom0",), 1),
    ]
    lines = [as_object(line) for line in _numbers(found)]
    assert all(line["ok"] for line in lines)
    assert "Nummern von Personen (1), in strom0, strom1" in lines[1]["found"]
    assert not any(value in str(lines) for value in ("Ä-1", "Ida", "nne"))
    speak("en")
    assert "keys of rows (1)" in as_object([*_numbers(found)][2])["found"]


def test_blanks_that_fill_a_column_up_are_none(tmp_path: Path) -> None:
    """As a CHAR column of a database has them, beside a VARCHAR."""
    assert checked(tmp_path, "4711   ;Anna;A1   \n", "4711;Anna;A1\n").alike == []


def test_rows_of_an_older_and_a_newer_number_are_counted(tmp_path: Path) -> None:
    (tmp_path / "neu.csv").write_text("neu;alt\n2;1\n4;3\n", encoding="utf-8")
    found = checked(tmp_path, "x;1;A\nx;2;A\nx;4;A\nx;5;A\n", subject="name", aliases="neu.csv")
    assert dict(found.beside) == {"strom0": 1}
    (line,) = _numbers(found)
    assert "zu 1 Datensätzen" in as_object(line)["found"]


@pytest.mark.parametrize("spelt", ["P0000000\u00a0", " P0000000", "P0000\u200b000"])
def test_whoever_is_spelt_otherwise_is_read_again_too(tmp_path: Path, spelt: str) -> None:
    """The consent comes later: only reading the person again opens what was withheld."""
    with closing(Bench(candidate("sql"), tmp_path / "bench")) as bench:
        tables = families(2)
        tables["people"][0]["number"] = spelt
        bench.write({**tables, "consents": tables["consents"][1:]}, 0)
        bench.all(0)
        before = bench.sent()
        bench.write(tables, 1)
        bench.all(1)
        assert "PersonRegistered" in {fact.type for fact in bench.facts(before)}
