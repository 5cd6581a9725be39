"""One server process that dies with its parent and keeps what it said in a file."""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from hub.errors import ConfigurationError, ServiceUnavailable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Child:
    """A running server process.

    Linux ends it with `death_signal` when the *thread* that started it ends, however that happened: start it from
    the main thread, or from one that outlives it. `user` runs it as another account (only root may).
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        death_signal: signal.Signals = signal.SIGKILL,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self._log = Path(command[0]).name, log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                user=user,
                env=env,
                start_new_session=True,  # Ctrl+C in the terminal reaches the parent only, which stops it in order
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, death_signal),
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return as soon as `ready()`; ServiceUnavailable, with the server's last lines, if it ends or stays silent."""
        give_up = time.monotonic() + seconds
        while not ready():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > give_up:
                self.kill()
                what = "ended at once" if ended else f"did not answer within {seconds:.0f} s"
                message = f"the server {what}; it said last:\n{self.tail()}"
                raise ServiceUnavailable(
                    message, place=self._name, remedy="correct what it names and start again"
                )
            time.sleep(0.05)

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self._log.read_text("utf-8", errors="replace").splitlines()[-lines:])

    def stop(self, sign: signal.Signals = signal.SIGTERM, *, seconds: float = 30) -> None:
        """Ask it to end, and insist after `seconds`."""
        self._process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL for it and its children, now: what a power cut leaves of a process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)  # no new children while they are counted
            for pid in (*_children(self.pid), self.pid):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        atexit.unregister(self.kill)


class DataFolder:
    """Where a server keeps its data: the folder named, or a temporary one that is removed by `forget`."""

    def __init__(self, named: Path | None, *, prefix: str) -> None:
        self._temporary = named is None
        self.path = (named or Path(tempfile.mkdtemp(prefix=prefix))).absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        atexit.register(self.forget)

    def forget(self) -> None:
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        atexit.unregister(self.forget)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program(name: str, *, remedy: str) -> str:
    """The path of an installed program; ConfigurationError that says what to install otherwise."""
    if path := shutil.which(name):
        return path
    raise ConfigurationError("the program is missing", place=name, remedy=remedy)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []
