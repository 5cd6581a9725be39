"""What a person decides about records that wait: read them again, or let them go. Kept in the connector's state.

Both are asked beside a running connector and done by it: reading again begins with its next step, and what was let go
is passed over for as long as it stays as it is. Another content of the same row is another matter and waits again.
"""

import hashlib
from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS asked_again (stream TEXT PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS dropped (
        stream TEXT, key BLOB, event_type TEXT, content BLOB, reason TEXT NOT NULL, place TEXT NOT NULL,
        "column" TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (stream, key, event_type, content)
    ) WITHOUT ROWID""",
)
NAME_SIZE = 8


class QuarantinedRow(NamedTuple):
    """A record that waits: reason and place, without its content."""

    stream: str
    key: bytes
    event_type: str
    reason: str
    place: str
    column: str
    remedy: str
    content: bytes

    @property
    def name(self) -> str:
        """Eight letters by which a person calls it; the same as long as it waits."""
        parts = (self.stream.encode(), self.key, self.event_type.encode())
        return hashlib.sha256(b"\x1f".join(parts)).hexdigest()[:NAME_SIZE]


class DroppedRow(NamedTuple):
    """A record that somebody let go: why, in their words, and when (microseconds since 1970 UTC)."""

    stream: str
    event_type: str
    reason: str
    place: str
    column: str
    why: str
    at: int


class Decisions:
    """Writes belong in a transaction of the state."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def ask_again(self, streams: Iterable[str]) -> None:
        """The next step reads these streams from their start; what was published stays known."""
        self._db.executemany("INSERT OR IGNORE INTO asked_again VALUES (?)", [(name,) for name in streams])

    def asked(self) -> list[str]:
        return [row[0] for row in self._db.execute("SELECT stream FROM asked_again ORDER BY stream")]

    def answered(self) -> None:
        self._db.execute("DELETE FROM asked_again")

    def drop(self, entry: QuarantinedRow, why: str, at: int) -> None:
        """Let it go, and remember that and why."""
        found = (*entry[:3], entry.content, entry.reason, entry.place, entry.column, why, at)
        self._db.execute("INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", found)
        self._db.execute("DELETE FROM quarantine WHERE stream = ? AND key = ? AND event_type = ?", entry[:3])

    def waiting(self, entries: Iterable[QuarantinedRow]) -> list[QuarantinedRow]:
        """Those of the entries that nobody let go."""
        query = "SELECT 1 FROM dropped WHERE stream = ? AND key = ? AND event_type = ? AND content = ?"
        found = ((e, self._db.execute(query, (*e[:3], e.content)).fetchone()) for e in entries)
        return [entry for entry, gone in found if gone is None]

    def dropped(self) -> list[DroppedRow]:
        """The record of what was let go, oldest first."""
        query = 'SELECT stream, event_type, reason, place, "column", why, at FROM dropped ORDER BY at, place'
        return [DroppedRow._make(row) for row in self._db.execute(query)]
