"""SIGTERM is heard whenever it comes: while a worker opens its parts, and while its supervisor rests (fault 41)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hub.cli import worker
from hub.config import load_settings

DIES_AT_ONCE = "print('a life', flush=True); raise SystemExit(75)"
SUPERVISOR = f"""
import sys
from hub.hosts.worker.supervise import supervise
sys.exit(supervise([sys.executable, "-c", {DIES_AT_ONCE!r}]))
"""
TRY_AGAIN = 75


@pytest.fixture
def own_signals() -> Iterator[None]:
    """What the test process did on signals before, it does again afterwards."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


def test_while_the_parts_are_being_opened(own_signals: None, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = object()

    def told_meanwhile(_: object) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return opened

    monkeypatch.setattr(worker, "build_parts", told_meanwhile)
    monkeypatch.setattr(worker, "require_current", lambda _: None)
    stopping = worker._told_to_stop()
    assert not stopping.is_set()
    assert worker._ready(load_settings(), stopping) is opened
    assert stopping.is_set(), "the worker that is made of the parts is given this, and ends at once"


def test_while_the_supervisor_rests() -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):  # by then it rests for 1.6 seconds
            while "started_again" not in process.stdout.readline():
                assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert (process.returncode, rest) == (TRY_AGAIN, "")
