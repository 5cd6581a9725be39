"""Every bad input ends as an entry with reason, place and remedy: never as a crash, a skip or a guess."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

Breaking = Callable[[Path, Any], None]


def cut_at_a_row_end(folder: Path, tools: Any) -> None:
    lines = (folder / "personen.csv").read_bytes().splitlines(keepends=True)
    (folder / "personen.csv").write_bytes(b"".join(lines[:-3]))


def cut_inside_a_row(folder: Path, tools: Any) -> None:
    content = (folder / "personen.csv").read_bytes()
    (folder / "personen.csv").write_bytes(content[:-60])


def cut_inside_quotes(folder: Path, tools: Any) -> None:
    content = (folder / "hilfen.csv").read_bytes()
    (folder / "hilfen.csv").write_bytes(content[: content.rindex(b'"')])


def no_file(folder: Path, tools: Any) -> None:
    (folder / "hilfen.csv").unlink()


def manifest_is_no_json(folder: Path, tools: Any) -> None:
    (folder / "manifest.json").write_text("{", encoding="utf-8")


def manifest_of_half_a_sign(folder: Path, tools: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"].append({"file": "\ud800.csv", "rows": 0, "sha256": ""})
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def manifest_without_end(folder: Path, tools: Any) -> None:
    with (folder / "manifest.json").open("ab") as file:
        file.write(b" " * 1_000_000)


def manifest_without_a_file(folder: Path, tools: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = [entry for entry in manifest["files"] if entry["file"] != "hilfen.csv"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def manifest_of_other_rows(folder: Path, tools: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][0]["rows"] += 5
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def manifest_of_another_encoding(folder: Path, tools: Any) -> None:
    text_ = (folder / "manifest.json").read_text(encoding="utf-8")
    (folder / "manifest.json").write_text(text_.replace("cp1252", "utf-8"), encoding="utf-8")


def one_byte_changed(folder: Path, tools: Any) -> None:
    content = (folder / "personen.csv").read_bytes()
    (folder / "personen.csv").write_bytes(content.replace(b"Seestadt", b"Seestedt", 1))


def utf8(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    path.write_bytes(path.read_bytes().decode("cp1252").encode("utf-8"))
    tools.rewrite_manifest(folder)


def undefined_byte(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    path.write_bytes(path.read_bytes().replace(b"Seestadt", b"Seest\x81dt", 1))
    tools.rewrite_manifest(folder)


def nul_byte(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    path.write_bytes(path.read_bytes().replace(b"Seestadt", b"Seest\x00dt", 1))
    tools.rewrite_manifest(folder)


def commas(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    path.write_bytes(path.read_bytes().replace(b";", b","))
    tools.rewrite_manifest(folder)


def column_gone(folder: Path, tools: Any) -> None:
    path = folder / "hilfen.csv"
    path.write_bytes(path.read_bytes().replace(b"paragraf", b"rechtsgrundlage", 1))
    tools.rewrite_manifest(folder)


def rows_too_short(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    head, *rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, rows[0], *(row.replace(b";", b"", 1) for row in rows[1:])]))
    tools.rewrite_manifest(folder)


def one_key_for_all(folder: Path, tools: Any) -> None:
    path = folder / "personen.csv"
    head, *rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, *(b"4711;" + row.split(b";", 1)[1] for row in rows)]))
    tools.rewrite_manifest(folder)


@pytest.mark.parametrize(
    ("breaking", "reason", "place"),
    [
        (cut_at_a_row_end, "truncated", "personen.csv:"),
        (cut_inside_a_row, "truncated", "personen.csv:"),
        (cut_inside_quotes, "truncated", "hilfen.csv:"),
        (no_file, "file_missing", "hilfen.csv"),
        (manifest_is_no_json, "manifest_wrong", "manifest.json"),
        (manifest_of_half_a_sign, "manifest_wrong", "manifest.json"),
        (manifest_without_end, "manifest_wrong", "manifest.json"),
        (manifest_without_a_file, "manifest_wrong", "hilfen.csv"),
        (manifest_of_other_rows, "manifest_wrong", "personen.csv:"),
        (manifest_of_another_encoding, "manifest_wrong", "manifest.json"),
        (one_byte_changed, "checksum_mismatch", "personen.csv:"),
        (utf8, "wrong_encoding", "personen.csv:"),
        (undefined_byte, "wrong_encoding", "personen.csv:2"),
        (nul_byte, "wrong_encoding", "personen.csv:2"),
        (commas, "wrong_delimiter", "personen.csv:1"),
        (column_gone, "header_drift", "hilfen.csv:1"),
        (rows_too_short, "wrong_columns", "personen.csv:3"),
        (one_key_for_all, "duplicate_key", "personen.csv:2"),
    ],
)
def test_a_broken_snapshot_waits_as_a_whole(
    offices: Any, tools: Any, breaking: Breaking, reason: str, place: str
) -> None:
    offices.write_day(0)
    breaking(offices.export / "2026-11-16", tools)
    connector = offices.source("ja-seestadt")
    report = offices.step(connector, tools.evening(0))
    assert dict(report.source_quarantined) == {reason: 1}
    assert (report.published, report.read) == (0, 0)
    (entry,) = connector._state.quarantined()
    assert entry.place.startswith("2026-11-16")
    assert place in entry.place
    assert entry.remedy
    assert not offices.step(connector, tools.evening(0) + timedelta(minutes=1)).events
    offices.write_day(1)  # the next sound snapshot goes on
    assert offices.step(connector, tools.evening(1)).published
    assert not offices.step(connector, tools.evening(1) + timedelta(minutes=1)).events
    assert connector._state.quarantined() == []


def test_what_is_expected_and_found_is_said(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    column_gone(offices.export / "2026-11-16", tools)
    connector = offices.source("ja-seestadt")
    offices.step(connector, tools.evening(0))
    (entry,) = connector._state.quarantined()
    assert "paragraf" in entry.remedy
    assert "rechtsgrundlage" in entry.remedy


def test_a_headless_file_shows_no_data(offices: Any, tools: Any) -> None:
    """Its first row would be somebody's name."""
    offices.write_day(0)
    folder = offices.export / "2026-11-16"
    lines = (folder / "personen.csv").read_bytes().splitlines(keepends=True)
    (folder / "personen.csv").write_bytes(b"".join(lines[1:]))
    tools.rewrite_manifest(folder)
    connector = offices.source("ja-seestadt")
    offices.step(connector, tools.evening(0))
    (entry,) = connector._state.quarantined()
    assert entry.reason == "header_drift"
    for cell in lines[1].decode("cp1252").strip().split(";")[:4]:
        assert cell not in entry.remedy


