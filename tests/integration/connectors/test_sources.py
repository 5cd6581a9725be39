"""Both sources over days of the story: counts balance, no change sends nothing, names are configuration."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, inspect, select, text
from sqlalchemy import table as table_

AGENCIES = ("jc-seestadt", "ja-seestadt")


@pytest.mark.parametrize("agency", AGENCIES)
def test_every_day_balances_and_a_second_look_finds_nothing(offices: Any, tools: Any, agency: str) -> None:
    connector = None
    for day in range(4):
        offices.write_day(day)
        connector = connector or offices.source(agency)
        report = offices.step(connector, tools.evening(day))
        assert report.read > 0
        assert not report.source_quarantined
        again = offices.step(connector, tools.evening(day) + timedelta(minutes=1))
        assert (again.events, again.read) == (0, 0)
    assert offices.envelopes(agency, "events")


@pytest.mark.parametrize("agency", AGENCIES)
def test_a_restart_finds_nothing_new(offices: Any, tools: Any, agency: str) -> None:
    offices.write_day(0)
    first = offices.source(agency)
    offices.step(first, tools.evening(0))
    first.close()
    report = offices.step(offices.source(agency), tools.evening(0) + timedelta(minutes=1))
    assert (report.events, report.read) == (0, 0)


@pytest.mark.parametrize("agency", AGENCIES)
def test_withheld_content_is_in_no_box_file_or_log(
    make_offices: Callable[..., Any], tools: Any, agency: str
) -> None:
    offices = make_offices(families=20, canary=tools.canary)
    offices.write_day(0)
    report = offices.step(offices.source(agency), tools.evening(0))
    assert report.withheld
    opened = [offices.content(agency, envelope) for envelope in offices.envelopes(agency)]
    assert any(tools.canary in repr(content) for content in opened)  # names are shown where consent allows it
    kept = [e["event_type"] for e in offices.envelopes(agency, "events")]
    assert len(kept) + sum(report.withheld.values()) == report.events - len(
        offices.envelopes(agency, "consents")
    )
    free_text = {"BEMERKUNG", "notiz"}
    assert not free_text & {name for content in opened for name in content}
    own = {"jobcenter.sqlite", "jobcenter.sqlite-wal", "keys.sqlite"}
    for file in offices.root.rglob("*"):
        if file.is_file() and file.name not in own and "export" not in file.parts:
            assert tools.canary.encode() not in file.read_bytes(), file.name
    assert tools.canary not in repr(report)


def test_the_gate_keeps_only_what_consents_open(offices: Any, tools: Any) -> None:
    """§ 65 and undisclosed categories never stand in an envelope of the youth office."""
    offices.write_day(0)
    offices.step(offices.source("ja-seestadt"), tools.evening(0))
    categories = {c for e in offices.envelopes("ja-seestadt", "events") for c in e["fields"].values()}
    assert categories <= {"ID", "HH", "FK", "TM", "HS", "HP", "VB", "G9"}
    assert "HI" not in categories


def test_renaming_every_column_of_the_database_changes_configuration_only(
    make_offices: Callable[..., Any], tools: Any
) -> None:
    plain, other = make_offices("plain"), make_offices("other")
    for offices in (plain, other):
        offices.write_day(0)
    engine = create_engine(f"sqlite:///{other.database}")
    columns = set()
    with engine.begin() as connection:
        for table in inspect(engine).get_table_names():
            for column in [c["name"] for c in inspect(engine).get_columns(table)]:
                columns.add(column)
                connection.execute(text(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "Neu_{column}"'))
    engine.dispose()
    other.edit("jc-seestadt", lambda toml: tools.renamed(toml, frozenset(columns)))
    for offices in (plain, other):
        report = offices.step(offices.source("jc-seestadt"), tools.evening(0))
        assert report.published
    assert plain.facts("jc-seestadt") == other.facts("jc-seestadt")


def test_renaming_every_column_of_the_export_changes_configuration_only(
    make_offices: Callable[..., Any], tools: Any
) -> None:
    plain, other = make_offices("plain"), make_offices("other")
    for offices in (plain, other):
        offices.write_day(0)
    folder = other.export / "2026-11-16"
    columns = set()
    for file in folder.glob("*.csv"):
        header, _, rest = file.read_bytes().partition(b"\r\n")
        columns |= set(header.decode("cp1252").split(";"))
        file.write_bytes(b";".join(b"Neu_" + name for name in header.split(b";")) + b"\r\n" + rest)
    tools.rewrite_manifest(folder)
    other.edit("ja-seestadt", lambda toml: tools.renamed(toml, frozenset(columns)))
    for offices in (plain, other):
        report = offices.step(offices.source("ja-seestadt"), tools.evening(0))
        assert report.published
    assert plain.facts("ja-seestadt") == other.facts("ja-seestadt")


def test_there_and_back_are_three_versions(offices: Any, tools: Any) -> None:
    """A → B → A (rule 1): street misspelt on day 1, corrected on day 2."""
    connector = None
    for day in range(3):
        offices.write_day(day)
        connector = connector or offices.source("ja-seestadt")
        offices.step(connector, tools.evening(day))
    versions: dict[bytes, list[tuple[int, str]]] = {}
    for envelope in offices.envelopes("ja-seestadt", "events"):
        if envelope["event_type"] == "PersonRegistered":
            content = offices.content("ja-seestadt", envelope)
            versions.setdefault(envelope["record_ref"], []).append(
                (envelope["source_version"], content["address"])
            )
    (three,) = [v for v in versions.values() if len(v) == 3]
    assert len({version for version, _ in three}) == 3
    assert three[0][1] == three[2][1] != three[1][1]


def test_same_snapshot_under_another_name_is_nothing_new(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source("ja-seestadt")
    offices.step(connector, tools.evening(0))
    (offices.export / "2026-11-16").rename(offices.export / "2026-11-17-noch-einmal")
    assert offices.step(connector, tools.evening(1)).events == 0


def test_late_commit_below_the_cursor_is_not_missed(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source("jc-seestadt")
    offices.step(connector, tools.evening(0))
    _execute(
        offices.database, "UPDATE T_TERMIN SET ORT = 'Rathaus', GEAENDERT_AM = '2026-11-16 02:10:00.000000'"
    )
    report = offices.step(connector, tools.evening(0) + timedelta(minutes=1))
    assert report.read > 0


def test_equal_times_across_a_page_are_all_read(offices: Any, tools: Any) -> None:
    offices.edit("jc-seestadt", lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 7\n"))
    offices.write_day(0)
    report = offices.step(offices.source("jc-seestadt"), tools.evening(0))
    names = [n for n in _tables(offices.database) if n not in ("T_SACHBEARBEITER", "T_ZUSTAENDIGKEIT")]
    assert report.read == sum(_count(offices.database, name) for name in names)


def test_a_clock_that_runs_ahead_hides_nothing(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    _execute(
        offices.database, "UPDATE T_TERMIN SET GEAENDERT_AM = '2031-01-01 00:00:00.000000' WHERE ROWID = 1"
    )
    connector = offices.source("jc-seestadt")
    offices.step(connector, tools.evening(0))
    _execute(
        offices.database, "UPDATE T_TERMIN SET ORT = 'Rathaus', GEAENDERT_AM = '2026-11-17 08:00:00.000000'"
    )
    assert offices.step(connector, tools.evening(1)).read > 0


def test_source_is_byte_identical_afterwards(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    before = {file: file.read_bytes() for file in [offices.database, *offices.export.rglob("*.csv")]}
    for agency in AGENCIES:
        offices.step(offices.source(agency), tools.evening(0))
    assert before == {file: file.read_bytes() for file in before}


def test_a_second_connector_on_the_same_state_refuses(offices: Any) -> None:
    from hub.errors import TryAgain

    offices.write_day(0)
    offices.source("jc-seestadt")
    with pytest.raises(TryAgain):
        offices.source("jc-seestadt")


def _execute(database: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _tables(database: Path) -> list[str]:
    engine = create_engine(f"sqlite:///{database}")
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _count(database: Path, table: str) -> int:
    engine = create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(table_(table))).scalar_one())
    finally:
        engine.dispose()
