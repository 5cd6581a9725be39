"""`hub connect key`: a new key while everything is at work, killed at its worst moments, and with parts that do not
fit."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.publish.keyring import agency_keys
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import Connector, build_source
from hub.cli.connect import app
from hub.errors import ConfigurationError, HubError, StartAgain

JC = "jc-seestadt"


def rotated(*arguments: object) -> Any:
    found = CliRunner().invoke(app, ["key", "rotate", *map(str, arguments)])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture
def source(offices: Any, house: Path) -> Any:
    """Builds the jobcenter's connector with the keys that its file holds now."""

    def build() -> Connector:
        config = load_config(house)
        found = build_source(config, agency_keys(config.keys.agency_key_file), offices.keys(JC), offices.log)
        offices._open.append(found)
        return found

    return build


def ran(offices: Any, source: Any, at: Any) -> list[Any]:
    """A life that reads everything."""
    connector, reports = source(), list[Any]()
    while not reports or reports[-1].more or reports[-1].published:
        reports.append(offices.step(connector, at))
    offices.close_all()
    return reports


def table(house: Path) -> Pseudonyms:
    return Pseudonyms(load_config(house).pseudonyms)


def test_nothing_comes_twice_and_everybody_keeps_the_name(
    offices: Any, house: Path, source: Any, tools: Any
) -> None:
    ran(offices, source, tools.evening(0))
    before, waiting = offices.facts(JC), source()._state.quarantined()
    (old,) = agency_keys(house.parent / "agency.key")
    offices.close_all()

    said = rotated("--config", house, "--config", house.parent / "sink.toml")
    assert "Bekannte behalten ihr Pseudonym" in said.stdout
    new, first = agency_keys(house.parent / "agency.key")
    assert (first, (house.parent / "agency.key").stat().st_mode & 0o777) == (old, 0o600)
    (report,) = ran(offices, source, tools.evening(0))
    assert (report.published, report.read) == (0, 0)
    assert (offices.facts(JC), source()._state.quarantined()) == (before, waiting)
    offices.close_all()

    known = {e["subject_ref"] for e in offices.envelopes(JC)}
    offices.edit(JC, lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 50\n"))
    for day in (1, 2, 3):
        offices.write_day(day)
        ran(offices, source, tools.evening(day))
    with closing(table(house)) as names:
        for ref, local in names.all():
            assert local
            assert ref == (old.person if local.kind == "person" else old.case)(local.local_id)
        assert {ref for ref, _ in names.all()} >= known
    seen = json.loads(CliRunner().invoke(app, ["preview", str(house), "--json"]).stdout)["records"]
    assert {one["subject_ref"] for one in seen} >= known, "the preview names as the connector does"
    shown = json.loads(CliRunner().invoke(app, ["key", "show", "--config", str(house), "--json"]).stdout)
    assert shown["fits"]
    assert [one["fingerprint"] for one in shown["keys"]] == [new.fingerprint, old.fingerprint]
    assert shown["keys"][1]["persons"] > 0
    assert all(key.secret.hex() not in json.dumps(shown) for key in (old, new))


def test_a_running_process_stops_before_it_names_anybody(
    offices: Any, house: Path, source: Any, tools: Any
) -> None:
    connector = source()
    rotated("--config", house)
    with pytest.raises(StartAgain):
        offices.step(connector, tools.evening(0))
    assert not offices.envelopes(JC)
    offices.close_all()
    assert ran(offices, source, tools.evening(0))[0].published
    newest, _ = agency_keys(house.parent / "agency.key")
    with closing(table(house)) as names:
        assert all(
            ref in (newest.person(one.local_id), newest.case(one.local_id)) for ref, one in names.all() if one
        )


@pytest.mark.parametrize("point", ["file.before_replace", "rotation.before_mark"])
def test_killed_on_the_way_the_next_call_ends_it(
    offices: Any, house: Path, source: Any, tools: Any, point: str
) -> None:
    ran(offices, source, tools.evening(0))
    before = agency_keys(house.parent / "agency.key")
    verb = "import sys; from hub.cli.connect import app; app(['key', 'rotate', '--config', sys.argv[1]])"
    env = {**os.environ, "HUB_FAILPOINT": point}
    done = subprocess.run([sys.executable, "-c", verb, str(house)], env=env, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    held = agency_keys(house.parent / "agency.key")
    assert held[-1:] == before
    if point == "rotation.before_mark":
        assert len(held) == 2
        with pytest.raises(ConfigurationError):
            source()
    else:
        assert ran(offices, source, tools.evening(0))[0].published == 0

    said = json.loads(rotated("--config", house, "--json").stdout)
    assert said["finished"] == (point == "rotation.before_mark")
    assert len(agency_keys(house.parent / "agency.key")) == said["keys"] == 2
    assert ran(offices, source, tools.evening(0))[0].published == 0


def test_a_lost_table_is_refused_and_a_copy_from_after_the_rotation_is_enough(
    offices: Any, house: Path, source: Any, tools: Any
) -> None:
    ran(offices, source, tools.evening(0))
    names, copy = load_config(house).pseudonyms, house.parent / "copy.sqlite"
    old_copy = house.parent / "older.sqlite"
    shutil.copy(names, old_copy)
    rotated("--config", house)
    shutil.copy(names, copy)
    offices.write_day(1)
    ran(offices, source, tools.evening(1))
    facts = offices.facts(JC)
    for lost in (None, old_copy):
        names.unlink()
        if lost:
            shutil.copy(lost, names)
        with pytest.raises(ConfigurationError):
            source()
        with pytest.raises(ConfigurationError):
            rotated("--config", house)
    names.unlink()
    shutil.copy(copy, names)
    ran(offices, source, tools.evening(1))
    assert offices.facts(JC) == facts


def test_with_an_empty_table_nobody_is_renamed_and_a_backfill_fills_it(
    offices: Any, house: Path, source: Any, tools: Any
) -> None:
    ran(offices, source, tools.evening(0))
    with closing(table(house)) as names:
        before = dict(names.all())
    load_config(house).pseudonyms.unlink()
    for _ in ("gone", "empty"):
        with pytest.raises(ConfigurationError, match="lacks") as error:
            rotated("--config", house)
        assert "backfill" in error.value.remedy
        assert len(agency_keys(house.parent / "agency.key")) == 1
        table(house).close()

    CliRunner().invoke(app, ["backfill", str(house)])
    connector, at = source(), tools.evening(0)
    while (report := offices.step(connector, at)).backfilled or report.more or report.read:
        at += timedelta(seconds=10)
    offices.close_all()
    with closing(table(house)) as names:
        assert dict(names.all()) == before
    rotated("--config", house)
    assert ran(offices, source, at)[0].published == 0


def test_connectors_that_share_too_little_are_refused(offices: Any, house: Path) -> None:
    other = house.with_name("other.toml")
    text = house.read_text(encoding="utf-8")
    for change in (
        ('"state/pseudonyms.sqlite"', '"state/others.sqlite"'),
        ('"agency.key"', '"controller.kek"'),
        (f'id = "{JC}"', 'id = "jc-luenen"'),
    ):
        assert change[0] in text
        other.write_text(text.replace(*change), encoding="utf-8")
        with pytest.raises(HubError) as error:
            rotated("--config", house, "--config", other)
        assert "is not the same" in error.value.message
    lent = text.replace('"agency.key"', '"/run/credentials/x/agency.key"')
    other.write_text(lent, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="lends"):
        rotated("--config", other)
    assert (
        rotated("--config", other, "--key-file", house.parent / "agency.key", "--lang", "en").exit_code == 0
    )
    assert len(agency_keys(house.parent / "agency.key")) == 2


def test_the_check_says_whether_keys_and_table_belong_together(house: Path) -> None:
    def line() -> dict[str, Any]:
        found = CliRunner().invoke(app, ["check", str(house), "--json", "--rows", "1"]).stdout
        return next(one for one in json.loads(found)["checks"] if one["name"] == "key_ring")

    rotated("--config", house)
    assert (line()["ok"], "2 Schlüssel" in line()["found"]) == (True, True)
    load_config(house).pseudonyms.unlink()
    assert (line()["ok"], bool(line()["remedy"])) == (False, True)
