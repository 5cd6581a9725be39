"""The agency's own table pseudonym → local id: it never leaves the agency, and source and sink share it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from connectors.runtime.files import open_file
from connectors.runtime.mapping import MappedEvent
from hub.errors import ConfigurationError


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
    return pairs


class Pseudonyms:
    """One SQLite file on the agency's own disk. Pseudonyms never change, so no row does; one goes with an erasure, when
    the agency itself knows the person no more."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(
            path, "CREATE TABLE IF NOT EXISTS pseudonym (ref TEXT PRIMARY KEY, kind TEXT, local_id TEXT)"
        )

    def add(self, pairs: Mapping[str, Local]) -> None:
        """Remember whom these stand for; raises ConfigurationError when one already stands for somebody else."""
        rows = [(ref, *local) for ref, local in pairs.items()]
        with self._db:
            self._db.executemany("INSERT INTO pseudonym VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)
        known = self.local([ref for ref, *_ in rows])
        if any(known.get(ref) != Local(kind, local_id) for ref, kind, local_id in rows):
            raise ConfigurationError(
                "a pseudonym stands for somebody else",
                place="pseudonym table",
                remedy="the agency key was changed: restore it",
            )

    def remove(self, ref: str) -> None:
        """The agency's own system knows nobody of this pseudonym any more."""
        with self._db:
            self._db.execute("DELETE FROM pseudonym WHERE ref = ?", (ref,))

    def local(self, refs: Iterable[str]) -> Mapping[str, Local]:
        """The local ids of those that are known."""
        found: dict[str, Local] = {}
        for ref in dict.fromkeys(refs):
            row = self._db.execute("SELECT kind, local_id FROM pseudonym WHERE ref = ?", (ref,)).fetchone()
            if row:
                found[ref] = Local(*row)
        return found

    def close(self) -> None:
        self._db.close()
