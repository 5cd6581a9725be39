"""How much of the key service one agency may take, so that the others and the hub always get theirs."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock

from hub.errors import TryAgain

AT_ONCE, ALL_AT_ONCE = 4, 8
"""Questions of one agency, and of all agencies, that are answered side by side: fewer than the key database has
connections, so that one is left for the hub."""

_PATIENCE = 2.0  # seconds that a question may wait for its turn; whoever asks waits five
_BURST = 10.0  # seconds of an agency's rate that it may save up


@dataclass(slots=True)
class _Agency:
    turns: BoundedSemaphore
    left: float  # keys that may be sealed with at once
    at: float
    lock: Lock = field(default_factory=Lock)


class Shares:
    """Turns and rates by agency. `rate`: keys a second that an agency may ask to seal with."""

    def __init__(self, rate: float = 2000.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._monotonic = rate, monotonic
        self._all = BoundedSemaphore(ALL_AT_ONCE)
        self._agencies: dict[str, _Agency] = {}
        self._lock = Lock()

    @contextmanager
    def turn(self, agency: str, sealing: int) -> Iterator[None]:
        """Wait until it is this agency's turn, to seal with so many keys; raises TryAgain when that takes too long."""
        mine = self._of(agency)
        with ExitStack() as stack:
            _take(stack, mine.turns, "too many questions of this agency at once")
            self._wait(mine, sealing)
            _take(stack, self._all, "too many questions of all agencies at once")
            yield

    def _of(self, agency: str) -> _Agency:
        with self._lock:
            found = self._agencies.get(agency)
            if found is None:
                full = self._rate * _BURST
                found = self._agencies[agency] = _Agency(BoundedSemaphore(AT_ONCE), full, self._monotonic())
            return found

    def _wait(self, mine: _Agency, sealing: int) -> None:
        """Take so many keys from what was saved up, and wait for what it lacks."""
        with mine.lock:
            now = self._monotonic()
            saved = min(self._rate * _BURST, mine.left + (now - mine.at) * self._rate)
            lacking = max(0.0, sealing - saved) / self._rate
            if lacking > _PATIENCE:
                raise TryAgain(
                    f"this agency seals with more than {self._rate:g} keys a second",
                    place="key service",
                    remedy="it is tried again; HUB_KEY_SEALS_PER_SECOND at the key service allows more",
                )
            mine.left, mine.at = saved - sealing, now
        if lacking:
            time.sleep(lacking)


def _take(stack: ExitStack, turns: BoundedSemaphore, cause: str) -> None:
    if not turns.acquire(timeout=_PATIENCE):
        raise TryAgain(
            cause, place="key service", remedy="it is tried again; ask for more keys in one question"
        )
    stack.callback(turns.release)
