"""`hub up`, `topics`, `keys`, `rebuild`: what they print, write and refuse."""

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from hub.adapters.keys.wrapping import controller_kek, master_key
from hub.dev.servers.process import free_port
from hub.domain.clock import micros
from hub.domain.heartbeat import Heartbeat, encode, status_topic
from hub.ports import Outgoing
from tests.unit.cli.conftest import World, answer, hub


def _exit_code(*arguments: str) -> object:
    result = hub(*arguments)
    return getattr(result.exception, "exit_code", result.exit_code)


def test_topics_are_shown_before_and_after_they_are_made(configured: Path) -> None:
    before = answer("topics", "show", code=1)
    assert {tuple(one["differs"]) for one in before["topics"]} == {("missing",)}
    assert not (configured / "var").exists()
    created = answer("topics", "apply")["created"]
    assert "hub.cases" in created
    after = answer("topics", "show")
    assert after["ok"] is True
    assert [one["topic"] for one in after["topics"]] == created
    assert answer("topics", "apply")["created"] == []


def test_topics_tell_where_they_differ(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer("topics", "apply")
    monkeypatch.setenv("HUB_PARTITIONS", "8")
    monkeypatch.setenv("HUB_TOPIC_TIMESTAMPS", "create")
    cases = next(one for one in answer("topics", "show", code=1)["topics"] if one["topic"] == "hub.cases")
    assert {"partitions", "message.timestamp.type"} <= set(cases["differs"])
    assert cases["partitions"] == {"declared": 8, "found": 4}


def test_a_new_master_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    assert answer("keys", "init", str(file)) == {"file": str(file)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(master_key(kek_file=file)) == 32


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    hub("keys", "init", str(file))
    before = file.read_bytes()
    assert _exit_code("keys", "init", str(file)) == 64
    assert file.read_bytes() == before


def test_an_agency_gets_its_own_key_and_no_other(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master, own = configured / "master.key", configured / "jc.key"
    hub("keys", "init", str(master))
    monkeypatch.delenv("HUB_KEK")
    monkeypatch.setenv("HUB_KEK_FILE", str(master))
    assert answer("keys", "controller", "jc-a", str(own)) == {"controller": "jc-a", "file": str(own)}
    assert master_key(kek_file=own) == controller_kek(master_key(kek_file=master), "jc-a")
    assert master_key(kek=answer("keys", "controller", "ja-a")["key"]) != master_key(kek_file=own)
    assert _exit_code("keys", "controller", "nobody") == 64


def test_rebuild_tells_what_it_found(world: World) -> None:
    world.jobcenter.person("anna", "family")
    consent = world.jobcenter.grant("anna", "family", ["ja-a"])
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.run()
    joint = answer("rebuild", "joint_case")
    assert joint == {"name": "joint_case", "events": 1, "rows": 1, "divergence": 0, "generation": 2}
    assert answer("rebuild", "consent_register")["rows"] == 2
    assert "ohne Abweichung" in hub("--lang", "de", "rebuild", "joint_case").output
    assert _exit_code("rebuild", "nothing") == 64


def test_up_takes_what_is_there(world: World) -> None:
    world.jobcenter.person("anna", "family")
    consent = world.jobcenter.grant("anna", "family", ["ja-a"])
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    found = answer("up", "--once")
    assert found["stages"]["consents"] == 1
    assert found["stages"]["admit"] == 1
    assert answer("doctor")["ok"] is True


def test_up_tells_of_connectors(world: World) -> None:
    """Over the settings' own port, as Prometheus asks."""
    at = micros(world.parts.clock.now())
    beat = Heartbeat(
        agency="jc-a", connector="sink", kind="staging", role="sink", state="auth", at=at, last_success=at
    )
    world.parts.log.append(status_topic("jc-a"), [Outgoing(b"sink", encode(beat))])
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "up"],
        stderr=subprocess.PIPE,
        env=os.environ | {"HUB_METRICS_PORT": str(port)},
    )
    try:
        assert process.stderr is not None
        assert b"embedded hub" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
    finally:
        process.kill()
        process.communicate()
    assert 'hub_connector_status{agency="jc-a",source="sink",state="auth"} 1.0' in text
    assert 'hub_connector_last_success_timestamp_seconds{agency="jc-a",source="sink"}' in text


def test_up_ends_on_sigterm(configured: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "up", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "embedded hub: 2 agencies" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert '"stages"' in out
    assert time.monotonic() - began < 20


def test_up_is_for_the_embedded_host(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_HOST", "kafka")
    assert _exit_code("up") == 78
