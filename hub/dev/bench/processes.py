"""The worker processes of a bench round: started, watched through the store, stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import func, select

from hub.errors import HubError
from hub.store import Store
from hub.store.tables import position

_LOOK, _GIVE_UP = (
    0.05,
    600.0,
)  # seconds between two looks, and after which a round that stands still is given up


class Workers:
    """Some processes with one environment; their output goes to files in `folder`."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env, self._folder = {**os.environ, **env}, folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.peak_rss_mb = 0.0

    def start(self, command: Sequence[str], count: int = 1) -> None:
        for _ in range(count):
            name = f"{len(self._running)}-{command[-1].split('.')[-1]}.log"
            with (self._folder / name).open("wb") as out:
                self._running.append(
                    subprocess.Popen([sys.executable, "-m", *command], env=self._env, stdout=out, stderr=out)
                )

    def stop(self) -> None:
        """Ask all of them to end, and wait."""
        self._measure()
        for one in self._running:
            one.terminate()
        for one in self._running:
            try:
                one.wait(timeout=50)
            except subprocess.TimeoutExpired:
                one.kill()
        self._running.clear()

    def check(self) -> None:
        """Raise when a process ended by itself."""
        for one in self._running:
            code = one.poll()
            if code is not None:
                raise HubError(f"a worker ended with {code}:\n{self._last_words()}", place="bench")

    def _last_words(self) -> str:
        ends = (
            path.read_text(encoding="utf-8", errors="replace")[-1500:]
            for path in sorted(self._folder.glob("*.log"))
        )
        return "\n".join(ends)

    def _measure(self) -> None:
        for one in self._running:
            self.peak_rss_mb = max(self.peak_rss_mb, _peak_mb(one.pid))


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def read_so_far(store: Store, stage: str) -> int:
    """How many records a stage has behind it, over all its partitions."""
    with store.transaction() as connection:
        wanted = select(func.coalesce(func.sum(position.c.next_offset), 0)).where(position.c.stage == stage)
        return int(connection.execute(wanted).scalar_one())


def timed_run(
    store: Store, workers: Workers, first: str, last: str, until: int, end: Callable[[], int]
) -> float:
    """Events per second from the first commit of stage `first` until it has read `until` records and stage `last` the
    `end()` that its topic then has: what came twice into that topic is no event.

    What was committed at the first look does not count, so that starting up is not measured.
    """
    began, behind = _when(store, workers, first, 1)
    _when(store, workers, first, until)
    ended, _ = _when(store, workers, last, end())
    return (until - behind) / (ended - began)


def _when(store: Store, workers: Workers, stage: str, count: int) -> tuple[float, int]:
    give_up = time.monotonic() + _GIVE_UP
    while time.monotonic() < give_up:
        found = read_so_far(store, stage)
        if found >= count:
            return time.perf_counter(), found
        workers.check()
        time.sleep(_LOOK)
    raise HubError(f"{stage} did not come to its end", place="bench", remedy="read the workers' output")
