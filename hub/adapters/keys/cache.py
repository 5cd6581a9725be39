"""Keys in memory: bounded in bytes and in life, because every key here outlives its destruction by the rest of it.

Two lives: a key opens boxes for up to five minutes after the database last confirmed it (protocol rule 4), but seals
for a few seconds only, so that a fence is soon seen by every process.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import TypeVar

from cachetools import LRUCache
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.adapters.keys.source import KeySource, Material, Wanted
from hub.errors import ConfigurationError
from hub.ports import Certificate, Erased, FencedKey, Key, KeyRef, RestoreNumbers

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


class CachedKeys:
    """A `HubKeyStore` over `source`. Each call asks the source at most once for what the cache lacks.

    A key's life in the cache begins before the source is asked, so an answer that was long under way lives no longer.
    """

    def __init__(self, source: KeySource, cache: KeyCache | None = None) -> None:
        self._source = source
        self._cache = cache or KeyCache()

    def sealing(
        self, refs: Iterable[KeyRef], at_least: Mapping[KeyRef, int] = MappingProxyType({})
    ) -> Mapping[KeyRef, Key]:
        found, missing = self._cache.sealing(refs)
        missing += [ref for ref, key in found.items() if key.version < at_least.get(ref, 0)]
        if missing:
            asked_at = self._cache.now()
            keys = [self._key(one) for one in self._source.newest(missing).values()]
            self._cache.confirmed(keys, asked_at, may_seal=True)
            found |= {key.ref: key for key in keys}
        return found

    def opening(self, wanted: Iterable[Wanted]) -> Mapping[Wanted, Key | Erased | FencedKey]:
        known, missing = self._cache.opening(wanted)
        found: dict[Wanted, Key | Erased | FencedKey] = dict(known)
        if missing:
            asked_at = self._cache.now()
            answers = self._source.versions(missing)
            keys = [self._key(answer) for answer in answers.values() if isinstance(answer, Material)]
            self._cache.confirmed(keys, asked_at, may_seal=False)
            found |= {one: answer for one, answer in answers.items() if not isinstance(answer, Material)}
            found |= {(key.ref, key.version): key for key in keys}
        return found

    def fence(self, ref: KeyRef) -> None:
        self._source.fence(ref)
        self._cache.evict([ref])

    def destroy(self, ref: KeyRef) -> Certificate:
        try:
            return self._source.destroy(ref)
        finally:
            self._cache.evict([ref])

    def ledger(self) -> Sequence[Certificate]:
        return self._source.ledger()

    def replay(self, ledger: Iterable[Certificate]) -> int:
        proofs = list(ledger)
        count = self._source.replay(proofs)
        self._cache.evict([proof.ref for proof in proofs])
        return count

    def standing(self, reached: int = 0) -> RestoreNumbers:
        return self._source.standing(reached)

    def secret(self) -> bytes:
        return self._source.secret()

    def close(self) -> None:
        self._source.close()

    def _key(self, material: Material) -> Key:
        ref, version = material.ref, material.version
        return self._cache.peek((ref, version)) or Key(ref, version, AESGCM(material.reveal()))
