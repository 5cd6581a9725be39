"""`hub up`: one hub at a time on one folder."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from hub.errors import TryAgain
from tests.unit.cli.conftest import answer, hub

HOLD = """
import sys
from pathlib import Path
from hub.cli.up import _alone
with _alone(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def test_a_second_hub_on_the_folder_is_refused_and_a_killed_one_leaves_no_lock(configured: Path) -> None:
    call = [sys.executable, "-c", HOLD, str(configured / "var")]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout
        first.stdout.readline()
        refused = hub("up", "--once").exception
        first.send_signal(signal.SIGKILL)
    assert isinstance(refused, TryAgain)
    assert str(refused).startswith("var: another hub is running on this folder")
    assert refused.exit_code == 75
    assert answer("up", "--once")["seconds"] >= 0


def test_with_json_a_running_hub_prints_its_states(configured: Path) -> None:
    call = [sys.executable, "-m", "hub", "up", "--json"]
    with subprocess.Popen(
        call, cwd=configured, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        first = json.loads(process.stdout.readline())
        process.terminate()
        last = [json.loads(line) for line in process.stdout][-1]
    assert (first, process.returncode) == ({"state": "running", "agencies": 2}, 0)
    assert last["state"] == "stopped"
    assert last["batches"] >= 0
