"""Keys in memory: bounded in bytes and in life, because every key here outlives its destruction by the rest of it.

Two lives: a key opens boxes for up to five minutes after the database last confirmed it (protocol rule 4), but seals
for a few seconds only, so that a fence is soon seen by every process.
"""

import time
from collections.abc import Callable, Collection, Iterable, MutableMapping
from threading import Lock
from typing import TypeVar

from cachetools import LRUCache

from hub.adapters.keys.source import Wanted
from hub.errors import ConfigurationError
from hub.ports import Key, KeyRef

LONGEST = 300.0  # seconds, protocol rule 4
_SWEEP = 30.0  # seconds between two looks for keys whose life is over
SIZE = 64 * 2**20  # bytes
_CIPHER, _ENTRY = 2600, 700  # bytes: a cipher, and what keeps it, without the texts of its ref; both measured
W = TypeVar("W", KeyRef, Wanted)
Entry = tuple[Key, float]


def seconds() -> float:
    """Seconds that also pass while the machine sleeps: a laptop's lid lengthens no key's life."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class KeyCache:
    """Least recently used keys go first. `size` in bytes: two thirds are for opening, the rest for sealing and what was
    evicted. `monotonic` gives seconds; safe to share between threads."""

    def __init__(
        self,
        monotonic: Callable[[], float] = seconds,
        *,
        size: int = SIZE,
        life: float = LONGEST,
        sealing_life: float = 5.0,
    ) -> None:
        """Raises ConfigurationError for a life the protocol forbids."""
        if not 0 <= sealing_life <= life <= LONGEST:
            raise ConfigurationError(
                "a cached key may live 300 seconds at most, and seal no longer than it opens",
                place="key cache",
            )
        self._life, self._sealing_life, self._monotonic = life, sealing_life, monotonic
        self._lock = Lock()
        self._evicted: dict[KeyRef, float] = {}
        self._next_sweep = 0.0
        opening = size * 2 // 3
        self._opening: LRUCache[Wanted, Entry] = LRUCache(opening, getsizeof=_bytes_of)
        self._sealing: LRUCache[KeyRef, Entry] = LRUCache(size - opening, getsizeof=_bytes_of)

    def sealing(self, refs: Iterable[KeyRef]) -> tuple[dict[KeyRef, Key], list[KeyRef]]:
        """Keys that may still seal, and the refs to ask the database for."""
        return self._look_up(self._sealing, refs)

    def opening(self, wanted: Iterable[Wanted]) -> tuple[dict[Wanted, Key], list[Wanted]]:
        """Keys that may still open, and the versions to ask the database for."""
        return self._look_up(self._opening, wanted)

    def now(self) -> float:
        """Take it before asking the database: a key's life begins when it was still certainly there."""
        return self._monotonic()

    def peek(self, wanted: Wanted) -> Key | None:
        """The key whatever its age, for use once the database has confirmed it: saves unwrapping it again."""
        with self._lock:
            entry = self._opening.get(wanted)
        return entry[0] if entry else None

    def confirmed(self, keys: Collection[Key], asked_at: float, *, may_seal: bool) -> None:
        """The database held these keys active at `asked_at`; what was evicted since then stays out."""
        with self._lock:
            for key in keys:
                if asked_at < self._evicted.get(key.ref, -1.0):
                    continue
                _put(self._opening, (key.ref, key.version), (key, asked_at + self._life))
                if may_seal:
                    _put(self._sealing, key.ref, (key, asked_at + self._sealing_life))

    def evict(self, refs: Collection[KeyRef]) -> None:
        """Forget every version of these keys."""
        gone, now = set(refs), self._monotonic()
        with self._lock:
            for ref in gone:
                self._evicted[ref] = now
                self._sealing.pop(ref, None)
            for wanted in [wanted for wanted in self._opening if wanted[0] in gone]:
                del self._opening[wanted]

    def _sweep(self, now: float) -> None:
        """Let go of what may not be used any more: a dead key is not kept for a thief of memory."""
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP
            for wanted in [wanted for wanted, (_, until) in self._opening.items() if until <= now]:
                del self._opening[wanted]
            for ref in [ref for ref, (_, until) in self._sealing.items() if until <= now]:
                del self._sealing[ref]
            for ref in [ref for ref, at in self._evicted.items() if at + self._life <= now]:
                del self._evicted[ref]

    def _look_up(
        self, entries: MutableMapping[W, Entry], wanted: Iterable[W]
    ) -> tuple[dict[W, Key], list[W]]:
        found: dict[W, Key] = {}
        missing: list[W] = []
        now = self._monotonic()
        with self._lock:
            self._sweep(now)
            for one in wanted:
                entry = entries.get(one)
                if entry is not None and now < entry[1]:
                    found[one] = entry[0]
                else:
                    missing.append(one)
        return found, missing


def _put(entries: LRUCache[W, Entry], one: W, entry: Entry) -> None:
    if _bytes_of(entry) <= entries.maxsize:
        entries[one] = entry
    else:
        entries.pop(one, None)


def _bytes_of(entry: Entry) -> int:
    ref = entry[0].ref
    return _CIPHER + _ENTRY + len(ref.controller) + len(ref.subject) + len(ref.sender)
