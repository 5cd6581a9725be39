"""The agency's part of `hub explain`: what was read, what the gate kept back and by which rule, without a hub."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.pipeline.gate.journal import GateJournal
from hub.cli.app import app

JC = "jc-seestadt"


@pytest.fixture
def alone(offices: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An agency's own machine: no hub is configured here."""
    empty = tmp_path / "nowhere"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return offices


def explain(offices: Any, event_id: str, *more: str, code: int = 0) -> dict[str, Any]:
    config = str(offices.root / "jobcenter" / "source.toml")
    result = CliRunner().invoke(app, ["explain", event_id, "--connector", config, "--json", *more])
    assert result.exit_code == code, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_what_stayed_in_the_house_is_explained_there(alone: Any, tools: Any) -> None:
    alone.write_day(0)
    connector = alone.source(JC)
    report = alone.step(connector, tools.evening(0))
    example = next(one for one in report.examples if one.rule == "R04")
    answer = explain(alone, example.event_id)
    assert answer["event_type"] == example.event_type
    read, egress = answer["trail"]
    assert (read["point"], read["where"], read["kept"], read["rules"]) == ("read", example.place, [], [])
    assert (egress["point"], egress["outcome"], egress["kept"]) == ("egress", "withheld", [])
    assert egress["dropped"] == dict(example.dropped)
    assert egress["at"] == "2026-11-16T20:00:00Z"
    (rule,) = egress["rules"]
    assert (rule["rule"], rule["norm"][:5]) == ("R04", "§ 67b")
    told = CliRunner().invoke(
        app,
        [
            "explain",
            example.event_id,
            "--lang",
            "de",
            "--connector",
            str(alone.root / "jobcenter" / "source.toml"),
        ],
    )
    assert "Das Amt hat nichts davon abgegeben" in told.output
    assert explain(alone, "0" * 32, code=1)["trail"] == []


def test_what_left_is_explained_with_what_was_kept(alone: Any, tools: Any) -> None:
    alone.write_day(0)
    alone.step(alone.source(JC), tools.evening(0))
    for envelope in alone.envelopes(JC)[:20]:
        egress = explain(alone, envelope["event_id"].hex())["trail"][-1]
        assert (egress["point"], egress["kept"]) == ("egress", sorted(envelope["fields"]))
        assert egress["outcome"] == ("narrowed_down" if egress["dropped"] else "passed")


def test_every_verdict_is_kept_once_and_for_its_days(alone: Any, tools: Any) -> None:
    alone.write_day(0)
    connector = alone.source(JC)
    first = alone.step(connector, tools.evening(0))
    db = connector._state.db
    count = "SELECT count(*) FROM judged WHERE publication = ?"
    assert db.execute(count, (0,)).fetchone()[0] == sum(first.withheld.values())
    published = {(e["event_id"], e["publication"]) for e in alone.envelopes(JC)}
    assert {
        (row[0], row[1])
        for row in db.execute("SELECT event_id, publication FROM judged WHERE publication > 0")
    } == published
    alone.step(connector, tools.evening(0) + timedelta(minutes=5))
    assert db.execute(count, (0,)).fetchone()[0] == sum(first.withheld.values())
    alone.step(connector, tools.evening(0) + timedelta(days=181))
    assert not GateJournal(db).of(next(iter(published))[0])


def test_no_value_is_in_it(alone: Any, tools: Any) -> None:
    alone.write_day(0)
    connector = alone.source(JC)
    alone.step(connector, tools.evening(0))
    alone.step(connector, tools.evening(0))
    values = {
        str(value)
        for e in alone.envelopes(JC)
        for value in alone.content(JC, e).values()
        if len(str(value)) > 4
    }
    kept = "\n".join(
        str(row) for row in connector._state.db.execute("SELECT event_type, place, kept, dropped FROM judged")
    )
    assert values
    assert not [value for value in values if value in kept]
