"""`hub demo` and `hub bench` as the command-line contract has them: in a process of their own, without a network."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.dev.demo import balance

DEMO = {
    "read": int,
    "events": int,
    "published": int,
    "withheld": dict,
    "source_quarantined": dict,
    "admitted": int,
    "withheld_at_admission": dict,
    "held": int,
    "quarantined": dict,
    "duplicates": int,
    "joint_cases": int,
    "disclosures": int,
    "withdrawals": int,
    "explained": dict,
    "seconds": float,
}
BENCH = {
    "host": str,
    "events": int,
    "workers": int,
    "environment": dict,
    "stages": dict,
    "end_to_end_events_per_s": float,
    "floor_events_per_s": float,
    "ratio_to_floor": float,
    "latency_ms": dict,
    "withdrawal_ms": dict,
    "rebuild_events_per_s": float,
    "per_event_us": dict,
    "peak_rss_mb": float,
    "applied": int,
    "duplicates_applied": int,
    "lost": int,
}
ENVIRONMENT = {"cores", "memory_gb", "kafka", "postgresql", "python", "faust"}
STEPS = {"decode", "decide", "open", "seal", "encode", "audit", "sql", "publish"}
OFFLINE = """
import socket, sys
def refuse(*_): raise OSError("this test has no network")
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = socket.getaddrinfo = refuse
sys.argv[0] = "hub"
from hub.cli import main
main()
"""


def hub(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder, without any setting, and without a network: whoever asks for one fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return subprocess.run(
        [sys.executable, "-c", OFFLINE, *arguments],
        capture_output=True,
        text=True,
        env=env,
        cwd=folder,
        timeout=240,
        check=False,
    )


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    """The one JSON object that it prints; nothing else is on standard output, nothing at all on standard error."""
    done = hub(folder, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(folder.iterdir()) == [], "it leaves nothing behind"
    return found


def typed(found: dict[str, Any], keys: dict[str, type]) -> None:
    assert keys.keys() <= found.keys()
    assert {name: type(found[name]) for name in keys} == keys


def test_offline_means_offline(tmp_path: Path) -> None:
    """The counterpart: a verb that needs the network fails in the same surroundings."""
    code = OFFLINE.replace("from hub.cli import main\nmain()", "socket.create_connection(('127.0.0.1', 1))")
    assert code != OFFLINE
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "this test has no network" in done.stderr


def test_demo_counts_balance_and_repeat(tmp_path: Path) -> None:
    first, again = (answer(tmp_path, "demo", "--json") for _ in range(2))
    typed(first, DEMO)
    assert balance(first)
    assert min(first["admitted"], first["joint_cases"], first["disclosures"], first["withdrawals"]) > 0
    assert sum(first["withheld"].values()) > 0
    counts = DEMO.keys() - {"seconds"}
    assert {name: again[name] for name in counts} == {name: first[name] for name in counts}


def test_demo_explains_a_withheld_event(tmp_path: Path) -> None:
    explained = answer(tmp_path, "demo", "--json", "--families", "4")["explained"]
    assert explained["outcome"] == "withheld"
    assert len(bytes.fromhex(explained["event_id"])) == 16
    assert all(reason["rule"] and reason["norm"] and reason["text"] for reason in explained["reasons"])
    assert explained["reasons"]


def test_the_explained_event_never_left_its_agency(tmp_path: Path) -> None:
    """Asked of the stores at the end, not of the report in which it was withheld first."""
    done = hub(tmp_path, "demo", "--json", "--keep", "kept")
    found = json.loads(done.stdout)
    event = found["explained"]["event_id"]
    trail = json.loads(hub(tmp_path / "kept", "explain", event, "--json").stdout)["trail"]
    assert {step["point"] for step in trail} == {"read", "egress"}
    assert {step["outcome"] for step in trail if step["point"] == "egress"} == {"withheld"}
    with closing(sqlite3.connect(tmp_path / "kept" / "hub" / "store.sqlite")) as store:
        for table in ("decision", "held", "case_row", "consent_row"):
            known = store.execute(f"SELECT count(*) FROM {table} WHERE event_id = ?", (event,))  # noqa: S608
            assert known.fetchone() == (0,), table
    assert 0 < found["never_published"] < sum(found["withheld"].values())


def test_a_used_port_is_said_before_the_work(tmp_path: Path) -> None:
    code = OFFLINE.replace(
        "from hub.cli import main",
        "import hub.dev.demo as demo\ndemo.Demo = None  # nothing may begin\nfrom hub.cli import main",
    )
    call = [sys.executable, "-c", code, "demo", "--serve", "--port", "8080"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "hub: --port: port 8080 cannot be used → name one that is free, as --port 8081\n"


def test_the_commands_at_the_end_work_as_they_stand_there(tmp_path: Path) -> None:
    def commands(text: str) -> list[str]:
        return [
            line.strip()
            for line in text.splitlines()
            if (line.startswith("  ") and " demo --" in line) or "(cd" in line
        ]

    done = hub(tmp_path, "demo", "--families", "2")
    serve, explain = commands(done.stdout)
    assert serve.endswith("demo --families 2 --seed 1 --serve")
    folder = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}

    def copied(command: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-ec", command], capture_output=True, text=True, cwd=tmp_path, env=env, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    for command in commands(copied(explain)):
        if not command.endswith("--serve"):
            copied(command)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, sign: signal.Signals) -> None:
    env = os.environ | {"TMPDIR": str(tmp_path)}
    call = [sys.executable, "-m", "hub", "demo"]
    listening = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a background job of a shell ignores Ctrl-C
    with subprocess.Popen(
        call,
        env=env,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=listening,  # noqa: PLW1509 -- no thread is alive
    ) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("hub-demo-*/jobcenter/state")):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(sign)
        _, said = process.communicate(timeout=60)
    assert process.returncode in {1, 128 + sign}
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(process.pid, 0)


def test_demo_leaves_a_world_to_look_into(tmp_path: Path) -> None:
    """The event that stayed with its agency is explained there, and others all the way to their recipients."""
    done = hub(tmp_path, "demo", "--json", "--families", "3", "--keep", "kept")
    assert done.returncode == 0, done.stderr
    explained = json.loads(done.stdout)["explained"]
    found = json.loads(hub(tmp_path / "kept", "explain", explained["event_id"], "--json").stdout)
    stayed = [step for step in found["trail"] if step["outcome"] == "withheld"]
    assert [step["point"] for step in found["trail"]][:2] == ["read", "egress"]
    assert {rule["rule"] for rule in stayed[-1]["rules"]} == {
        reason["rule"] for reason in explained["reasons"]
    }
    assert stayed[-1]["where"] == explained["place"]
    assert hub(tmp_path / "kept", "explain", "0" * 32).returncode == 1
    assert hub(tmp_path, "demo", "--keep", "kept").returncode == 64


def test_an_auditor_finds_nothing_in_the_demo(tmp_path: Path) -> None:
    """Neither a release without a ground nor one that crossed its withdrawal, although people take consents back."""
    done = hub(tmp_path, "demo", "--json", "--keep", "kept")
    assert json.loads(done.stdout)["withdrawals"] > 0
    audited = json.loads(hub(tmp_path / "kept", "audit", "verify", "--json").stdout)
    assert audited["releases"] > 0
    for name in ("without_consent", "in_flight", "unprovable", "worthless"):
        assert audited[name] == 0, name


def test_demo_speaks_german(tmp_path: Path) -> None:
    done = hub(tmp_path, "demo", "--families", "4")
    assert done.returncode == 0
    for word in ("gelesen", "veröffentlicht", "zurückgehalten", "zugelassen", "Widerrufe", "blieb im Amt"):
        assert word in done.stdout
    assert "Traceback" not in done.stderr


def test_bench_on_the_embedded_host(tmp_path: Path) -> None:
    found = answer(tmp_path, "bench", "--json", "--events", "300")
    typed(found, BENCH)
    assert (found["host"], found["events"], found["workers"]) == ("embedded", 300, 1)
    assert (found["persons"], found["key_service"]) == (50, False)
    assert found["environment"].keys() >= ENVIRONMENT
    assert found["per_event_us"].keys() >= STEPS
    assert found["folds"].keys() == {"entries", "per_view_ms", "per_event_us"}
    assert found["per_encode"]["encode"] == 1.0
    assert found["per_encode"]["seal"] == round(
        found["per_event_us"]["seal"] / found["per_event_us"]["encode"], 2
    )
    assert all({"p50", "p99"} <= found[name].keys() for name in ("latency_ms", "withdrawal_ms"))
    assert found["stages"]
    assert all(stage["events_per_s"] > 0 for stage in found["stages"].values())
    assert (found["applied"], found["duplicates_applied"], found["lost"]) == (300, 0, 0)
    assert found["ratio_to_floor"] > 0


@pytest.mark.parametrize("wrong", [["demo", "--families", "0"], ["bench", "--events", "nonsense"]])
def test_a_wrong_call_is_one(tmp_path: Path, wrong: Sequence[str]) -> None:
    done = hub(tmp_path, *wrong)
    assert (done.returncode, done.stdout) == (64, "")
