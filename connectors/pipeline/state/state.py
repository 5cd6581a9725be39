"""What a source connector remembers: how far it read, what it published under which number, what waits.

One SQLite file on the agency's disk. Content is kept only as keyed hashes (protocol rule 1), so the file tells nobody
anything about a person. It advances only after the broker confirmed.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from connectors.contract import Row
from connectors.pipeline.gate import journal
from connectors.pipeline.state import backfill_requests, erased, quarantine
from connectors.pipeline.state.quarantine import QuarantinedRow
from connectors.pipeline.state.sqlite_files import lease, lease_of, open_file

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cursor (stream TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS seen (
        stream TEXT, key BLOB, content BLOB NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (stream, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS published (
        record_ref BLOB PRIMARY KEY, subject_ref TEXT NOT NULL, source_version INTEGER NOT NULL,
        publication INTEGER NOT NULL, whole BLOB NOT NULL, kept TEXT NOT NULL, ground TEXT NOT NULL,
        recorded_at INTEGER NOT NULL, sent INTEGER NOT NULL, waiting TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS known (subject_ref TEXT PRIMARY KEY, signature BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS quarantine (
        stream TEXT, key BLOB, event_type TEXT, reason TEXT NOT NULL, place TEXT NOT NULL, "column" TEXT NOT NULL,
        remedy TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (stream, key, event_type)
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    *backfill_requests.SCHEMA,
    *erased.SCHEMA,
    *journal.SCHEMA,
    *quarantine.SCHEMA,
)

KeyHash = Callable[[str], bytes]
AT_ONCE = 500  # keys of one query; old builds of SQLite take 999 values
CACHE = 16_384  # KiB; hashes fall anywhere in a table, so its upper pages should stay in memory
HASHES = 4096  # of keys, in memory: a page of rows asks for each several times


class Published(NamedTuple):
    """The last publication of a record. `whole`: keyed hash of all of it, kept and withheld; `sent`: confirmed;
    `waiting`: fields that it named as on hold."""

    record_ref: bytes
    subject_ref: str
    source_version: int
    publication: int
    whole: bytes
    kept: frozenset[str]
    ground: frozenset[str]
    recorded_at: int
    sent: bool
    waiting: frozenset[str] = frozenset()


HIDDEN = "\x00"


def hidden(key_hash: bytes) -> str:
    """The key of a row of which only the hash is known: it is no longer exported."""
    return HIDDEN + key_hash.hex()


def _names(names: frozenset[str]) -> str:
    return json.dumps(sorted(names))


def _published(row: tuple[Any, ...]) -> Published:
    *head, kept, ground, recorded_at, sent, waiting = row
    record_ref, subject_ref, source_version, publication, whole = head
    return Published(
        record_ref,
        subject_ref,
        source_version,
        publication,
        whole,
        frozenset(json.loads(kept)),
        frozenset(json.loads(ground)),
        recorded_at,
        bool(sent),
        frozenset(json.loads(waiting)),
    )


class State:
    """Opened by one process at a time, or (`alone` False) beside it, to look and to confirm.

    `key_hash` hides the agency's own keys.
    """

    def __init__(self, path: Path, key_hash: KeyHash, *, alone: bool = True) -> None:
        self._lease = lease(lease_of(path)) if alone else None
        self.db = open_file(path, *SCHEMA)
        self.db.execute(f"PRAGMA cache_size=-{CACHE}")
        self._key_hash = lru_cache(HASHES)(key_hash)

    def key_hash(self, row_key: str) -> bytes:
        """The keyed hash that stands for a row's key; `hidden` keys are hashes already."""
        return bytes.fromhex(row_key[1:]) if row_key.startswith(HIDDEN) else self._key_hash(row_key)

    def transaction(self) -> AbstractContextManager[object]:
        """All or nothing."""
        return self.db

    def cursor(self, stream: str) -> str | None:
        """How far the stream was read."""
        row = self.db.execute("SELECT value FROM cursor WHERE stream = ?", (stream,)).fetchone()
        return row[0] if row else None

    def save_cursor(self, stream: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (stream, value))

    def restart(self, stream: str) -> None:
        """Read the stream from its start again, or of files what waits; what was published stays known."""
        self.db.execute("DELETE FROM cursor WHERE stream = ?", (stream,))
        self.db.execute(
            "DELETE FROM seen WHERE stream = ? AND key IN (SELECT key FROM quarantine WHERE stream = ?)",
            (stream, stream),
        )

    def fresh(self) -> bool:
        """Whether nothing was ever read."""
        query = "SELECT NOT EXISTS (SELECT 1 FROM cursor) AND NOT EXISTS (SELECT 1 FROM seen)"
        return bool(self.db.execute(query).fetchone()[0])

    def advance(self, stream: str, rows: Iterable[Row], cursor: str | None, waiting: set[str]) -> None:
        """These rows are done, except those that wait in quarantine: they are read again."""
        rows = list(rows)
        done = [row for row in rows if row.content and row.key not in waiting]
        stays = [(stream, self.key_hash(row.key), row.content, row.version) for row in done]
        goes = [(stream, self.key_hash(row.key)) for row in rows if not row.content or row.key in waiting]
        self.db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", stays)
        self.db.executemany("DELETE FROM seen WHERE stream = ? AND key = ?", goes)
        if cursor is not None:
            self.save_cursor(stream, cursor)

    def seen(self, stream: str, keys: Sequence[str]) -> Mapping[bytes, tuple[bytes, int]]:
        """Key hash → (content hash, since) of the rows that were read before."""
        found = self._among(
            "SELECT key, content, since FROM seen WHERE stream = ? AND key", map(self.key_hash, keys), stream
        )
        return {key: (content, since) for key, content, since in found}

    def seen_after(self, stream: str, key: bytes, limit: int) -> Mapping[bytes, tuple[bytes, int]]:
        """As `seen`, of the next `limit` rows beyond this key hash, in its order: a page of all that was read."""
        query = "SELECT key, content, since FROM seen WHERE stream = ? AND key > ? ORDER BY key LIMIT ?"
        return {row[0]: (row[1], row[2]) for row in self.db.execute(query, (stream, key, limit))}

    def forget_seen(self, stream: str, before: int) -> None:
        """Drop marks of rows that no overlap reaches any more."""
        self.db.execute("DELETE FROM seen WHERE stream = ? AND since < ?", (stream, before))

    def published(self, refs: Iterable[bytes]) -> Mapping[bytes, Published]:
        """The last publication of each record that has one."""
        found = map(_published, self._among("SELECT * FROM published WHERE record_ref", refs))
        return {entry.record_ref: entry for entry in found}

    def save_published(self, entries: Iterable[Published]) -> None:
        rows = [
            (*e[:5], _names(e.kept), _names(e.ground), e.recorded_at, e.sent, _names(e.waiting))
            for e in entries
        ]
        self.db.executemany("INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def signatures(self, subjects: Iterable[str]) -> Mapping[str, bytes]:
        """Subject → what the gate knew of it when its records were last judged; empty for those in `pending`."""
        return dict(self._among("SELECT subject_ref, signature FROM known WHERE subject_ref", subjects))

    def save_signatures(self, signatures: Mapping[str, bytes]) -> None:
        self.db.executemany("INSERT OR REPLACE INTO known VALUES (?, ?)", signatures.items())

    def note_changed(self, subjects: Iterable[str]) -> None:
        """These must be read and judged again; a signature saved later says that it was done."""
        self.save_signatures(dict.fromkeys(subjects, b""))

    def note_all_changed(self) -> None:
        """Everybody known must be read and judged again."""
        self.db.execute("UPDATE known SET signature = x''")

    def pending(self) -> list[str]:
        """Subjects to read and judge again, in a fixed order."""
        query = "SELECT subject_ref FROM known WHERE signature = x'' ORDER BY subject_ref"
        return [row[0] for row in self.db.execute(query)]

    def quarantine(self, entries: Iterable[QuarantinedRow]) -> int:
        """Keep these; the number of those that are new (another content counts as new)."""
        new = 0
        for e in entries:
            old = self.db.execute(
                "SELECT content, reason FROM quarantine WHERE stream = ? AND key = ? AND event_type = ?",
                e[:3],
            ).fetchone()
            new += old != (e.content, e.reason)
            self.db.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)", e)
        return new

    def clear(self, entry: QuarantinedRow) -> None:
        """This one waits no longer."""
        query = "DELETE FROM quarantine WHERE stream = ? AND key = ? AND event_type = ?"
        self.db.execute(query, entry[:3])

    def release(self, stream: str, keys: Iterable[bytes]) -> None:
        """Records that were read without a fault wait no longer."""
        self.db.executemany(
            "DELETE FROM quarantine WHERE stream = ? AND key = ?", [(stream, key) for key in keys]
        )

    def quarantined(self) -> list[QuarantinedRow]:
        return [
            QuarantinedRow(*row) for row in self.db.execute("SELECT * FROM quarantine ORDER BY stream, place")
        ]

    def quarantine_counts(self) -> list[tuple[str, str, int]]:
        """Stream, reason, and how many records wait for it."""
        query = (
            "SELECT stream, reason, count(*) FROM quarantine GROUP BY stream, reason ORDER BY stream, reason"
        )
        return [(str(stream), str(reason), int(count)) for stream, reason, count in self.db.execute(query)]

    def _among(
        self, query: str, keys: Iterable[bytes] | Iterable[str], *before: str
    ) -> Iterator[tuple[Any, ...]]:
        """Rows whose last-named column is one of these; many keys at once, as many as a statement takes."""
        left = iter(dict.fromkeys(keys))
        while some := tuple(islice(left, AT_ONCE)):
            marks = ",".join("?" * len(some))
            yield from self.db.execute(f"{query} IN ({marks})", (*before, *some)).fetchall()

    def meta(self, name: str) -> str | None:
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def drop_meta(self, name: str) -> None:
        self.db.execute("DELETE FROM meta WHERE name = ?", (name,))

    def set_meta(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        self.db.close()
        if self._lease:
            self._lease.close()
