"""Requests to give streams to the hub once more: what was asked, and how far it has come.

Kept in the connector's state, asked beside a running connector and done by it (`Backfilling`). A request's place is
moved in the transaction that remembers what was published, so that it goes on there after a crash at any moment.
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS backfill (
        stream TEXT PRIMARY KEY, asked INTEGER NOT NULL, rate INTEGER, cursor TEXT, rows INTEGER NOT NULL, done INTEGER,
        waits TEXT NOT NULL
    ) WITHOUT ROWID""",
)
_COLUMNS = "stream, asked, rate, cursor, rows, done, waits"


class Request(NamedTuple):
    """One stream. Times in microseconds since 1970 UTC; `rate` in rows per second, None: as configured.

    `rows`: given so far. `waits`: why the source cannot give it now, else empty. `done`: when its end was reached.
    """

    stream: str
    asked: int
    rate: int | None
    cursor: str | None
    rows: int
    done: int | None
    waits: str

    def __repr__(self) -> str:
        return f"Request({self.stream})"


class Backfills:
    """Writes belong in a transaction of the state."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def ask(self, streams: Iterable[str], rate: int | None, at: int) -> None:
        """Begin these from their start; one that is under way goes on, at the new rate if one is given."""
        into = f"""INSERT INTO backfill ({_COLUMNS}) VALUES (?, ?, ?, NULL, 0, NULL, '')
            ON CONFLICT (stream) DO UPDATE SET rate = coalesce(excluded.rate, rate)"""  # noqa: S608  our own words
        for stream in streams:
            self._db.execute("DELETE FROM backfill WHERE stream = ? AND done IS NOT NULL", (stream,))
            self._db.execute(into, (stream, at, rate))

    def stop(self, streams: Iterable[str]) -> list[str]:
        """Let go of those that are not done; the streams concerned."""
        under_way = {request.stream for request in self.open()}.intersection(streams)
        query = "DELETE FROM backfill WHERE stream = ?"
        self._db.executemany(query, [(stream,) for stream in under_way])
        return sorted(under_way)

    def begin_again(self) -> None:
        """Those under way begin at their start: what was given may be said otherwise now."""
        self._db.execute("UPDATE backfill SET cursor = NULL, rows = 0 WHERE done IS NULL")

    def all(self) -> list[Request]:
        query = f"SELECT {_COLUMNS} FROM backfill ORDER BY stream"  # noqa: S608
        return [Request._make(row) for row in self._db.execute(query)]

    def open(self) -> list[Request]:
        return [request for request in self.all() if request.done is None]

    def moved(self, request: Request, rows: int, cursor: str | None, at: int) -> None:
        """So many rows more, to here (None: to the end); without effect when it was let go or asked anew meanwhile."""
        self._db.execute(
            "UPDATE backfill SET rows = rows + ?, cursor = ?, done = ?, waits = '' WHERE stream = ? AND asked = ?",
            (rows, cursor, at if cursor is None else None, request.stream, request.asked),
        )

    def wait(self, request: Request, why: str) -> None:
        """The source cannot give it now."""
        self._db.execute("UPDATE backfill SET waits = ? WHERE stream = ?", (why, request.stream))
