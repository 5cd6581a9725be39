"""`hub connect` as its own process: one step, status, a clean end on SIGTERM, exit 78 for a wrong configuration."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.keys.wrapping import as_text, controller_kek

MASTER = bytes(range(32))


@pytest.fixture
def ready(offices: Any, tools: Any) -> Path:
    """The jobcenter's folder, with its key files."""
    offices.write_day(0)
    offices.beat(tools.evening(0))
    folder: Path = offices.root / "jobcenter"
    (folder / "agency.key").write_text(base64.b64encode(b"k" * 32).decode(), encoding="ascii")
    (folder / "controller.kek").write_text(as_text(controller_kek(MASTER, "jc-seestadt")), encoding="ascii")
    (folder / "clock").write_text(tools.evening(0).isoformat(), encoding="ascii")
    return folder


def configure(offices: Any) -> None:
    def change(toml: str) -> str:
        toml = toml.replace('path = "log.sqlite"', 'path = "../log.sqlite"')
        toml = toml.replace(
            'database_url = "sqlite:///keys.sqlite"', 'database_url = "sqlite:///../keys.sqlite"'
        )
        return toml.replace("[connector]\n", '[connector]\nclock_file = "clock"\n')

    offices.edit("jc-seestadt", change)


def connect(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    verb = "from hub.cli.connect import app; import hub.cli, sys; from hub.errors import HubError\n"
    verb += "try: app()\nexcept HubError as e: print(e, file=sys.stderr); sys.exit(e.exit_code)"
    command = [sys.executable, "-c", verb, *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def test_one_step_and_status(offices: Any, ready: Path) -> None:
    configure(offices)
    process = connect(ready, "run", "source.toml", "--once", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["published"] > 0
    assert report["events"] == report["published"] + sum(report["withheld"].values())
    out, _ = connect(ready, "status", "source.toml", "--json").communicate(timeout=60)
    status = json.loads(out)
    assert (status["agency"], status["state"], status["pid"]) == ("jc-seestadt", "stopped", None)
    assert (status["held"], status["quarantine"]) == (None, [])
    assert status["totals"]["published"] == report["published"]


def test_sigterm_ends_after_the_step(offices: Any, ready: Path) -> None:
    configure(offices)
    process = connect(ready, "run", "source.toml", "--json")
    assert process.stdout
    line = process.stdout.readline()
    assert json.loads(line)["published"] > 0
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=45)
    assert process.returncode == 0


def test_a_misspelt_key_is_exit_78(offices: Any, ready: Path) -> None:
    configure(offices)
    offices.edit("jc-seestadt", lambda toml: toml.replace("[connector]\n", "[connector]\nbatchs = 7\n"))
    process = connect(ready, "run", "source.toml", "--once")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "batchs" in err
