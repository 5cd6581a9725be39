"""Heads of envelopes that this process has admitted, so that it need not decode them again when it projects them.

Both topics are keyed by the case, so what a worker admits mostly comes back to it. The very bytes are the name: equal
bytes have equal heads, and whoever finds none here decodes.
"""

from collections.abc import Iterable
from threading import Lock

from cachetools import FIFOCache

from hub.domain.envelope import Head

SIZE = 32 * 2**20  # bytes
_HEAD = 1000  # bytes of a head and its place, without the record that names it; measured: 720


class HeadCache:
    """Value of a record → its head, each given out once; the oldest leave first. `size` in bytes. Threads of one worker
    share it."""

    def __init__(self, size: int = SIZE) -> None:
        self._kept: FIFOCache[bytes, tuple[Head, int]] = FIFOCache(size, getsizeof=lambda kept: kept[1])
        self._lock = Lock()

    def keep(self, heads: Iterable[tuple[bytes, Head]]) -> None:
        with self._lock:
            for value, head in heads:
                size = len(value) + _HEAD
                if size <= self._kept.maxsize:
                    self._kept[value] = head, size

    def take(self, value: bytes) -> Head | None:
        with self._lock:
            kept = self._kept.pop(value, None)
        return kept[0] if kept else None
