"""Heads of envelopes that this process has admitted, so that it need not decode them again when it projects them.

Both topics are keyed by the case, so what a worker admits mostly comes back to it. The very bytes are the name: equal
bytes have equal heads, and whoever finds none here decodes.
"""

from collections.abc import Iterable
from threading import Lock

from hub.domain.envelope import Head


class HeadCache:
    """Value of a record → its head, each given out once; the oldest leave first. Threads of one worker share it."""

    def __init__(self, size: int = 20_000) -> None:
        self._size, self._kept, self._lock = size, dict[bytes, Head](), Lock()

    def keep(self, heads: Iterable[tuple[bytes, Head]]) -> None:
        with self._lock:
            self._kept.update(heads)
            surplus = len(self._kept) - self._size
            for value in list(self._kept)[: max(0, surplus)]:
                self._kept.pop(value, None)

    def take(self, value: bytes) -> Head | None:
        return self._kept.pop(value, None)
