"""Places where a test may kill or stop the process, so that every crash the protocol speaks of is really tried.

`HUB_FAILPOINT=admit.in_transaction:3` kills this process with SIGKILL when it passes that point for the third time;
`admit.in_transaction:3:stop` stops it with SIGSTOP instead, as a machine that is paused does, until it is continued.
Without the variable a point costs a look into an empty dictionary. Within one process, `observed` calls a function at
every point instead.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

Observer = Callable[[str], None]
_observers: list[Observer] = []


@dataclass(slots=True)
class _Armed:
    left: int
    sign: signal.Signals


@cache
def _armed() -> dict[str, _Armed]:
    wanted = [entry for entry in os.environ.get("HUB_FAILPOINT", "").split(",") if entry]
    return {name: _of(rest) for name, *rest in (entry.split(":") for entry in wanted)}


def _of(rest: list[str]) -> _Armed:
    count, *how = rest or [""]
    return _Armed(int(count or 1), signal.SIGSTOP if how == ["stop"] else signal.SIGKILL)


def fail_point(name: str) -> None:
    """Die or stand still here if this point is armed and its count is reached."""
    for observer in tuple(_observers):
        observer(name)
    armed = _armed().get(name)
    if armed is None or armed.left <= 0:
        return
    armed.left -= 1
    if armed.left == 0:
        os.kill(os.getpid(), armed.sign)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Call `observer` with the name of every point that any thread of this process passes; it raises to simulate a
    crash there."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
