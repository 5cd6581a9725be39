"""What a row said that may be deleted one day, as far as `on_vanish` needs it: sealed under the agency's own key.

A database forgets a row whole; to say whose record ended, its key and the columns that `on_vanish` names are kept, and
no other, for as long as the row is there.
"""

from collections.abc import Iterable
from typing import Any

from connectors.contract import Row
from connectors.pipeline.state.state import State
from connectors.sources.sql.sealed import Sealed
from hub.domain.identifiers import AgencyKey

TABLE = """CREATE TABLE IF NOT EXISTS remembered (
    stream TEXT, key BLOB, box BLOB NOT NULL, PRIMARY KEY (stream, key)
) WITHOUT ROWID"""


class Remembered:
    """A table of its own in the connector's state."""

    def __init__(self, state: State, key: AgencyKey) -> None:
        self._state, self._sealed = state, Sealed(key, "remembered")
        state.db.execute(TABLE)

    def keep(self, stream: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        """Before they are published; the last word on each row counts."""
        names = sorted(columns)
        entries = []
        for row in rows:
            key = self._state.key_hash(row.key)
            told = [part for name in names for part in (name, row.values[name])]
            entries.append((stream, key, self._sealed.closed(told, stream.encode() + key)))
        with self._state.transaction():
            self._state.db.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?)", entries)

    def of(self, stream: str, key: bytes) -> dict[str, Any] | None:
        """The columns of a row by its key's hash; None when it was never kept."""
        query = "SELECT box FROM remembered WHERE stream = ? AND key = ?"
        found = self._state.db.execute(query, (stream, key)).fetchone()
        if found is None:
            return None
        told = self._sealed.opened(found[0], stream.encode() + key)
        return dict(zip(told[::2], told[1::2], strict=True))

    def forget(self, streams: Iterable[str]) -> None:
        """Inside the caller's transaction: rows of these streams that are gone, and said so, are kept no longer."""
        self._state.db.executemany(
            """DELETE FROM remembered WHERE stream = ? AND NOT EXISTS (
                SELECT 1 FROM seen s WHERE s.stream = remembered.stream AND s.key = remembered.key
            ) AND NOT EXISTS (
                SELECT 1 FROM quarantine q WHERE q.stream = remembered.stream AND q.key = remembered.key
            )""",
            [(stream,) for stream in streams],
        )
