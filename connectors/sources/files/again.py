"""Rows of what was read last, given once more page by page in the order of their keyed hashes.

A page lies scattered over its files, so one look through them keeps the rows of the next pages too, in bounded memory,
for as long as they are the files that count.
"""

from collections.abc import Callable, Iterator, Sequence

from connectors.contract import Row
from connectors.pipeline.state.state import State
from connectors.sources.files.delivery import Entry

AHEAD = 20_000
"""Rows kept from one look."""


class Again:
    """`rows`: every row of a stream as it stands."""

    def __init__(self, state: State, rows: Callable[[str], Iterator[Row]]) -> None:
        self._state, self._rows = state, rows
        self._kept: dict[bytes, Row] = {}
        self._of: tuple[str, Sequence[Entry]] | None = None
        self._first, self._last = b"", b""

    def page(
        self, stream: str, entries: Sequence[Entry], after: str | None, limit: int
    ) -> tuple[list[Row], str | None]:
        """The rows beyond `after` that were read before, and where the next page begins; None at the end."""
        first = bytes.fromhex(after or "")
        keys = list(self._state.seen_after(stream, first, limit))
        if keys and not self._covers((stream, entries), first, keys[-1]):
            self._look((stream, entries), first, max(limit, AHEAD))
        found = [row for key in keys if (row := self._kept.get(key))]
        if len(keys) == limit:
            return found, keys[-1].hex()
        self._kept, self._of = {}, None
        return found, None

    def _covers(self, of: tuple[str, Sequence[Entry]], first: bytes, last: bytes) -> bool:
        return self._of == of and self._first <= first and last <= self._last

    def _look(self, of: tuple[str, Sequence[Entry]], first: bytes, limit: int) -> None:
        wanted = self._state.seen_after(of[0], first, limit)
        hashed = ((self._state.key_hash(row.key), row) for row in self._rows(of[0]))
        self._kept = {key: row for key, row in hashed if key in wanted}
        self._of, self._first, self._last = of, first, max(wanted)
