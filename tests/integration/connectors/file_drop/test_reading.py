"""Files in an inbox: every dialect given, and every byte that contradicts it."""

import shutil
from collections.abc import Callable

import pytest

from hub.errors import ConfigurationError
from tests.integration.connectors.file_drop.house import PEOPLE, STREAM, TRAILER, Build, keys


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
        'complete = "rename"\ninbox = ".."\n',
        'complete = "rename"\ninbox = "done"\n',
        'complete = "rename"\ninbox = "a/b"\n',
        'complete = "rename"\nas_of = "x"\n',
    ],
)
def test_settings_that_contradict_each_other_are_refused(built: Build, settings: str) -> None:
    with pytest.raises(ConfigurationError):
        built(settings)


@pytest.mark.parametrize(
    ("encoding", "data", "told"),
    [
        ("iso-8859-1", PEOPLE.replace("Öz", "„Öz“").encode("cp1252"), "cp1252 is meant"),
        ("iso-8859-15", PEOPLE.replace("Öz", "Öz – Ö").encode("cp1252"), "cp1252 is meant"),
        ("iso-8859-1", PEOPLE.encode(), "UTF-8, not iso-8859-1"),
        ("cp1252", b"\xef\xbb\xbf" + PEOPLE.encode("cp1252"), "byte order mark"),
        ("utf-8", b"\xef\xbb\xbf\xef\xbb\xbf" + PEOPLE.encode(), "byte order mark"),
        ("utf-8", b"\xef\xbb\xbf" + PEOPLE.encode() + b"\xef\xbb\xbf" + PEOPLE.encode(), "byte order mark"),
    ],
)
def test_what_the_bytes_are_instead_is_named(built: Build, encoding: str, data: bytes, told: str) -> None:
    house = built('complete = "rename"\n')
    config = house.folder / "source.toml"
    text = config.read_text(encoding="utf-8").replace('"cp1252"', f'"{encoding}"')
    config.write_text(text, encoding="utf-8")
    house.restart()
    house.put("personen.csv", data)
    rows, (incident,) = house.step()
    assert (rows, incident.reason) == ([], "wrong_encoding")
    assert told in incident.remedy
    assert incident.place.startswith("personen.csv:")


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        (lambda text: text.replace("name;", "nr;"), "header_drift", "column nr stands twice"),
        (lambda text: text.replace("Öz", "Ö\rz"), "unreadable_csv", "carriage return"),
        (lambda text: text.replace("Öz", "x" * 140_000), "too_large", "longer than 131072"),
        (lambda text: text + "\x1a", "unreadable_csv", "Ctrl-Z"),
        (lambda text: text.replace("\n", "\r"), "unreadable_csv", "carriage return alone"),
        (lambda text: text.replace("Öz", '"Ö"z'), "unreadable_csv", "behind a closing quote"),
    ],
    ids=["column twice", "CR in a field", "long field", "Ctrl-Z", "CR alone", "after a quote"],
)
def test_the_true_cause_is_told(built: Build, change: Callable[[str], str], reason: str, told: str) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", change(PEOPLE))
    rows, (incident,) = house.step()
    assert (rows, incident.reason) == ([], reason)
    assert told in incident.remedy


def test_a_blank_before_a_quote_and_an_empty_line_are_nothing(built: Build) -> None:
    house = built('complete = "rename"\n')
    house.put("personen.csv", PEOPLE.replace("2;Öz;", '2; "Öz";').replace("1;Ä", ' "1"; Ä') + "\n")
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_manifest_with_or_without_a_byte_order_mark(built: Build, encoding: str) -> None:
    house = built('complete = "manifest"\n')
    house.put("personen.csv", PEOPLE)
    house.manifest("2026-11-19", "personen.csv")
    path = house.drop / "inbox" / "manifest.json"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2"], [])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace('"rows": 2', '"rows": "2"'), "rows is no whole number"),
        (lambda text: text.replace('"rows": 2', '"rows": -2'), "less than nothing"),
        (lambda text: text.replace('"sha256"', '"sha"'), "lacks sha256"),
        (lambda text: text.replace('"as_of"', '"asof"'), "lacks as_of"),
        (lambda text: text.replace("2026-11-19", "19.11.2026"), "neither a day nor a time"),
        (lambda text: text.replace('"as_of"', '"as_of": "2026-11-18", "as_of"'), "comes twice"),
        (lambda text: text[:-1], "is no JSON"),
        (lambda text: "[" + text + "]", "no JSON object"),
        (lambda text: text.replace('"files"', '"encoding": "utf-8", "files"'), "another encoding"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(built: Build, change: Callable[[str], str], told: str) -> None:
    house = built('complete = "manifest"\n')
    house.put("personen.csv", PEOPLE)
    house.manifest("2026-11-19", "personen.csv")
    path = house.drop / "inbox" / "manifest.json"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    rows, (incident,) = house.step()
    assert (rows, incident.reason) == ([], "manifest_wrong")
    assert told in incident.remedy
