"""A service that is told to stop while it still starts leaves with 0."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

PATIENCE = 60
SERVICES = (
    ["worker"],
    ["up"],
    ["keys", "serve"],
    ["connect", "run", "source.toml"],
    ["danger", "run", "desk.toml"],
)


def _catches(process: "subprocess.Popen[bytes]", sign: signal.Signals) -> bool:
    """Whether the process handles the signal itself by now."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (sign - 1) & 1)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="tells what a process handles by Linux's /proc"
)
@pytest.mark.parametrize("service", SERVICES, ids=" ".join)
def test_a_service_that_is_stopped_while_it_starts_leaves_with_0(
    service: Sequence[str], tmp_path: Path
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    with subprocess.Popen(
        [sys.executable, "-m", "hub", *service],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        end = time.monotonic() + PATIENCE
        while not _catches(process, signal.SIGTERM):
            assert time.monotonic() < end
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (0, b"")
    assert list(tmp_path.iterdir()) == []


def test_any_other_verb_dies_of_the_signal(tmp_path: Path) -> None:
    """What was ended in the middle is not done, and its caller must see it."""
    code = "import time, hub.starting as s; s.leave_quietly_until_it_listens(); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, "retention"], cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
