"""`hub connect init` on exports of houses that nobody has seen: what is proposed loads, and a preview runs on it."""

import hashlib
import json
import sqlite3
import stat
import tomllib
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli import USAGE
from hub.cli.connect import app
from hub.dev.simulate import Simulation
from hub.errors import ConfigurationError, DataError, NoInput, UsageError
from tests.integration.connectors.interface import TOKEN, Interface

NORTH = {
    "klienten.csv": "PersonID,Zuname,Vorname,Geb-Dat,Geschlecht\n"
    "11,Ahrens,Ida,03.02.1990,weiblich\n12,Ahrens,Max,01.05.2016,männlich\n",
    "faelle.csv": "Fall-Nr,PersonID,Rolle,Beginn,Ende\nF1,11,Mutter,01.01.2026,\nF1,12,Kind,01.01.2026,\n",
    "hzE.csv": "HilfeNr,Fall-Nr,PersonID,Hilfeart,Träger,Beginn,Ende\n"
    "1,F1,12,31,Haus Nord,01.03.2026,\n2,F1,12,XY,Haus Nord,02.03.2026,\n",
}


def called(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def export(folder: Path, files: dict[str, str], encoding: str) -> Path:
    """One finished snapshot as a system would leave it."""
    day = folder / "2026-11-01"
    day.mkdir(parents=True)
    entries = []
    for name, text in files.items():
        data = text.encode(encoding)
        (day / name).write_bytes(data)
        rows = len(text.splitlines()) - 1
        entries.append({"file": name, "rows": rows, "sha256": hashlib.sha256(data).hexdigest()})
    (day / "manifest.json").write_text(
        json.dumps({"as_of": "2026-11-01", "files": entries}), encoding="utf-8"
    )
    return folder


@pytest.fixture
def north(tmp_path: Path) -> Path:
    return export(tmp_path / "export", NORTH, "utf-8")


def init(out: Path, *where: str) -> Any:
    who = ("--agency", "ja-nord", "--agency-kind", "youth_welfare", "--recipient", "jc-nord:jobcenter")
    return called("init", str(out), *who, *where)


def test_a_strange_export_is_recognised_and_previewed(north: Path, tmp_path: Path) -> None:
    out = tmp_path / "amt" / "source.toml"
    result = init(out, "--folder", str(north), "--encoding", "utf-8", "--delimiter", ",", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] == [
        "HelpStarted",
        "MemberJoined",
        "PersonRegistered",
        "SubjectRecorded",
    ]
    shown = json.loads(called("preview", str(out), "--json").stdout)
    types = [record["event_type"] for record in shown["records"]]
    assert sorted(set(types)) == ["HelpStarted", "MemberJoined", "PersonRegistered", "SubjectRecorded"]
    assert [(fault["column"], fault["reason"]) for fault in shown["faults"]] == [("Hilfeart", "unknown_code")]


def test_what_is_not_known_stays_a_comment_and_no_value_is_written(north: Path, tmp_path: Path) -> None:
    out = tmp_path / "source.toml"
    init(out, "--folder", str(north), "--encoding", "utf-8", "--delimiter", ",")
    text = out.read_text(encoding="utf-8")
    assert '# "XY" = ""' in text
    assert not [name for name in ("Ahrens", "Ida", "Max", "1990") if name in text]
    assert stat.S_IMODE((tmp_path / "agency.key").stat().st_mode) == 0o600


EAST = "#Verfahren 7.2\nPERSNR\tNAME\tVORNAME\tGEBDAT\tGESCHL\tFALLNR\tROLLE\tVON\tBIS\n"
EAST_ROWS = {
    "20261119": "4711\tÖz\tAylin\t05031988\tw\tF1\tMutter\t01112026\t31129999\n",
    "20261120": "4711\tÖz\tAylin\t05031988\tw\tF1\tMutter\t01112026\t31129999\n"
    "4712\tÖz\tCan\t20022015\tm\tF1\tKind\t01112026\t00000000\n",
}


def test_dated_files_with_tabs_a_line_before_and_a_trailer_behind(tmp_path: Path) -> None:
    inbox = tmp_path / "abholung" / "inbox"
    inbox.mkdir(parents=True)
    for day, rows in EAST_ROWS.items():
        text = EAST + rows + f"ENDE;{len(rows.splitlines())}\n"
        (inbox / f"personen_{day}.txt").write_bytes(text.encode("latin-1"))
    written = ("--folder", str(inbox.parent), "--encoding", "latin-1", "--delimiter", "\\t")
    signs = ("--skip", "1", "--trailer", r"ENDE;(\d+)")

    found = json.loads(called("discover", *written, *signs, "--json").stdout)["tables"]
    assert [(table["name"], table["rows"]) for table in found] == [("personen_*.txt", 2)]
    shapes = {column["name"]: column["written"] for column in found[0]["columns"]}
    assert (shapes["GEBDAT"], shapes["BIS"]) == ("%d%m%Y", "")

    out = tmp_path / "source.toml"
    assert init(out, *written, *signs).exit_code == 0
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert (shown["faults"], shown["unmapped_columns"]) == ([], {})
    places = {record["place"] for record in shown["records"]}
    assert places == {
        "personen_20261119.txt:3",
        "personen_20261120.txt:4",
    }  # what is unchanged is not read again


def test_the_inbox_itself_may_be_named_and_nothing_be_quoted(tmp_path: Path) -> None:
    inbox = tmp_path / "abholung" / "inbox"
    inbox.mkdir(parents=True)
    text = 'PERSNR|NAME|VORNAME|GEBDAT|FALLNR|ROLLE|VON|BIS\n1|"Ö|A|05.03.1988|F1|Mutter|01.11.2026|\n'
    (inbox / "personen_20261119.txt").write_bytes(text.encode("cp850"))
    out = tmp_path / "source.toml"
    written = ("--folder", str(inbox), "--encoding", "cp850", "--delimiter", "|", "--quote", "")
    assert init(out, *written).exit_code == 0
    assert tomllib.loads(out.read_text(encoding="utf-8"))["settings"]["folder"] == "abholung"
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert {record["event_type"] for record in shown["records"]} >= {"MemberJoined", "PersonRegistered"}


def test_a_consent_without_a_sender_is_proposed_as_the_houses_own(tmp_path: Path) -> None:
    text = "EinwilligungNr,PersonID,Fall-Nr,ErteiltAm,Kategorien\n1,11,F1,01.11.2026,ID\n"
    folder = export(tmp_path / "export", {"einwilligungen.csv": text}, "utf-8")
    out = tmp_path / "source.toml"
    assert init(out, "--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",").exit_code == 0
    (event,) = tomllib.loads(out.read_text(encoding="utf-8"))["streams"]["einwilligungen"]["events"]
    assert (event["type"], event["fields"]["sender"]) == ("ConsentGranted", {"constant": "ja-nord"})


def test_a_folder_without_an_export_says_so(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("nothing", encoding="utf-8")
    result = called("discover", "--folder", str(tmp_path))
    assert result.exit_code != 0
    assert isinstance(result.exception, NoInput)


def test_a_database_is_read_by_its_own_keys(tmp_path: Path) -> None:
    file = tmp_path / "fach.sqlite"
    with sqlite3.connect(file) as database:
        database.execute(
            "CREATE TABLE Stamm (PersNr TEXT PRIMARY KEY, Nachname TEXT, Vorname TEXT, GebDatum TEXT, "
            "AendZeit TEXT, BgNr TEXT)"
        )
        database.execute(
            "INSERT INTO Stamm VALUES ('7', 'A', 'B', '1990-01-02', '2026-05-01 08:00:00', 'B1')"
        )
    out = tmp_path / "source.toml"
    assert init(out, "--url", f"sqlite:///{file}").exit_code == 0
    assert 'key = ["PersNr"]' in out.read_text(encoding="utf-8")
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert {record["event_type"] for record in shown["records"]} == {"PersonRegistered", "SubjectRecorded"}
    assert not shown["faults"]


def test_discover_shows_how_columns_are_written_and_no_value(north: Path) -> None:
    result = called("discover", "--folder", str(north), "--encoding", "utf-8", "--delimiter", ",", "--json")
    tables = {table["name"]: table for table in json.loads(result.stdout)["tables"]}
    born = next(c for c in tables["klienten.csv"]["columns"] if c["name"] == "Geb-Dat")
    assert (born["shape"], born["written"]) == ("date", "%d.%m.%Y")
    assert "Ahrens" not in result.stdout


@pytest.mark.parametrize(
    ("encoding", "place"), [("utf-16", ".csv, line 1"), ("no-such-code", "--encoding: unknown")]
)
def test_another_encoding_is_refused_with_file_and_line(north: Path, encoding: str, place: str) -> None:
    result = called("discover", "--folder", str(north), "--encoding", encoding, "--delimiter", ",")
    assert result.exit_code != 0
    assert place in str(result.exception)


def unread(*how: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code, and for each table that is shown the places and causes of all that was left out."""
    result = called("discover", *how, "--json")
    tables = json.loads(result.stdout)["tables"]
    return result.exit_code, {
        table["name"]: [(one["place"], one["cause"]) for one in table["unreadable"]] for table in tables
    }


@pytest.mark.parametrize(
    ("text", "place", "cause"),
    [
        ("", "line 1", "holds no header"),
        ("Art,Datum,Art\nHPG,13.06.2026,x\n", "line 1", "column Art stands twice"),
        ("Art,Datum\nHPG,13.06.2026,x\n,,\n", "line 2", "cannot be read as utf-8 with the delimiter ','"),
        ('Art,Datum\n"HPG,13.06.2026\n', "line 1", "cannot be read as utf-8 with the delimiter ','"),
    ],
    ids=["nothing", "twice", "wider", "unclosed"],
)
def test_a_file_that_cannot_be_read_is_named_and_the_rest_shown(
    tmp_path: Path, text: str, place: str, cause: str
) -> None:
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "termine.csv": text}
    folder = plain(tmp_path / "export", files)
    code, found = unread("--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",")
    assert (code, found["personen.csv"]) == (1, [])
    assert found["termine.csv"] == [(f"termine.csv, {place}", cause)]
    made = proposed(tmp_path / "source.toml", folder)
    assert set(made["streams"]) == {"personen"}


def test_a_document_that_cannot_be_read_is_named_and_the_rest_shown(tmp_path: Path) -> None:
    rows = "".join(f"<p><nr>{n}</nr><name>A</name></p>" for n in range(2))
    folder = plain(tmp_path / "export", {"a.xml": f"<all>{rows}</all>", "b.xml": "<all><p></all>"})
    code, found = unread("--folder", str(folder))
    assert (code, found["p"]) == (1, [])
    assert found["b.xml"] == [("b.xml, line 1", "is no XML that can be read")]


def test_a_row_of_a_database_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with closing(sqlite3.connect(file := tmp_path / "fach.sqlite")) as database, database:
        database.execute("CREATE TABLE stamm (nr INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO stamm VALUES (1, 'A'), (2, CAST(x'e4' AS TEXT))")
    code, found = unread("--url", f"sqlite:///{file}")
    assert (code, found) == (1, {"stamm": [("stamm, row 2, column name", "is no text in UTF-8")]})


def test_an_answer_that_cannot_be_read_is_named_and_the_rest_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    lists = ("--path", "/v1/a", "--path", "/v1/b", "--token-file", str(tmp_path / "token"))
    with closing(Interface()) as served:
        json_type = {"Content-Type": "application/json"}
        served.lists["/v1/b"] = [{"nr": "1", "name": "A"}, {"nr": "2", "name": "B"}, 3]
        served.special = [lambda: (200, json_type, b'{"a": 1, "a": 2}')]
        code, found = unread("--url", served.url, *lists)
    assert (code, found["v1_a"][0][1]) == (1, "a member comes twice in one object")
    assert found["v1_b"] == [("v1_b, row 3", "is no object")]


def test_a_cause_is_told_in_german(tmp_path: Path) -> None:
    files = {"klienten.csv": NORTH["klienten.csv"], "termine.csv": "Art,Art\n"}
    folder = plain(tmp_path / "export", files)
    result = called("discover", "--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",")
    assert "termine.csv, Zeile 1: Die Spalte Art steht zweimal da" in " ".join(result.stdout.split())


def test_the_form_of_a_doubtful_day_is_a_code(tmp_path: Path) -> None:
    folder = plain(tmp_path / "export", {"a.csv": "Nr,Tag\n1,03/04/2026\n"})
    how = ("discover", "--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",")
    (table,) = json.loads(called(*how, "--json").stdout)["tables"]
    assert table["columns"][1]["written"] == "day_or_month_first"
    assert "Tag oder Monat zuerst?" in called(*how).stdout


def plain(folder: Path, files: dict[str, str]) -> Path:
    """Files in a folder, with no manifest, no day and no inbox."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def proposed(out: Path, folder: Path) -> dict[str, Any]:
    result = init(out, "--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",", "--json")
    assert result.exit_code == 0, result.output
    return tomllib.loads(out.read_text(encoding="utf-8"))


def test_plain_files_in_a_folder_reach_the_preview(tmp_path: Path) -> None:
    out = tmp_path / "amt" / "source.toml"
    made = proposed(out, plain(tmp_path / "export", NORTH))
    assert (made["settings"]["inbox"], made["settings"]["together"]) == (".", True)
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert {record["event_type"] for record in shown["records"]} == {
        "HelpStarted",
        "MemberJoined",
        "PersonRegistered",
        "SubjectRecorded",
    }
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == sorted(NORTH)


def test_one_bad_row_is_named_and_the_others_are_looked_at(tmp_path: Path) -> None:
    rows = "".join(f"{n},Ahrens,Ida,03.02.1990,weiblich\n" for n in range(60))
    folder = plain(tmp_path / "export", {"klienten.csv": NORTH["klienten.csv"] + rows + "44,Ahrens,Ida\n"})
    with (folder / "klienten.csv").open("ab") as file:
        file.write("45,Öz,Can,03.02.1990,männlich\n".encode("cp1252"))
    written = ("--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",", "--json")
    result = called("discover", *written)
    assert result.exit_code == 1
    (table,) = json.loads(result.stdout)["tables"]
    assert table["rows"] == 62
    assert [(one["place"], one["cause"]) for one in table["unreadable"]] == [
        ("klienten.csv:64", "3 columns, the header has 5"),
        ("klienten.csv:65", "holds bytes that are not utf-8"),
    ]


def test_a_key_is_made_of_few_columns_or_not_proposed(tmp_path: Path) -> None:
    members = "Fall-Nr,PersonID,Rolle,Beginn,Ende,Bemerkung\n" + "".join(
        f"F{n // 2},{n % 3},Kind,0{n % 5 + 1}.01.2026,,x\n" for n in range(6)
    )
    twice = "Fall-Nr,PersonID,Rolle,Beginn,Ende\nF1,11,Kind,01.01.2026,\nF1,11,Kind,01.01.2026,\n"
    made = proposed(tmp_path / "one.toml", plain(tmp_path / "one", {"mitglieder.csv": members}))
    assert made["streams"]["mitglieder"]["key"] == ["Fall-Nr", "PersonID"]
    made = proposed(tmp_path / "two.toml", plain(tmp_path / "two", {"mitglieder.csv": twice}))
    assert "streams" not in made
    assert "#   mitglieder.csv" in (tmp_path / "two.toml").read_text(encoding="utf-8")


def test_a_consent_and_its_withdrawal_in_one_row(tmp_path: Path) -> None:
    """A consent that nobody withdrew has an empty day, which holds no row; custody is of a child, not of a case."""
    consents = (
        "EinwilligungNr,PersonID,Fall-Nr,unterschrieben von,Kategorien,Form,Zweck erklärt,Folgen erklärt,"
        "Widerruf erklärt,erteilt am,widerrufen am\n"
        "E1,11,F1,11,Stammdaten,schriftlich,ja,ja,ja,02.11.2026,\n"
        "E2,12,F2,12,Stammdaten,schriftlich,ja,nein,ja,02.11.2026,10.11.2026\n"
    )
    custody = "Fall-Nr,Kind,Sorgeberechtigte,seit\nF1,21,11,02.11.2020\nF2,22,12,02.11.2020\n"
    out = tmp_path / "source.toml"
    files = {"einwilligungen.csv": consents, "sorge.csv": custody}
    made = proposed(out, plain(tmp_path / "export", files))
    granted, withdrawn = made["streams"]["einwilligungen"]["events"]
    assert set(granted["fields"]["notices"]["flags"]) == {"purpose", "refusal", "withdrawal"}
    assert withdrawn["when"] == [{"column": "widerrufen am", "filled": True}]
    assert made["streams"]["sorge"]["key"] == ["Kind"]
    assert not json.loads(called("preview", str(out), "--json").stdout)["faults"]


def test_a_number_that_counts_within_a_case_names_nobody_alone(tmp_path: Path) -> None:
    rows = "".join(
        f"F{case},{person},Zuname{case},Vor{case}{person},0{person}.0{case}.1990,weiblich\n"
        for case in range(1, 4)
        for person in range(1, 4)
    )
    header = "Fall-Nr,PersonID,Zuname,Vorname,Geb-Dat,Geschlecht\n"
    out = tmp_path / "source.toml"
    made = proposed(out, plain(tmp_path / "export", {"klienten.csv": header + rows}))
    stream = made["streams"]["klienten"]
    assert stream["derive"] == {"person_im_fall": {"columns": ["Fall-Nr", "PersonID"], "join": "/"}}
    assert {event["subject"] for event in stream["events"]} == {"person_im_fall"}
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert len({record["subject_ref"] for record in shown["records"]}) == 9


def test_a_table_without_a_version_stays_a_comment(tmp_path: Path) -> None:
    file = tmp_path / "fach.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TABLE Stamm (PersNr TEXT PRIMARY KEY, Nachname TEXT, GebDatum TEXT, BgNr TEXT)"
        )
        database.execute("INSERT INTO Stamm VALUES ('7', 'A', '1990-01-02', 'B1')")
        database.commit()
    out = tmp_path / "source.toml"
    assert init(out, "--url", f"sqlite:///{file}").exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "# [streams.stamm]" in text
    assert "# Ruht: Keine Spalte mit Änderungszeit" in text
    assert called("preview", str(out), "--json").exit_code == 0


def test_what_is_missing_is_named_when_nobody_can_be_asked(tmp_path: Path) -> None:
    result = called("init", str(tmp_path / "source.toml"))
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == USAGE
    assert "--agency" in str(result.exception)


def test_an_existing_file_is_left_alone(north: Path, tmp_path: Path) -> None:
    out = tmp_path / "source.toml"
    out.write_text("mine", encoding="utf-8")
    result = init(out, "--folder", str(north), "--encoding", "utf-8", "--delimiter", ",")
    assert isinstance(result.exception, UsageError)
    assert out.read_text(encoding="utf-8") == "mine"


PEOPLE = [
    {
        "personId": str(n),
        "nachname": f"Zuname{n}",
        "vorname": "Ida",
        "geburtsdatum": "1990-02-03",
        "geschlecht": "w",
        "fall": {"nr": f"F{n}"},
        "tags": ["a", "b"],
    }
    | ({"telefon": "0231"} if n else {})
    for n in range(3)
]


def test_an_interface_is_asked_and_its_proposal_previews(tmp_path: Path) -> None:
    with closing(Interface()) as served:
        served.lists["/v1/personen"], served.paging = PEOPLE, "next"
        (tmp_path / "token").write_text(TOKEN, encoding="ascii")
        token, out = ("--token-file", str(tmp_path / "token")), tmp_path / "amt" / "source.toml"
        for where in (
            ("--url", f"{served.url}/v1/personen"),
            ("--url", served.url, "--path", "/v1/personen"),
        ):
            result = init(out, *where, *token, "--json")
            assert result.exit_code == 0, result.output
            made = tomllib.loads(out.read_text(encoding="utf-8"))
            assert made["connector"]["kind"] == "rest"
            assert made["settings"]["token_file"] == "../token"
            assert made["settings"]["paging"] == {"kind": "link"}
            (stream,) = made["streams"].values()
            assert stream["request"]["rows"] == "/daten"
            assert stream["request"]["optional"] == ["telefon"]
            assert TOKEN not in out.read_text(encoding="utf-8")
            shown = json.loads(called("preview", str(out), "--json").stdout)
            assert {record["event_type"] for record in shown["records"]} == {
                "PersonRegistered",
                "SubjectRecorded",
            }
            assert not shown["faults"]
            out.unlink()
        found = json.loads(called("discover", "--url", f"{served.url}/v1/personen", *token, "--json").stdout)
        assert {column["name"] for column in found["tables"][0]["columns"]} >= {
            "personId",
            "/fall/nr",
            "tags",
        }


def test_lists_of_objects_in_rows_are_lists_of_their_own(tmp_path: Path) -> None:
    kinder = [{**PEOPLE[0], "sorge": [{"id": "7"}]}]
    cases = [{"fallNr": "F1", "geloescht": False, "kinder": kinder}, {"fallNr": "F2", "geloescht": False}]
    with closing(Interface()) as served:
        served.lists["/v1/faelle"] = cases
        (tmp_path / "token").write_text(TOKEN, encoding="ascii")
        token, out = ("--token-file", str(tmp_path / "token")), tmp_path / "amt" / "source.toml"
        assert init(out, "--url", served.url, "--path", "/v1/faelle", *token).exit_code == 0
        made = tomllib.loads(out.read_text(encoding="utf-8"))
        stream = made["streams"]["v1faellekinder"]
        assert stream["request"]["rows"] == "/daten/*/kinder"
        assert "kinder" in stream["request"]["optional"]
        assert stream["gone"] == {"column": "../geloescht", "in": ["true"]}
        assert not json.loads(called("preview", str(out), "--json").stdout)["faults"]
        found = json.loads(
            called("discover", "--url", served.url, "--path", "/v1/faelle", *token, "--json").stdout
        )
        names = {column["name"] for table in found["tables"] for column in table["columns"]}
        assert {"../fallNr", "/sorge/*/id"} <= names


def test_an_interface_is_not_asked_with_a_secret_in_its_address(tmp_path: Path) -> None:
    for url in ("https://hub:geheim@127.0.0.1:9/api", "http://fachverfahren.example/api"):
        result = init(tmp_path / "source.toml", "--url", url)
        assert isinstance(result.exception, ConfigurationError)
        assert "geheim" not in str(result.exception)
        assert not (tmp_path / "source.toml").exists()


def test_a_page_says_how_the_next_is_found_even_where_there_is_none(tmp_path: Path) -> None:
    with closing(Interface()) as served:
        body = json.dumps({"data": PEOPLE, "meta": {"served_by": [{"host": "a"}]}, "links": {"next": None}})
        served.special = [lambda: (200, {"Content-Type": "application/json"}, body.encode())] * 4
        assert init(tmp_path / "source.toml", "--url", f"{served.url}/personen").exit_code == 0
    made = tomllib.loads((tmp_path / "source.toml").read_text(encoding="utf-8"))
    assert made["settings"]["paging"] == {"kind": "next", "at": "/links/next"}
    assert made["streams"]["personen"]["request"]["rows"] == "/data"


def test_an_answer_without_rows_says_where_it_was(tmp_path: Path) -> None:
    with closing(Interface()) as served:
        served.special = [lambda: (200, {"Content-Type": "application/json"}, b'{"version": "1.2"}')]
        result = init(tmp_path / "source.toml", "--url", f"{served.url}/v1/personen")
        assert isinstance(result.exception, DataError)
        assert result.exception.place == "personen"


def test_a_withdrawal_that_names_a_consent_alone_finds_its_person(tmp_path: Path) -> None:
    """The simulated youth office: `widerrufe.csv` has the consent's number, the person stands with the consent."""
    Simulation(4, 7, date(2026, 11, 16), f"sqlite:///{tmp_path}/jc.sqlite", tmp_path / "export").write_day(
        date(2026, 11, 16)
    )
    (plain := tmp_path / "plain").mkdir()
    for file in (tmp_path / "export" / "2026-11-16").glob("*.csv"):
        (plain / file.name).write_bytes(file.read_bytes())
    out = tmp_path / "source.toml"
    result = init(out, "--folder", str(plain), "--encoding", "cp1252", "--delimiter", ";")
    assert result.exit_code == 0, result.output
    raw = tomllib.loads(out.read_text(encoding="utf-8"))
    assert raw["lookups"]["consents"]["stream"] == "einwilligungen"
    (withdrawal,) = raw["streams"]["widerrufe"]["events"]
    assert withdrawal["type"] == "ConsentWithdrawn"
    where = {"lookup": "consents", "by": "einwilligung_nr"}
    assert withdrawal["subject"] == {**where, "column": "personen_nr"}
    assert withdrawal["case"] == {**where, "column": "aktenzeichen"}
    lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
    assert [line for line in lines if line["name"] == "withdrawals" and not line["ok"]] == []


HOUSEHOLDS = {
    "personen.csv": "PersNr,Nachname,Vorname,GebDatum,Geschlecht,Akte\n"
    "101,Ahrens,Ida,03.02.1990,w,F1\n102,Ahrens,Max,21.05.2016,m,F1\n",
    "leistungen.csv": "PersNr,Art,Betrag,Von,Bis\n"
    "101,Regelbedarf,563.00,01.01.2026,31.01.2026\n102,Kosten der Unterkunft,380.50,13.01.2026,\n",
    "einwilligungen.csv": 'EinwNr,PersNr,Kategorien,ErteiltAm,WiderrufenAm\nE1,101,"ID,HH",13.01.2026,\n',
    "minderungen.csv": "PersNr,Prozent,Von,Bis\n101,30,01.01.2026,31.03.2026\n",
    "massnahmen.csv": "PersNr,Massnahmeart,Traeger,Beginn,Ende\n101,16,Werkstatt,15.01.2026,\n",
}
ORACLE = {
    "PERSONEN.csv": "PERS_NR,NACH_NAME,VOR_NAME,GEB_DAT,GESCHL,FALL_NR\n101,Ahrens,Ida,03.02.1990,W,F1\n",
    "LEISTUNGEN.csv": "PERS_NR,LEIST_ART,BETR,BEW_VON,BEW_BIS\n101,Regelbedarf,563.00,21.01.2026,31.12.9999\n",
    "EINWILL.csv": "EINW_NR,PERS_NR,KAT,ERT_AM,WIDERR_AM\nE1,101,ID,13.01.2026,\n",
    "MINDERUNGEN.csv": "PERS_NR,PROZ,GUELT_VON,GUELT_BIS\n101,30,13.01.2026,31.03.2026\n",
    "MASSN.csv": "PERS_NR,MASSN_ART,TRAEGER,BEG_DAT,END_DAT\n101,16,Werkstatt,15.01.2026,\n",
}
EVENTS = {
    "BenefitGranted",
    "ConsentGranted",
    "ConsentWithdrawn",
    "MeasureStarted",
    "PersonRegistered",
    "SanctionImposed",
    "SubjectRecorded",
}


def of_a_jobcenter(out: Path, folder: Path) -> dict[str, Any]:
    who = ("--agency", "jc-nord", "--agency-kind", "jobcenter", "--recipient", "ja-nord:youth_welfare")
    how = ("--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",")
    result = called("init", str(out), *who, *how)
    assert result.exit_code == 0, result.output
    return tomllib.loads(out.read_text(encoding="utf-8"))


@pytest.mark.parametrize("files", [HOUSEHOLDS, ORACLE], ids=["plain", "oracle"])
def test_five_plain_files_reach_check_and_preview_unchanged(tmp_path: Path, files: dict[str, str]) -> None:
    out = tmp_path / "source.toml"
    made = of_a_jobcenter(out, plain(tmp_path / "export", files))
    assert len(made["streams"]) == len(files)
    shown = json.loads(called("preview", str(out), "--json").stdout)
    found = {record["event_type"] for record in shown["records"]}
    assert (found | {"ConsentWithdrawn"}, shown["faults"], shown["unmapped_columns"]) == (EVENTS, [], {})
    lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
    assert {line["name"] for line in lines if not line["ok"]} == {"kek", "keys", "log"}


def test_a_period_is_no_key_by_its_person_alone(tmp_path: Path) -> None:
    """In a small sample each person has one row; the next month brings another one."""
    made = of_a_jobcenter(tmp_path / "source.toml", plain(tmp_path / "export", HOUSEHOLDS))
    keys = {name: stream["key"] for name, stream in made["streams"].items()}
    assert keys == {
        "personen": ["PersNr"],
        "leistungen": ["PersNr", "Art", "Von"],
        "einwilligungen": ["EinwNr"],
        "minderungen": ["PersNr", "Von"],
        "massnahmen": ["PersNr", "Massnahmeart", "Beginn"],
    }


@pytest.mark.parametrize("header", ["LeistNr,PersNr,Art,Betrag,Von", "PersNr,LeistNr,Art,Betrag,Von"])
def test_a_table_s_own_number_is_its_key(tmp_path: Path, header: str) -> None:
    cells = ["1,101" if header.startswith("L") else "101,1", "2,101" if header.startswith("L") else "101,2"]
    rows = "".join(f"{each},Regelbedarf,563.00,{n + 13}.01.2026\n" for n, each in enumerate(cells))
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "leistungen.csv": f"{header}\n{rows}"}
    made = of_a_jobcenter(tmp_path / "source.toml", plain(tmp_path / "export", files))
    assert made["streams"]["leistungen"]["key"] == ["LeistNr"]


def test_what_a_table_s_columns_do_not_tell_is_not_guessed(tmp_path: Path) -> None:
    """Kind and amount are those of any payment: only the name of a jobcenter's table makes a benefit of it."""
    rows = "PersNr,Art,Betrag,Von,Bis\n101,x,563.00,13.01.2026,\n"
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "kosten.csv": rows}
    made = of_a_jobcenter(tmp_path / "one.toml", plain(tmp_path / "one", files))
    assert set(made["streams"]) == {"personen"}
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "leistungen.csv": rows}
    made = proposed(tmp_path / "two.toml", plain(tmp_path / "two", files))
    assert set(made["streams"]) == {"personen"}


@pytest.mark.parametrize("column", ["Sperrvermerk", "AUSKUNFTS_SPERRE", "Übermittlungssperre", "gesperrt_kz"])
def test_a_block_closes_the_address_until_somebody_decides(tmp_path: Path, column: str) -> None:
    text = (
        f"PersNr,Nachname,Vorname,GebDatum,Strasse,PLZ,Ort,Telefon,{column},Akte\n"
        "101,Ahrens,Ida,23.02.1990,Weg 1,44532,Seestadt,0231,J,F1\n"
    )
    out = tmp_path / "source.toml"
    made = of_a_jobcenter(out, plain(tmp_path / "export", {"personen.csv": text}))
    for event in made["streams"]["personen"]["events"]:
        assert not {"address", "contact"} & event["fields"].keys()

    def failing() -> list[str]:
        lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
        return [line["found"] for line in lines if line["name"] == "circumstances" and not line["ok"]]

    assert column in failing()[0]
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert [one["column"] for one in shown["protections"]["lookalikes"]] == [column]
    page = tmp_path / "page.html"
    called("preview", str(out), "--html", str(page))
    assert '<p class="warning">Sieht nach Schutz aus' in page.read_text(encoding="utf-8")
    text = out.read_text(encoding="utf-8")
    out.write_text(
        text.replace("[streams.personen]\n", f'[streams.personen]\nunrelated = "{column}"\n'),
        encoding="utf-8",
    )
    assert failing() == []


HOUSEHOLD_XML = """<?xml version="1.0" encoding="iso-8859-15"?>
<x:Export xmlns:x="urn:export" Traeger="05978">
  <x:Kopf><x:Erstellt>2026-11-20</x:Erstellt></x:Kopf>
  <x:BG Nummer="B1"><x:Sachgebiet>7</x:Sachgebiet>
    <x:Person lfd="1"><x:KdNr>P1</x:KdNr><x:Nachname>Ährenfeld</x:Nachname><x:Name><x:Vorname>Ida</x:Vorname></x:Name>
      <x:GebDatum>1990-01-23</x:GebDatum><x:Geschlecht>w</x:Geschlecht><x:Notiz>geheim</x:Notiz></x:Person>
    <x:Person lfd="2"><x:KdNr>P2</x:KdNr><x:Nachname>Ährenfeld</x:Nachname><x:Name><x:Vorname>Max</x:Vorname></x:Name>
      <x:GebDatum>2016-01-23</x:GebDatum><x:Geschlecht>m</x:Geschlecht><x:Ende/></x:Person>
  </x:BG>
  <x:BG Nummer="B2"><x:Sachgebiet>8</x:Sachgebiet>
    <x:Person lfd="1"><x:KdNr>P3</x:KdNr><x:Nachname>Öz</x:Nachname><x:Name><x:Vorname>Can</x:Vorname></x:Name>
      <x:GebDatum>1988-05-13</x:GebDatum><x:Geschlecht>m</x:Geschlecht></x:Person>
  </x:BG>
  <x:Minderungen>
    <x:Minderung KdNr="P1" Prozent="30" Von="2026-01-13" Bis="2026-03-31"/>
    <x:Minderung KdNr="P3" Prozent="30" Von="2026-02-01" Bis="2026-04-30"/>
  </x:Minderungen>
  <x:Protokoll><x:Zeile Nr="1" Text="a"/><x:Zeile Nr="2" Text="b"/></x:Protokoll>
</x:Export>
"""


def of_documents(out: Path, folder: Path) -> Any:
    who = ("--agency", "jc-nord", "--agency-kind", "jobcenter", "--recipient", "ja-nord:youth_welfare")
    return called("init", str(out), *who, "--folder", str(folder))


@pytest.mark.parametrize("name", ["export.xml", "export_20261120.xml"])
def test_a_folder_of_xml_reaches_check_and_preview_unchanged(tmp_path: Path, name: str) -> None:
    (folder := tmp_path / "export").mkdir()
    (folder / name).write_text(HOUSEHOLD_XML, encoding="iso-8859-15")
    out = tmp_path / "source.toml"
    result = of_documents(out, folder)
    assert result.exit_code == 0, result.output
    made = tomllib.loads(out.read_text(encoding="utf-8"))
    assert (made["connector"]["kind"], made["settings"]["encoding"]) == ("xml", "iso-8859-15")
    assert set(made["streams"]) == {"person", "minderung"}
    assert made["streams"]["person"]["records"]["columns"]["BG_Nummer"] == "/x:Export/x:BG/@Nummer"
    text = out.read_text(encoding="utf-8")
    assert not [word for word in ("Ährenfeld", "geheim", "1990") if word in text]
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert shown["faults"] == []
    found = [record["event_type"] for record in shown["records"]]
    assert {kind: found.count(kind) for kind in set(found)} == {
        "PersonRegistered": 3,
        "SanctionImposed": 2,
        "SubjectRecorded": 3,
    }
    lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
    assert {line["name"] for line in lines if not line["ok"]} == {"kek", "keys", "log"}
    tables = json.loads(called("discover", "--folder", str(folder), "--json").stdout)["tables"]
    assert {table["name"] for table in tables} == {"BG", "Person", "Minderung", "Zeile"}


@pytest.mark.parametrize(
    "text",
    ["<a><b></a>", "", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "<?xml version='1.0' encoding='xx'?><a/>"],
)
def test_xml_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (folder := tmp_path / "export").mkdir()
    (folder / "export.xml").write_text(text, encoding="utf-8")
    result = of_documents(tmp_path / "source.toml", folder)
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.place.startswith("export.xml, line ")
    assert not (tmp_path / "source.toml").exists()


def test_xml_without_records_is_not_proposed(tmp_path: Path) -> None:
    (folder := tmp_path / "export").mkdir()
    (folder / "export.xml").write_text("<a><b>1</b></a>", encoding="utf-8")
    assert isinstance(of_documents(tmp_path / "source.toml", folder).exception, NoInput)
    assert not (tmp_path / "source.toml").exists()


SIGNED = (
    "EinwNr,PersNr,Empfaenger,Absender,Kategorien,Zwecke,Form,ErteiltAm\n"
    'E1,101,Jobcenter,Jugendamt,"ID,Sonstiges",gemeinsame Fallarbeit,Formblatt 7,13.01.2026\n'
    "E2,101,Verein Nord,Jugendamt,HH,joint_case_management,schriftlich,13.01.2026\n"
)


def test_the_words_of_a_consent_are_translated_or_asked(tmp_path: Path) -> None:
    """A recipient, a category and a form are codes of the hub: a word of the export never stands for one by itself."""
    out = tmp_path / "source.toml"
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "einwilligungen.csv": SIGNED}
    made = proposed(out, plain(tmp_path / "export", files))
    fields = made["streams"]["einwilligungen"]["events"][0]["fields"]
    coded = {
        name: made["codes"][fields[name]["codes"]] for name in ("recipients", "sender", "purposes", "form")
    }
    assert coded == {
        "recipients": {"Jobcenter": "jc-nord"},
        "sender": {"Jugendamt": "ja-nord"},
        "purposes": {
            "gemeinsame Fallarbeit": "joint_case_management",
            "joint_case_management": "joint_case_management",
        },
        "form": {"schriftlich": "written"},
    }
    text = out.read_text(encoding="utf-8")
    assert all(f'# "{word}" = ""' in text for word in ("Verein Nord", "Sonstiges", "Formblatt 7"))
    assert not [
        word for word in ("unknown_recipient", "unknown_category", "code_not_in_list") if word in reasons(out)
    ]


def reasons(out: Path) -> set[str]:
    return {fault["reason"] for fault in json.loads(called("preview", str(out), "--json").stdout)["faults"]}


def test_two_agencies_of_a_kind_make_their_word_a_question(tmp_path: Path) -> None:
    out = tmp_path / "source.toml"
    files = {"personen.csv": HOUSEHOLDS["personen.csv"], "einwilligungen.csv": SIGNED}
    folder = plain(tmp_path / "export", files)
    how = ("--folder", str(folder), "--encoding", "utf-8", "--delimiter", ",")
    assert init(out, *how, "--recipient", "jc-sued:jobcenter").exit_code == 0
    assert '# "Jobcenter" = ""' in out.read_text(encoding="utf-8")


def test_a_column_that_holds_no_yes_and_no_stays_a_question(tmp_path: Path) -> None:
    """Neither a field nor a circumstance is read from it; a circumstance without an answer stays a FAIL."""
    people = (
        "PersNr,Nachname,Vorname,GebDatum,Akte,Dolmetscher,Widerspruch,Bestritten\n"
        "101,Ahrens,Ida,13.02.1990,F1,Türkisch,am 3. Mai,nein\n102,Ahrens,Max,21.05.2016,F1,,,ja\n"
    )
    out = tmp_path / "source.toml"
    made = proposed(out, plain(tmp_path / "export", {"personen.csv": people}))
    for event in made["streams"]["personen"]["events"]:
        assert "interpreter" not in event["fields"]
        assert "objected_76" not in event
    assert reasons(out) == set()
    lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
    assert [line for line in lines if line["name"] == "circumstances" and "Widerspruch" in line["found"]]


MEETINGS = "TerminNr,PersNr,Akte,Art,Datum,Uhrzeit,Ort\n1,101,F1,HPG,13.06.2026,10:00,Haus Nord\n"


@pytest.mark.parametrize(
    ("more", "when", "held"),
    [
        ("2,101,F1,Hausbesuch,14.06.2026,10:00,Haus Nord\n", ["Hausbesuch"], set()),
        ("2,101,F1,Clearing,14.06.2026,10:00,Haus Nord\n", [""], {"unknown_word"}),
    ],
)
def test_a_kind_column_decides_which_rows_are_an_event(
    tmp_path: Path, more: str, when: list[str], held: set[str]
) -> None:
    out = tmp_path / "source.toml"
    made = proposed(out, plain(tmp_path / "export", {"termine.csv": MEETINGS + more}))
    (event,) = made["streams"]["termine"]["events"]
    assert event["when"] == [{"column": "Art", "in": ["HPG"], "known": when}]
    assert reasons(out) == held
    shown = json.loads(called("preview", str(out), "--json").stdout)["records"]
    assert [record["place"] for record in shown] == ["termine.csv:2"]


@pytest.mark.parametrize("kind", ["Clearing", ""])
def test_a_kind_column_without_a_known_word_is_a_question(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "source.toml"
    meetings = MEETINGS.replace("HPG", kind)
    made = proposed(out, plain(tmp_path / "export", {"termine.csv": meetings}))
    assert "streams" not in made
    text = out.read_text(encoding="utf-8")
    assert '# type = "HelpPlanMeetingScheduled"' in text
    assert "Art entscheidet, welche Zeilen" in text


def test_a_refused_benefit_is_none(tmp_path: Path) -> None:
    rows = (
        "PersNr,Art,Betrag,Von,Status\n101,Regelbedarf,563.00,13.01.2026,bewilligt\n"
        "102,Regelbedarf,563.00,14.01.2026,abgelehnt\n"
    )
    out = tmp_path / "source.toml"
    made = of_a_jobcenter(out, plain(tmp_path / "export", HOUSEHOLDS | {"leistungen.csv": rows}))
    (event,) = made["streams"]["leistungen"]["events"]
    assert event["when"] == [{"column": "Status", "in": ["bewilligt"], "known": ["abgelehnt"]}]


def test_a_jobcenter_s_appointments_are_no_help_plan_meetings(tmp_path: Path) -> None:
    files = HOUSEHOLDS | {"termine.csv": MEETINGS}
    made = of_a_jobcenter(tmp_path / "source.toml", plain(tmp_path / "export", files))
    assert "termine" not in made["streams"]


def test_a_row_that_is_marked_as_deleted_says_nothing(tmp_path: Path) -> None:
    people = HOUSEHOLDS["personen.csv"].replace(",Akte\n", ",Akte,Geloescht\n")
    people = people.replace("w,F1\n", "w,F1,N\n").replace("m,F1\n", "m,F1,J\n")
    out = tmp_path / "source.toml"
    made = proposed(out, plain(tmp_path / "export", {"personen.csv": people}))
    assert made["streams"]["personen"]["gone"] == {"column": "Geloescht", "in": ["J"]}
    shown = json.loads(called("preview", str(out), "--json").stdout)
    assert {record["place"] for record in shown["records"]} == {"personen.csv:2"}
    assert shown["faults"] == []


def overlooked(out: Path) -> set[str]:
    """Columns that would protect and are not mapped: those that `check` fails for, which are those of the preview."""
    shown = json.loads(called("preview", str(out), "--json").stdout)["protections"]["lookalikes"]
    lines = json.loads(called("check", str(out), "--json").stdout)["checks"]
    failed = [line["found"] for line in lines if line["name"] == "circumstances" and not line["ok"]]
    columns = {one["column"] for one in shown}
    assert all(any(column in line for line in failed) for column in columns)
    return columns


GUARDED = """<Export>{people}
<Sperren><Eintrag nr="1"><Sperrvermerk art="S">ja</Sperrvermerk><Kunde>101</Kunde></Eintrag>
<Eintrag nr="2"><Sperrvermerk art="S">ja</Sperrvermerk><Kunde>102</Kunde></Eintrag></Sperren></Export>"""
GUARDED_PERSON = """<Person><KdNr>{n}</KdNr><BGNr>F1</BGNr><Name>A</Name><Vorname>B</Vorname>
<GebDatum>1990-02-1{n}</GebDatum></Person>"""


@pytest.mark.parametrize("ignored", ["", '["*"]'], ids=["proposed", "all"])
def test_a_protection_in_a_record_that_is_not_read_is_a_fail(tmp_path: Path, ignored: str) -> None:
    """The second kind of record stands under `ignored`: its block would be overlooked for good."""
    people = "".join(GUARDED_PERSON.format(n=n) for n in (1, 2))
    folder = plain(tmp_path / "export", {"export.xml": GUARDED.format(people=people)})
    out = tmp_path / "source.toml"
    result = of_documents(out, folder)
    assert result.exit_code == 0, result.output
    if ignored:
        text = out.read_text(encoding="utf-8")
        out.write_text(
            text.replace('ignored = ["/Export/Sperren"]', f"ignored = {ignored}"), encoding="utf-8"
        )
    names = ("/Export/Sperren/Eintrag/Sperrvermerk",)
    assert overlooked(out) >= {*names}
    unrelated = json.dumps(sorted(overlooked(out)))
    text = out.read_text(encoding="utf-8").replace("key = [", f"unrelated = {unrelated}\nkey = [")
    out.write_text(text, encoding="utf-8")
    assert overlooked(out) == set()


def test_a_protection_in_an_inner_object_is_a_fail(tmp_path: Path) -> None:
    """An object, a list of objects, and the object around the rows; any other name within may be data."""
    hidden = {
        "schutz": {"art": {"sperrvermerk": True}, "notiz": 1},
        "meldungen": [{"grund": "x", "auskunftssperre": 1}],
    }
    people = [{**one, **hidden} for one in PEOPLE]
    with closing(Interface()) as served:
        served.lists["/v1/akten"] = [{"nr": "F1", "gesperrt": False, "kinder": people}]
        (tmp_path / "token").write_text(TOKEN, encoding="ascii")
        token, out = ("--token-file", str(tmp_path / "token")), tmp_path / "source.toml"
        assert init(out, "--url", f"{served.url}/v1/akten", *token).exit_code == 0
        assert overlooked(out) == {
            "/schutz/*/sperrvermerk",
            "/meldungen/*/auskunftssperre",
            "../gesperrt",
        }


def test_a_protection_in_a_table_that_is_not_read_is_named(tmp_path: Path) -> None:
    files = HOUSEHOLDS | {"melderegister.csv": "lfd,PersNr,Auskunftssperre\n1,101,J\n"}
    out = tmp_path / "source.toml"
    of_a_jobcenter(out, plain(tmp_path / "export", files))
    assert "#     ! Auskunftssperre: sieht nach Schutz aus" in out.read_text(encoding="utf-8")
