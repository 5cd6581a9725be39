"""`hub connect backfill`: asked beside a running connector, shown by status, stopped, refused where it cannot be."""

import base64
import json
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from connectors.pipeline.state.state import State
from hub.cli.connect import app
from hub.errors import ConfigurationError, UsageError

JC, JA = "jc-seestadt", "ja-seestadt"
OUTBOX = """
agency = { id = "jc-x", kind = "jobcenter" }
connector = { kind = "sql_outbox", state = "state.sqlite", pseudonyms = "p.sqlite" }
keys = { agency_key_file = "agency.key" }
settings = { url = "sqlite:///outbox.sqlite", table = "outbox", id = "nr", payload = "daten" }
[streams.hilfen]
key = "id"
[[streams.hilfen.events]]
type = "HelpStarted"
subject = "person"
case = "fall"
occurred_at = "am"
fields = { place = "ort" }
"""


def called(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def told(*arguments: str, code: int = 0) -> Any:
    return json.loads(called(*arguments, "--json", code=code))


def numbers(offices: Any) -> list[tuple[bytes, int]]:
    return [(envelope["event_id"], envelope["publication"]) for envelope in offices.envelopes(JC)]


def test_all_that_was_published_comes_again_under_its_own_numbers(
    house: Path, offices: Any, tools: Any
) -> None:
    config = str(house)
    called("run", config, "--once")
    before, facts = numbers(offices), offices.facts(JC)
    assert told("status", config)["backfill"] == []
    asked = told("backfill", config, "--rows-per-second", "1000")
    assert not asked["running"]
    assert asked["left_out"] == []
    assert told("backfill", config)["backfill"] == asked["backfill"], "asked twice is asked once"
    called("run", config, "--once")
    assert before
    assert Counter(numbers(offices)) == dict.fromkeys(before, 2)
    assert offices.facts(JC) == facts
    done = told("status", config)["backfill"]
    assert {one["stream"] for one in done} == set(asked["asked"])
    assert all(one["done"] for one in done)
    assert "fertig" in called("status", config)
    called("run", config, "--once")
    assert len(numbers(offices)) == 2 * len(before)


def test_a_running_connector_takes_it_up_and_lets_it_go(house: Path, offices: Any, tools: Any) -> None:
    config = str(house)
    offices.edit(JC, lambda toml: toml.replace("interval_seconds = 10", "batch = 2\ninterval_seconds = 1"))
    connector = offices.source(JC)
    at = tools.evening(0)
    offices.step(connector, at)
    before = len(numbers(offices))
    asked = told("backfill", config, "--stream", "personen", "--rows-per-second", "2")
    assert (asked["asked"], asked["running"]) == (["personen"], True)
    assert offices.step(connector, at + timedelta(seconds=1)).backfilled == 2
    (one,) = told("status", config)["backfill"]
    assert (one["rows"], one["done"], one["rows_per_second"]) == (2, None, 2)
    assert "Nachlieferung personen: 2 Zeilen" in called("status", config)
    assert "Nicht weiter" in called("backfill", config, "--stop")
    assert offices.step(connector, at + timedelta(hours=1)).backfilled == 0
    assert told("status", config)["backfill"] == []
    assert len(numbers(offices)) > before
    assert "nichts" in called("backfill", config, "--stop", code=1)


def test_an_unknown_stream_is_named(house: Path) -> None:
    called("run", str(house), "--once")
    result = CliRunner().invoke(app, ["backfill", str(house), "--stream", "strassen"])
    assert isinstance(result.exception, UsageError)
    assert "strassen" in str(result.exception)


def test_a_connector_that_never_ran_has_nothing_to_give_again(house: Path) -> None:
    result = CliRunner().invoke(app, ["backfill", str(house)])
    assert isinstance(result.exception, ConfigurationError)


def test_what_is_not_kept_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    config = tmp_path / "source.toml"
    config.write_text(OUTBOX, encoding="utf-8")
    State(tmp_path / "state.sqlite", lambda _: b"").close()
    result = CliRunner().invoke(app, ["backfill", str(config)])
    assert isinstance(result.exception, UsageError)
    assert "outbox" in result.exception.remedy
    assert told("status", str(config))["backfill"] == []


def test_a_stream_whose_files_are_gone_is_left_out(offices: Any, tools: Any, tmp_path: Path) -> None:
    offices.write_day(0)
    connector = offices.source(JA)
    offices.step(connector, tools.evening(0))
    assert set(connector._source.rereadable()) == set(connector._config.streams)
    shutil.rmtree(offices.export)
    offices.export.mkdir()
    assert set(connector._source.rereadable()) == set()