def test_a_folder_without_manifest_is_not_finished_yet(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    folder = offices.export / "2026-11-16"
    (folder / "manifest.json").rename(folder / "manifest.json.part")
    now = tools.evening(0)
    for entry in folder.iterdir():
        os.utime(entry, (now.timestamp(), now.timestamp()))
    connector = offices.source("ja-seestadt")
    assert offices.step(connector, now).events == 0
    late = offices.step(connector, now + timedelta(hours=2))
    assert dict(late.source_quarantined) == {"manifest_missing": 1}
    (folder / "manifest.json.part").rename(folder / "manifest.json")
    assert offices.step(connector, now + timedelta(hours=3)).published


def test_one_unknown_code_holds_one_record(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    folder = offices.export / "2026-11-16"
    path = folder / "mitglieder.csv"
    path.write_bytes(path.read_bytes().replace(b";kind;", b";cousin;", 1))
    tools.rewrite_manifest(folder)
    connector = offices.source("ja-seestadt")
    report = offices.step(connector, tools.evening(0))
    assert dict(report.source_quarantined) == {"unknown_code": 1}
    assert report.published
    (entry,) = connector._state.quarantined()
    assert (entry.column, entry.event_type) == ("rolle", "MemberJoined")
    assert entry.place.startswith("2026-11-16/mitglieder.csv:")
    connector.close()
    offices.edit(
        "ja-seestadt", lambda toml: toml.replace('kind = "child"', 'kind = "child"\ncousin = "child"')
    )
    repaired = offices.source("ja-seestadt")
    report = offices.step(repaired, tools.evening(0) + timedelta(minutes=1))
    assert report.events >= 1
    assert repaired._state.quarantined() == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(b"16.11.", b"35.13.", "unreadable_value"), (b";ja;", b";vielleicht;", "unreadable_value")],
)
def test_an_unreadable_value_holds_one_record(
    offices: Any, tools: Any, old: bytes, new: bytes, reason: str
) -> None:
    offices.write_day(0)
    folder = offices.export / "2026-11-16"
    path = folder / ("termine.csv" if old.startswith(b"16") else "einwilligungen.csv")
    content = path.read_bytes()
    old = old if old in content else content.splitlines()[1].split(b";")[4]
    path.write_bytes(content.replace(old, new, 1))
    tools.rewrite_manifest(folder)
    report = offices.step(offices.source("ja-seestadt"), tools.evening(0))
    assert report.source_quarantined.keys() == {reason}


