"""`hub doctor`: says what is wrong and what to do, and creates nothing."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.clocks import ManualClock
from hub.adapters.keys.wrapping import as_text, new_master
from hub.adapters.log.sqlite import SqliteLog
from hub.danger.letter import Letter, encode
from hub.domain.clock import micros, moment
from hub.domain.heartbeat import Heartbeat, status_topic
from hub.domain.heartbeat import encode as encode_beat
from hub.ports import Outgoing
from tests.unit.cli.conftest import World, answer, hub

CHECKS = [
    "python",
    "settings",
    "disk_space",
    "agencies",
    "policy",
    "kek",
    "key_database_apart",
    "key_database",
    "ledger",
    "store",
    "read_models",
    "clock",
    "broken_narrowing",
    "control_records",
    "log",
    "topics",
    "danger_acknowledged",
    "connectors",
    "positions",
    "consents_caught_up",
]


def _by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in found["checks"]}


def test_a_running_hub_is_in_order(world: World) -> None:
    world.jobcenter.person("anna", "family")
    world.jobcenter.flush()
    world.run()
    found = answer("doctor")
    assert found["ok"] is True
    assert [check["name"] for check in found["checks"]] == CHECKS
    assert all(check["remedy"] == "" for check in found["checks"])
    assert "Alles in Ordnung" in hub("--lang", "de", "doctor").output


def test_a_hub_that_never_ran_is_not_created_by_looking(configured: Path) -> None:
    found = answer("doctor", code=1)
    checks = _by_name(found)
    assert found["ok"] is False
    assert [name for name, check in checks.items() if not check["ok"]] == ["key_database", "store", "log"]
    assert all(check["remedy"] for check in checks.values() if not check["ok"])
    assert not (configured / "var").exists()


def test_unread_consents_are_told(world: World) -> None:
    world.run()
    world.jobcenter.person("anna", "family")
    world.jobcenter.flush()
    check = _by_name(answer("doctor", code=1))["consents_caught_up"]
    assert (check["ok"], check["found"]) == (False, "1 records behind")


def test_who_is_silent_is_told_by_doctor_and_connectors(world: World) -> None:
    assert answer("connectors") == {"ok": True, "connectors": []}
    ago = micros(world.parts.clock.now() - timedelta(hours=2))
    beat = Heartbeat(agency="jc-a", connector="source", kind="sql", role="source", state="running", at=ago)
    earlier = SqliteLog(world.folder / "var" / "log.sqlite", ManualClock(moment(ago)))
    for one in (beat, replace(beat, connector="sink", role="sink", state="stopped")):
        earlier.append(status_topic("jc-a"), [Outgoing(one.connector.encode(), encode_beat(one))])
    earlier.close()
    found = answer("connectors", code=1)
    assert [(one["connector"], one["state"], one["said"]) for one in found["connectors"]] == [
        ("sink", "stopped", "stopped"),
        ("source", "silent", "running"),
    ]
    assert 7199 <= found["connectors"][1]["age_s"] < 7300
    shown = hub("connectors").output
    assert "silent" in shown
    assert "stopped" in shown
    assert "2 h" in shown
    check = _by_name(answer("doctor", code=1))["connectors"]
    assert check["found"].startswith("silent: jc-a/source for 7")
    assert "sink" not in check["found"]


def test_a_danger_report_that_waits_too_long_is_told(world: World) -> None:
    letter = Letter(bytes(16), "reported", "jc-a", "ja-a", 1)
    world.parts.log.append("agency.jc-a.danger", [Outgoing(b"d_1", encode(letter))])
    check = _by_name(answer("doctor", code=1))["danger_acknowledged"]
    assert (check["found"], check["remedy"]) == ("late: ja-a", "call this intake now")
    world.parts.log.append(
        "agency.ja-a.danger-answers",
        [Outgoing(b"d_1", encode(letter._replace(kind="acknowledged", up_to=1)))],
    )
    assert _by_name(answer("doctor"))["danger_acknowledged"]["ok"] is True


def test_another_key_than_the_one_it_began_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEK", as_text(new_master()))
    check = _by_name(answer("doctor", code=1))["key_database"]
    assert check["ok"] is False
    assert "wrapped under" in check["found"]


def test_keys_in_the_store_s_own_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEY_DATABASE_URL", f"sqlite:///{world.folder / 'var' / 'store.sqlite'}")
    assert _by_name(answer("doctor", code=1))["key_database_apart"]["ok"] is False


def test_a_key_file_that_others_may_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.folder / "master.key"
    file.write_text(as_text(new_master()), encoding="ascii")
    file.chmod(0o644)
    monkeypatch.setenv("HUB_KEK_FILE", str(file))
    monkeypatch.setenv("HUB_KEK", "")
    assert _by_name(answer("doctor", code=1))["kek"]["remedy"].startswith("chmod 600")


def test_a_log_that_is_older_than_the_store(world: World) -> None:
    world.jobcenter.person("anna", "family")
    world.jobcenter.flush()
    world.run()
    for file in (world.folder / "var").glob("log.sqlite*"):
        file.unlink()
    assert hub("topics", "apply").exit_code == 0
    check = _by_name(answer("doctor", code=1))["positions"]
    assert check["ok"] is False
    assert "after-a-restore" in check["remedy"]


def test_a_setting_that_cannot_be_used(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_PARTITIONS", "none")
    check = _by_name(answer("doctor", code=1))["settings"]
    assert "HUB_PARTITIONS" in check["found"]


def test_no_agencies_file(configured: Path) -> None:
    (configured / "agencies.toml").unlink()
    check = _by_name(answer("doctor", code=1))["agencies"]
    assert (check["ok"], check["remedy"]) == (False, "name it in HUB_AGENCIES")
