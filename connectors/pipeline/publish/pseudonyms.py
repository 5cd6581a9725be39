"""The agency's own table pseudonym → local id: it never leaves the agency, and all its connectors share it.

It also says which keys its pseudonyms were made with (`marked`). Since a rotation only the table can tell who was
named under an older key; so a table and a ring of keys that do not belong together are refused, and never guessed from.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import OperationalError
from typing import NamedTuple

from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.state.sqlite_files import open_file
from hub.errors import ConfigurationError, ServiceUnavailable, StartAgain

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS pseudonym (ref TEXT PRIMARY KEY, kind TEXT, local_id TEXT)",
    """CREATE TABLE IF NOT EXISTS ring (
        number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, since TEXT
    )""",
)


class Local(NamedTuple):
    """Whom a pseudonym stands for in the agency's own system."""

    kind: str  # person or case
    local_id: str

    def __repr__(self) -> str:
        return f"Local({self.kind})"


def spoken_of(events: Iterable[MappedEvent]) -> Mapping[str, Local]:
    """Whom the pseudonyms in these events stand for: remembered before any leaves."""
    pairs: dict[str, Local] = {}
    for event in events:
        if event.subject_ref != event.case_ref:
            pairs[event.subject_ref] = Local("person", event.subject_id)
        pairs[event.case_ref] = Local("case", event.case_id)
        pairs |= {ref: Local("person", number) for ref, number in event.mentioned.items()}
    return pairs


class KeyEra(NamedTuple):
    """A key that pseudonyms were made with, and since when (UTC, by this machine's time)."""

    fingerprint: str
    since: str


class Pseudonyms:
    """One SQLite file on the agency's own disk. Pseudonyms never change, so no row does. With an erasure, when the
    agency itself knows the person no more, the local id goes; that the pseudonym was given stays, so that nobody
    gets a second."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(path, *SCHEMA)
        self._ring: tuple[str, ...] = ()

    def add(self, pairs: Mapping[str, Local]) -> None:
        """Remember whom these stand for; raises ConfigurationError when one already stands for somebody else, and
        StartAgain when another process has changed the key since this one was bound."""
        rows = [(ref, *local) for ref, local in pairs.items()]
        known = "ON CONFLICT DO UPDATE SET local_id = excluded.local_id WHERE local_id IS NULL"
        with self._db:
            self._db.executemany(f"INSERT INTO pseudonym VALUES (?, ?, ?) {known}", rows)  # noqa: S608  our own words
            if rows and self._ring:
                self._check_ring()
        found = self.local([ref for ref, *_ in rows])
        if any(found.get(ref) != Local(kind, local_id) for ref, kind, local_id in rows):
            raise ConfigurationError(
                "a pseudonym stands for somebody else",
                place="pseudonym table",
                remedy="the agency key was changed: restore it",
            )

    def remove(self, ref: str) -> None:
        """The agency's own system knows nobody of this pseudonym any more."""
        with self._db:
            self._db.execute("UPDATE pseudonym SET local_id = NULL WHERE ref = ?", (ref,))

    def local(self, refs: Iterable[str]) -> Mapping[str, Local]:
        """The local ids of those that are known."""
        found: dict[str, Local] = {}
        query = "SELECT kind, local_id FROM pseudonym WHERE ref = ? AND local_id IS NOT NULL"
        for ref in dict.fromkeys(refs):
            row = self._db.execute(query, (ref,)).fetchone()
            if row:
                found[ref] = Local(*row)
        return found

    def stands(self, ref: str) -> bool:
        """Whether this pseudonym was ever given to anybody."""
        return self._db.execute("SELECT 1 FROM pseudonym WHERE ref = ?", (ref,)).fetchone() is not None

    def all(self) -> Iterator[tuple[str, Local | None]]:
        """Every pseudonym that was given; None for whom the agency knows no more."""
        for ref, kind, local_id in self._db.execute("SELECT ref, kind, local_id FROM pseudonym"):
            yield ref, None if local_id is None else Local(kind, local_id)

    def marked(self) -> tuple[KeyEra, ...]:
        """The keys of these pseudonyms, the newest first; none before the first connector has run."""
        rows = self._db.execute(
            "SELECT fingerprint, since FROM ring WHERE since IS NOT NULL ORDER BY number DESC"
        )
        return tuple(KeyEra(*row) for row in rows)

    def begun(self) -> str | None:
        """The key that is about to be written into the agency's file."""
        row = self._db.execute("SELECT fingerprint FROM ring WHERE since IS NULL").fetchone()
        return row[0] if row else None

    def begin(self, fingerprint: str, number: int) -> None:
        """The agency's `number`th key is about to be written; what was begun before and not ended is forgotten."""
        with self._writing():
            self._db.execute("DELETE FROM ring WHERE since IS NULL")
            self._db.execute("INSERT INTO ring VALUES (?, ?, NULL)", (number, fingerprint))

    def mark(self, fingerprint: str, number: int) -> None:
        """From now on new pseudonyms are made with this key, the agency's `number`th; processes that hold older ones
        only may name nobody more. Does nothing where that number is another key's."""
        mark = """INSERT INTO ring VALUES (?, ?, CURRENT_TIMESTAMP) ON CONFLICT (number) DO UPDATE
            SET since = excluded.since WHERE since IS NULL AND fingerprint = excluded.fingerprint"""
        with self._writing():
            self._db.execute(mark, (number, fingerprint))

    def bind(self, ring: tuple[str, ...]) -> None:
        """Whoever adds does so with these keys (fingerprints, the newest first)."""
        self._ring = ring

    def _check_ring(self) -> None:
        """Inside the transaction that adds: it holds the file, so nobody changes the key beside it."""
        if tuple(mark.fingerprint for mark in self.marked()) != self._ring:
            raise StartAgain(
                "the agency key was changed meanwhile",
                place="pseudonym table",
                remedy="start the connector again",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._db:
                yield
        except OperationalError:
            raise ServiceUnavailable(
                "cannot be written", place="pseudonym table", remedy="check disk, owner and permissions"
            ) from None

    def close(self) -> None:
        self._db.close()
