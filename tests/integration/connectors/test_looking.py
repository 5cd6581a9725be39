"""Shadow month and candidates: the agency's own data, looked at and sent nowhere."""

import base64
import json
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.pipeline.config.connector import load_config
from connectors.tools.candidates.find import find
from connectors.tools.candidates.groups import Group, load_groups, packaged
from hub.cli.connect import app
from hub.cli.connect.standing import standing
from hub.errors import ConfigurationError


@pytest.fixture
def office(offices: Any, tools: Any) -> Any:
    """Goes to an evening of the story; the youth office's folder knows its key and the story's time."""
    folder: Path = offices.root / "youth_office"
    (folder / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    offices.edit(
        "ja-seestadt", lambda toml: toml.replace("[connector]\n", '[connector]\nclock_file = "clock"\n')
    )

    def go(day: int) -> Path:
        offices.write_day(day)
        (folder / "clock").write_text(tools.evening(day).isoformat(), encoding="ascii")
        return folder / "source.toml"

    return go


def called(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_shadow_month_counts_day_by_day_and_nothing_twice(office: Any) -> None:
    config = str(office(0))
    first = called("shadow", config, "--json")
    again = called("shadow", config, "--json")
    assert first == again
    assert first["days"] == 1
    office(1)
    later = called("shadow", config, "--json")
    assert later["days"] == 2
    assert sum(line["flowed"] for line in later["events"]) > sum(line["flowed"] for line in first["events"])
    assert called("shadow", config, "--json", "--report") == later


def test_the_shadow_sees_what_the_preview_sees(office: Any) -> None:
    config = str(office(0))
    shadow, preview = called("shadow", config, "--json"), called("preview", config, "--json")
    flowing = [r for r in preview["records"] if any(f["fate"] != "withheld" for f in r["fields"])]
    assert sum(line["flowed"] for line in shadow["events"]) == len(flowing)
    withheld = len(preview["records"]) - len(flowing)
    assert sum(shadow["withheld"].values()) == withheld


def test_few_people_are_not_reportable(office: Any) -> None:
    lines = {line["event_type"]: line for line in called("shadow", str(office(0)), "--json")["events"]}
    assert not any(line["reportable"] for line in lines.values() if line["flowed"] < 5)
    assert any(line["reportable"] for line in lines.values())


def test_the_live_state_is_not_touched(office: Any) -> None:
    config = office(0)
    called("shadow", str(config), "--json")
    assert [file.name for file in (config.parent / "state").iterdir() if file.suffix == ".sqlite"] == [
        "shadow.sqlite"
    ]


def test_candidates_name_cases_and_groups_and_nothing_else(office: Any, tmp_path: Path) -> None:
    config, out = str(office(0)), tmp_path / "liste.json"
    answer = called("candidates", config, "--json")
    assert answer["candidates"]
    assert all(one.keys() == {"case", "groups"} for one in answer["candidates"])
    assert [one["case"] for one in answer["candidates"]] == sorted(
        one["case"] for one in answer["candidates"]
    )
    assert CliRunner().invoke(app, ["candidates", config, "--out", str(out)]).exit_code == 0
    assert json.loads(out.read_text(encoding="utf-8")) == answer
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_criterion_nobody_agreed_on_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "groups.toml"
    file.write_text('[[group]]\nid = "a"\nlabel = "A"\nnationality = "123"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="unknown key: nationality"):
        load_groups(file)
    file.write_text('[[group]]\nid = "a"\nlabel = "A"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no criterion"):
        load_groups(file)


def test_the_packaged_groups_are_those_of_the_practice() -> None:
    assert [group.id for group in load_groups(packaged())] == [
        "long_term",
        "school_to_work",
        "single_parents",
        "large_households",
        "language",
    ]


def test_nobody_is_found_in_nothing() -> None:
    assert find([], [Group(id="a", label="A", members_at_least=1)], date(2026, 11, 1)) == []


def test_status_before_the_first_run_makes_nothing(house: Path) -> None:
    """Looked at by root, a file that it made would be closed to the connector's own account."""
    before = sorted(house.parent.rglob("*"))
    found = standing(load_config(house))
    assert (found.state, found.beat, found.paused) == ("never", None, None)
    assert sorted(house.parent.rglob("*")) == before
