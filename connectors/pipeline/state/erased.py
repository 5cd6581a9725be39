"""What a connector remembers of erasures: keyed hashes and numbers, beside the rest of its state."""

import json
from collections.abc import Iterable
from sqlite3 import Connection

SCHEMA = (
    "CREATE INDEX IF NOT EXISTS published_subject ON published (subject_ref)",
    """CREATE TABLE IF NOT EXISTS erased (
        subject_ref TEXT PRIMARY KEY, at INTEGER NOT NULL, consents TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS ended (record_ref BLOB PRIMARY KEY, subject_ref TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS ended_subject ON ended (subject_ref)",
)


class ErasedSubjects:
    """Erased subjects and their records that have ended. Writes belong in a transaction of the state."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def spoke_of(self, subject_ref: str) -> bool:
        """Whether anything about this subject was ever published."""
        return self._any("published", subject_ref)

    def speaks_of(self, subject_ref: str) -> bool:
        """Whether something was published about this subject and has not ended since."""
        return self.spoke_of(subject_ref) and not self.any_of(subject_ref)

    def any_of(self, subject_ref: str) -> bool:
        """Whether a record of this subject has ended and was not revived."""
        return self._any("ended", subject_ref)

    def erased(self) -> dict[str, tuple[int, frozenset[str]]]:
        """Subject → until when its records have ended (microseconds), and the consents that do not bring them back."""
        rows = self._db.execute("SELECT subject_ref, at, consents FROM erased")
        return {ref: (at, frozenset(json.loads(consents))) for ref, at, consents in rows}

    def erase(self, subject_ref: str, at: int, consents: frozenset[str]) -> None:
        """Until when, and which consents were known by then."""
        told = json.dumps(sorted(consents))
        self._db.execute("INSERT OR REPLACE INTO erased VALUES (?, ?, ?)", (subject_ref, at, told))

    def end(self, subject_ref: str, ended: Iterable[bytes], control: Iterable[bytes]) -> None:
        """These records, and all that was published of the subject, have ended: their refs and numbers stay (rule 2),
        what they were and rested on goes. `control` records (proofs) stay as they are."""
        known = self._db.execute("SELECT record_ref FROM published WHERE subject_ref = ?", (subject_ref,))
        gone = ({row[0] for row in known} | set(ended)) - set(control)
        pairs = [(ref, subject_ref) for ref in sorted(gone)]
        self._db.executemany("INSERT OR REPLACE INTO ended VALUES (?, ?)", pairs)
        hollow = "UPDATE published SET whole = x'', kept = '[]', ground = '[]', waiting = '[]' WHERE record_ref = ?"
        self._db.executemany(hollow, [(ref,) for ref, _ in pairs])

    def among(self, refs: Iterable[bytes]) -> set[bytes]:
        """Those of these records that have ended."""
        query = "SELECT 1 FROM ended WHERE record_ref = ?"
        return {ref for ref in refs if self._db.execute(query, (ref,)).fetchone()}

    def standing(self, refs: Iterable[bytes]) -> set[bytes]:
        """Those of these records that were published, and emptied by no erasure since."""
        query = "SELECT 1 FROM published WHERE record_ref = ? AND whole <> x''"
        return {ref for ref in refs if self._db.execute(query, (ref,)).fetchone()}

    def revive(self, subject_ref: str) -> None:
        """The subject's records may be published again. That the erasure was heeded stays known."""
        self._db.execute("DELETE FROM ended WHERE subject_ref = ?", (subject_ref,))

    def _any(self, table: str, subject_ref: str) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE subject_ref = ?)"  # noqa: S608  our own names
        return bool(self._db.execute(query, (subject_ref,)).fetchone()[0])
