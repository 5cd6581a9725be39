"""Starting a worker again, wherever nothing better does it (systemd, Kubernetes).

A worker that ends because something was away, or because it met a bug, begins again where the store stands. One that
stopped to be safe, or that is misconfigured, is not started again: that would only repeat it.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import FrameType

import structlog

from hub.errors import STOPPED_TO_BE_SAFE, ConfigurationError, NoInput, TryAgain, UsageError

log = structlog.get_logger()
PARENT = "HUB_SUPERVISOR"
FOR_GOOD = frozenset(
    {0, 2, UsageError.exit_code, NoInput.exit_code, ConfigurationError.exit_code, *STOPPED_TO_BE_SAFE}
)
"""Stopped in order, called wrongly, misconfigured, or stopped to be safe: a person must do something first. After any
other end the worker is started again, so that no record ends it for good."""
_PR_SET_PDEATHSIG = 1
_LOOK = 0.05  # seconds between two looks at whether to stop
_FIRST, _LONGEST, _WELL = (
    0.2,
    10.0,
    30.0,
)  # seconds: first and longest rest, life after which a worker was well


def worth_another_start(code: int) -> bool:
    """Whether a worker that ended with this code (negative: by that signal) may do better next time."""
    return code < 0 or code not in FOR_GOOD


def supervise(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Keep `command` running until it ends for good; SIGTERM is passed on. Returns the last exit code."""
    return _Supervisor(command, dict(os.environ if env is None else env)).run()


def follow_parent() -> None:
    """In a supervised process: end when the supervisor ends, however that happens (Linux; elsewhere nothing)."""
    parent = os.environ.get(PARENT)
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        os._exit(TryAgain.exit_code)


class _Supervisor:
    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._command, self._env = list(command), env | {PARENT: str(os.getpid())}
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._pass_on)
        rest = _FIRST
        while True:
            began = time.monotonic()
            code = self._once()
            if self._stopping or not worth_another_start(code):
                return code
            rest = _FIRST if time.monotonic() - began > _WELL else min(rest * 2, _LONGEST)
            log.warning("worker.started_again", after=code, rest=rest)
            if self._told_within(rest):
                return code

    def _once(self) -> int:
        self._child = subprocess.Popen(self._command, env=self._env)
        if self._stopping:  # told so while the child was being made
            self._child.terminate()
        return self._child.wait()

    def _told_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping:
            time.sleep(_LOOK)
        return self._stopping

    def _pass_on(self, sign: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._child is not None:
            self._child.send_signal(sign)
