"""What the gate said of each event: when, from which place, what it kept and dropped, by which rule; never a value.

Kept beside the rest of a connector's state so that `hub explain` can tell the part of an event's story that no hub
knows, and forgotten after the configured days. One entry per event, publication and rule; what stayed is number 0.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any, NamedTuple

from connectors.pipeline.gate.judge import Judged

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE IF NOT EXISTS judged (
        event_id BLOB, publication INTEGER, rule TEXT, at INTEGER NOT NULL, event_type TEXT NOT NULL,
        place TEXT NOT NULL, kept TEXT NOT NULL, dropped TEXT NOT NULL, PRIMARY KEY (event_id, publication, rule)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS judged_at ON judged (at)",
)
_COLUMNS = "event_id, publication, rule, at, event_type, place, kept, dropped"


class JournalEntry(NamedTuple):
    """One entry. `rule` is empty where anything left the house; `dropped`: field → rule."""

    event_id: bytes
    publication: int
    rule: str
    at: int
    event_type: str
    place: str
    kept: tuple[str, ...]
    dropped: Mapping[str, str]


def verdict(judged: Judged, event_id: bytes, publication: int, at: int) -> JournalEntry:
    """What the gate said, as it is kept."""
    event = judged.event
    rule = "" if judged.kept else judged.rule
    dropped = judged.dropped or ({} if judged.kept else dict.fromkeys(event.payload, rule))
    kept = tuple(sorted(judged.kept))
    return JournalEntry(event_id, publication, rule, at, event.schema.event_type, event.place, kept, dropped)


class GateJournal:
    """Writes belong in a transaction of the state."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def note(self, verdicts: Iterable[JournalEntry]) -> None:
        """Keep these; one that was given before, with the same rule, stays as it was."""
        rows = [
            (*one[:6], json.dumps(one.kept), json.dumps(dict(sorted(one.dropped.items()))))
            for one in verdicts
        ]
        into = f"INSERT INTO judged ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
        self._db.executemany(into, rows)

    def of(self, event_id: bytes) -> Sequence[JournalEntry]:
        """Everything that was said of an event, in order of time."""
        query = f"SELECT {_COLUMNS} FROM judged WHERE event_id = ? ORDER BY at, publication"  # noqa: S608
        rows = self._db.execute(query, (event_id,))
        return [_verdict(row) for row in rows]

    def never_published(self) -> Sequence[JournalEntry]:
        """The last verdict on each event of which nothing ever left the agency, in order of time."""
        query = f"SELECT {_COLUMNS} FROM judged ORDER BY at, event_id, rule"  # noqa: S608
        last: dict[bytes, JournalEntry] = {}
        left = set[bytes]()
        for row in self._db.execute(query):
            one = _verdict(row)
            last[one.event_id] = one
            if not one.rule:
                left.add(one.event_id)
        return sorted(
            (one for one in last.values() if one.event_id not in left), key=lambda one: (one.at, one.event_id)
        )

    def forget(self, before: int) -> None:
        """Drop what was said before this moment (microseconds since 1970)."""
        self._db.execute("DELETE FROM judged WHERE at < ?", (before,))


def _verdict(row: Sequence[Any]) -> JournalEntry:
    """An entry as it was read."""
    return JournalEntry._make((*row[:6], tuple(json.loads(row[6])), json.loads(row[7])))