def test_too_many_vanished_keys_wait_for_a_person(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source("ja-seestadt")
    offices.step(connector, tools.evening(0))
    offices.write_day(1)
    folder = offices.export / "2026-11-17"
    for name in ("hilfen", "hilfeplaene", "termine", "zustaendigkeit"):
        lines = (folder / f"{name}.csv").read_bytes().splitlines(keepends=True)
        (folder / f"{name}.csv").write_bytes(b"".join(lines[:2]))
    tools.rewrite_manifest(folder)
    report = offices.step(connector, tools.evening(1))
    assert dict(report.source_quarantined) == {"snapshot_held": 1}
    assert not offices.step(connector, tools.evening(1) + timedelta(minutes=1)).events
    held = connector._source.accept()
    assert held.name == "2026-11-17"
    report = offices.step(connector, tools.evening(1) + timedelta(minutes=2))
    assert report.vanished
    assert connector._source.held() is None


def test_a_missing_last_snapshot_is_told(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source("ja-seestadt")
    offices.step(connector, tools.evening(0))
    (offices.export / "2026-11-16").rename(offices.root / "weg")
    report = offices.step(connector, tools.evening(0) + timedelta(minutes=1))
    assert dict(report.source_quarantined) == {"kept_snapshot_missing": 1}
    (offices.root / "weg").rename(offices.export / "2026-11-16")
    offices.step(connector, tools.evening(0) + timedelta(minutes=2))
    assert connector._state.quarantined() == []


def test_a_missing_column_halts_its_stream_and_no_other(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    _execute(offices.database, "ALTER TABLE T_MASSNAHME DROP COLUMN NORM")
    connector = offices.source("jc-seestadt")
    report = offices.step(connector, tools.evening(0))
    assert dict(report.source_quarantined) == {"column_missing": 1}
    assert report.published
    (entry,) = connector._state.quarantined()
    assert entry.place == "massnahmen.NORM"
    _execute(offices.database, "ALTER TABLE T_MASSNAHME ADD COLUMN NORM TEXT DEFAULT '1645'")
    report = offices.step(connector, tools.evening(0) + timedelta(minutes=1))
    assert report.read
    assert connector._state.quarantined() == []


def test_an_unmapped_column_is_dropped_and_named(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    _execute(offices.database, "ALTER TABLE T_PERSON ADD COLUMN RELIGION TEXT DEFAULT 'geheim'")
    report = offices.step(offices.source("jc-seestadt"), tools.evening(0))
    assert "RELIGION" in report.unmapped_columns["personen"]
    assert b"geheim" not in b"".join(f.read_bytes() for f in (offices.root / "jobcenter" / "state").iterdir())


def test_an_unreadable_version_holds_one_record(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    first = "(SELECT min(ROWID) FROM T_TERMIN WHERE ART = 'DG')"
    _execute(offices.database, f"UPDATE T_TERMIN SET GEAENDERT_AM = 'gestern' WHERE ROWID = {first}")  # noqa: S608
    report = offices.step(offices.source("jc-seestadt"), tools.evening(0))
    assert report.source_quarantined.keys() == {"unreadable_version"}


def test_an_event_larger_than_the_log_takes_is_held_with_its_row(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    offices.edit(
        "jc-seestadt", lambda toml: toml.replace("[connector]\n", "[connector]\nmax_event_bytes = 500\n")
    )
    connector = offices.source("jc-seestadt")
    report = offices.step(connector, tools.evening(0))
    assert report.source_quarantined["oversize"] > 0
    assert all(e.place and e.remedy for e in connector._state.quarantined())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (f"STRASSE = '{'x' * 600_000}'", "beyond_limits"),
        ("STRASSE = 'Weg' || char(0)", "beyond_limits"),
    ],
    ids=["one long text", "NUL"],
)
def test_an_event_beyond_a_limit_is_held_with_its_row(
    offices: Any, tools: Any, changes: str, reason: str
) -> None:
    offices.write_day(0)
    offices.step(offices.source("jc-seestadt"), tools.evening(0))
    assert offices.envelopes("jc-seestadt", "events")
    changes += ", GEAENDERT_AM = '2026-11-16 12:00:00.000000'"
    _execute(offices.database, f"UPDATE T_PERSON SET {changes}")  # noqa: S608
    connector = offices._open[-1]
    report = offices.step(connector, tools.evening(0) + timedelta(minutes=1))
    assert report.source_quarantined[reason] > 0
    assert all(e.place and e.remedy for e in connector._state.quarantined())
    assert not offices.step(connector, tools.evening(0) + timedelta(minutes=2)).events


def _execute(database: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
