"""What waits at an agency: shown without a value, read again when asked, let go with a reason; pause and status."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.state.heartbeat import Pulse
from hub.adapters.clocks import ManualClock
from hub.cli.connect import app
from hub.cli.connect.run import Runner
from hub.errors import AccessRefused, KeyServiceUnavailable, ServiceUnavailable, TryAgain

MASTER = bytes(range(32))
STRANGE = "ZZSTRANGE"


def called(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def told(*arguments: str, code: int = 0) -> Any:
    return json.loads(called(*arguments, "--json", code=code))


def test_what_waits_is_named_without_its_value(house: Path, break_a_code: Any) -> None:
    break_a_code()
    config = str(house)
    called("run", config, "--once")
    (entry,) = told("quarantine", "list", config)["quarantine"]
    assert (entry["reason"], entry["column"]) == ("unknown_code", "GESCHLECHT")
    shown = called("quarantine", "show", config, entry["name"][:4])
    assert entry["remedy"] in " ".join(shown.split())
    assert STRANGE not in shown + called("quarantine", "list", config)


def test_what_waits_leads_to_its_row(house: Path, break_a_code: Any, offices: Any) -> None:
    break_a_code()
    config = str(house)
    called("run", config, "--once")
    (entry,) = told("quarantine", "list", config)["quarantine"]
    with closing(sqlite3.connect(offices.database)) as db:
        query = "SELECT KDNR FROM T_PERSON WHERE rowid = (SELECT min(rowid) FROM T_PERSON)"
        (number,) = db.execute(query).fetchone()
    shown = told("quarantine", "show", config, entry["name"])
    assert (shown["key"], shown["delivery"]) == ({"KDNR": str(number)}, None)
    assert f"Schlüssel: KDNR = {number}" in called("quarantine", "show", config, entry["name"])
    with closing(sqlite3.connect(offices.database)) as db, db:
        db.execute("DELETE FROM T_PERSON WHERE KDNR = ?", (number,))
    assert told("quarantine", "show", config, entry["name"])["key"] is None


def test_of_a_file_the_delivery_is_named_too(youth_house: Path) -> None:
    (path,) = youth_house.parent.glob("export/*/personen.csv")
    lines = path.read_text(encoding="cp1252").split("\n")
    cells = lines[1].split(";")
    number, cells[lines[0].split(";").index("geschlecht")] = cells[0], STRANGE
    lines[1] = ";".join(cells)
    before = path.read_bytes()
    path.write_text("\n".join(lines), encoding="cp1252", newline="")
    manifest = path.with_name("manifest.json")
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(sha256(before).hexdigest(), sha256(path.read_bytes()).hexdigest()))
    config = str(youth_house)
    called("run", config, "--once")
    waiting = told("quarantine", "list", config)["quarantine"]
    entry = next(one for one in waiting if one["stream"] == "personen")
    shown = told("quarantine", "show", config, entry["name"])
    day = path.parent.name
    assert shown["key"] == {"personen_nr": number}
    assert shown["delivery"] == {"file": f"{day}/personen.csv", "day": day}
    (line,) = [
        one for one in called("quarantine", "show", config, entry["name"]).split("\n") if "Lieferung" in one
    ]
    assert line == f"Lieferung: {day}/personen.csv vom {'.'.join(reversed(day.split('-')))}"


def test_what_waits_is_read_again_by_the_running_connector(
    house: Path, break_a_code: Any, offices: Any, tools: Any
) -> None:
    offices.edit(
        "jc-seestadt",
        lambda toml: toml.replace("overlap_seconds = 3600", "overlap_seconds = 1\nreconcile_minutes = 0"),
    )
    good, config = break_a_code(), str(house)
    connector = offices.source("jc-seestadt")
    offices.step(connector, tools.evening(0))
    (entry,) = told("quarantine", "list", config)["quarantine"]
    with closing(sqlite3.connect(offices.database)) as db, db:
        newest = "WHERE rowid = (SELECT max(rowid) FROM T_PERSON)"
        db.execute(f"UPDATE T_PERSON SET GEAENDERT_AM = '2026-11-17 10:00:00.000000' {newest}")  # noqa: S608
    offices.step(connector, tools.evening(1))
    break_a_code(good)  # corrected without a new version: only a second reading finds it
    offices.step(connector, tools.evening(1))
    assert [one["name"] for one in told("quarantine", "list", config)["quarantine"]] == [entry["name"]]
    called("quarantine", "retry", config, entry["name"])
    before = offices.facts("jc-seestadt")
    offices.step(connector, tools.evening(1))
    assert told("quarantine", "list", config)["quarantine"] == []
    assert set(offices.facts("jc-seestadt")) >= set(before)


def test_what_was_let_go_stays_gone_until_it_changes(house: Path, break_a_code: Any) -> None:
    break_a_code()
    config = str(house)
    called("run", config, "--once")
    (entry,) = told("quarantine", "list", config)["quarantine"]
    called("quarantine", "drop", config, entry["name"], "--reason", "Testfall der Fachanwendung")
    called("quarantine", "retry", config, "--all")
    called("run", config, "--once")
    found = told("quarantine", "list", config)
    assert found["quarantine"] == []
    (gone,) = found["dropped"]
    assert (gone["why"], gone["place"]) == ("Testfall der Fachanwendung", entry["place"])
    assert (gone["reason"], gone["column"]) == ("unknown_code", "GESCHLECHT")
    break_a_code("ZZANOTHER")
    called("run", config, "--once")
    assert [one["name"] for one in told("quarantine", "list", config)["quarantine"]] == [entry["name"]]


def test_nothing_is_let_go_without_a_reason_and_no_stream_as_a_whole(
    house: Path, break_a_code: Any, offices: Any
) -> None:
    break_a_code()
    config = str(house)
    called("run", config, "--once")
    (entry,) = told("quarantine", "list", config)["quarantine"]
    result = CliRunner().invoke(app, ["quarantine", "drop", config, entry["name"], "--reason", "  "])
    assert "needs a reason" in str(result.exception)
    offices.edit("jc-seestadt", lambda toml: toml.replace('"GESCHLECHT"', '"NICHTDA"'))
    called("run", config, "--once")
    whole = next(
        one for one in told("quarantine", "list", config)["quarantine"] if one["reason"] == "column_missing"
    )
    result = CliRunner().invoke(app, ["quarantine", "drop", config, whole["name"], "--reason", "weg"])
    assert "not let go" in str(result.exception)
    assert whole["name"] in {one["name"] for one in told("quarantine", "list", config)["quarantine"]}


def test_a_paused_connector_rests_after_its_step_and_goes_on_where_it_was(house: Path, tools: Any) -> None:
    settings = load_config(house)
    runner = Runner(settings, ManualClock(tools.evening(0)))
    try:
        called("pause", str(house), "--reason", "Wartung der Fachanwendung")
        runner.loop(Event(), once=True, as_json=False)
        resting = told("status", str(house))
        assert (resting["state"], resting["totals"]) == ("paused", {})
        assert resting["paused"]["why"] == "Wartung der Fachanwendung"
        called("resume", str(house))
        runner.loop(Event(), once=True, as_json=False)
        running = told("status", str(house))
        assert running["state"] == "running"
        assert running["totals"]["published"] > 0
        assert running["pid"] is not None
        with pytest.raises(TryAgain, match="another connector is running"):
            Runner(settings, ManualClock(tools.evening(0)))
    finally:
        runner.close()
    assert told("status", str(house))["state"] == "stopped"
    assert "ruhte nicht" in called("resume", str(house), code=1)


@pytest.mark.parametrize(
    ("error", "state"),
    [(ServiceUnavailable, "waiting"), (KeyServiceUnavailable, "waiting"), (AccessRefused, "auth")],
)
def test_status_counts_from_the_last_success_and_says_what_is_away(
    house: Path, tools: Any, error: type[ServiceUnavailable], state: str
) -> None:
    clock, later = ManualClock(tools.evening(0)), tools.evening(0) + timedelta(minutes=5)
    runner = Runner(load_config(house), clock)
    runner.loop(Event(), once=True, as_json=False)
    clock.set(later)
    (house.parent / "clock").write_text(later.isoformat(), encoding="ascii")

    def away(now: datetime) -> None:
        raise error("does not answer", place="database", remedy="ask the database's people")

    runner._part.step = away
    with pytest.raises(error):
        runner.loop(Event(), once=True, as_json=False)
    found = told("status", str(house))
    assert (found["state"], found["lag_s"]) == (state, 300)
    trouble = found["trouble"]
    assert (trouble["place"], trouble["remedy"]) == ("database", "ask the database's people")
    assert trouble["status"] == ("AUTH" if state == "auth" else "AWAY")
    assert trouble["since"] == later.isoformat()
    assert "ask the database's people" in called("status", str(house))
    runner.close()


def test_the_pulse_survives_its_process(tmp_path: Path, tools: Any) -> None:
    with closing(Pulse(tmp_path / "state.sqlite")) as pulse:
        assert (pulse.last(), pulse.paused()) == (None, None)
        pulse.pause(tools.evening(0), "")
    with closing(Pulse(tmp_path / "state.sqlite")) as pulse:
        paused = pulse.paused()
        assert paused is not None
        assert paused.since == tools.evening(0)
        assert pulse.resume()
        assert not pulse.resume()
