"""The desk's book: what was signed, narrowed, taken back or objected to, in the agency's own words and ids.

One SQLite file on the agency's disk, only ever added to. It holds who signed what, so it belongs where the agency keeps
its files; nothing of it leaves except through the connector that reads it. An entry that took effect never changes:
whoever decides otherwise adds another.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from connectors.pipeline.state.sqlite_files import open_file
from hub.errors import UsageError

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS grants (
        consent_id TEXT PRIMARY KEY, process TEXT NOT NULL, person_id TEXT NOT NULL, case_id TEXT NOT NULL,
        signed_by TEXT NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL, workers TEXT NOT NULL,
        purposes TEXT NOT NULL, categories TEXT NOT NULL, form TEXT NOT NULL, explicit_special TEXT NOT NULL,
        notices TEXT NOT NULL, text_version TEXT NOT NULL, text_hash TEXT NOT NULL, proof_hash TEXT NOT NULL,
        granted_at TEXT NOT NULL, valid_until TEXT NOT NULL, language TEXT NOT NULL, interpreter TEXT NOT NULL,
        supersedes TEXT NOT NULL, recorded_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS withdrawals (
        withdrawal_id TEXT PRIMARY KEY, consent_id TEXT NOT NULL, person_id TEXT NOT NULL, case_id TEXT NOT NULL,
        purposes TEXT NOT NULL, categories TEXT NOT NULL, recipients TEXT NOT NULL, reason TEXT NOT NULL,
        withdrawn_at TEXT NOT NULL, recorded_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS objections (
        objection_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, case_id TEXT NOT NULL, norm TEXT NOT NULL,
        scope TEXT NOT NULL, raised_at TEXT NOT NULL, recorded_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS pairings (
        pairing_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, case_id TEXT NOT NULL, code TEXT NOT NULL,
        member INTEGER NOT NULL, recorded_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS custodies (
        custody_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, case_id TEXT NOT NULL, custodians TEXT NOT NULL,
        since TEXT NOT NULL, recorded_at TEXT NOT NULL)""",
    """CREATE VIEW IF NOT EXISTS custody AS
        SELECT person_id || ' ' || since AS record, person_id, case_id, custodians, since, recorded_at FROM custodies
        WHERE rowid IN (SELECT max(rowid) FROM custodies GROUP BY person_id, since)""",
    "CREATE TABLE IF NOT EXISTS proofs (proof_hash TEXT PRIMARY KEY, process TEXT NOT NULL, said TEXT NOT NULL)",
    *(
        f"CREATE INDEX IF NOT EXISTS {table}_time ON {table} (recorded_at)"
        for table in ("grants", "withdrawals", "objections", "pairings", "custodies")
    ),
)
_MANY = (
    "signed_by",
    "recipients",
    "workers",
    "purposes",
    "categories",
    "notices",
    "supersedes",
    "custodians",
)


class Grant(NamedTuple):
    """One consent of one person, for one direction. Persons and cases by the agency's own numbers."""

    consent_id: str
    process: str  # one signing: the consents of one form share it
    person_id: str
    case_id: str
    signed_by: tuple[str, ...]
    sender: str
    recipients: tuple[str, ...]
    workers: tuple[str, ...]
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    form: str
    explicit_special: bool
    notices: tuple[str, ...]
    text_version: str
    text_hash: str
    proof_hash: str
    granted_at: datetime
    valid_until: datetime | None
    language: str
    interpreter: str
    supersedes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Grant({self.consent_id})"


class Withdrawal(NamedTuple):
    """A consent taken back, whole or (with a dimension that is not empty) in part."""

    withdrawal_id: str
    consent_id: str
    person_id: str
    case_id: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    reason: str
    withdrawn_at: datetime

    def __repr__(self) -> str:
        return f"Withdrawal({self.withdrawal_id})"


class Objection(NamedTuple):
    """An objection of one person (§ 76(2) SGB X, or another norm, which is recorded only)."""

    objection_id: str
    person_id: str
    case_id: str
    norm: str
    scope: str
    raised_at: datetime

    def __repr__(self) -> str:
        return f"Objection({self.objection_id})"


class Pairing(NamedTuple):
    """A person's place on the form whose code the family brought."""

    pairing_id: str
    person_id: str
    case_id: str
    code: str
    member: int

    def __repr__(self) -> str:
        return f"Pairing({self.pairing_id})"


class CustodyEntry(NamedTuple):
    """Who holds custody of a child from `since` on; no `custodians`: nobody. A later entry for the same child and
    moment corrects the earlier one."""

    custody_id: str
    person_id: str
    case_id: str
    custodians: tuple[str, ...]
    since: datetime

    def __repr__(self) -> str:
        return f"CustodyEntry({self.custody_id})"


Entry = Grant | Withdrawal | Objection | Pairing | CustodyEntry
_TABLES: dict[type[Any], str] = {
    Grant: "grants",
    Withdrawal: "withdrawals",
    Objection: "objections",
    Pairing: "pairings",
    CustodyEntry: "custodies",
}


class Book:
    """The open book; raises ServiceUnavailable when the file does not open."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(path, *_SCHEMA)

    def enter(
        self, entries: Iterable[Entry], at: datetime, proofs: Iterable[tuple[str, str, str]] = ()
    ) -> None:
        """All of them or none, recorded at `at`; raises UsageError for an id that was used before."""
        try:
            with self._db:
                self._db.executemany("INSERT OR IGNORE INTO proofs VALUES (?, ?, ?)", proofs)
                for entry in entries:
                    row = [_written(value) for value in entry] + [_time(at)]
                    places = ", ".join("?" * len(row))
                    self._db.execute(f"INSERT INTO {_TABLES[type(entry)]} VALUES ({places})", row)  # noqa: S608
        except sqlite3.IntegrityError:
            raise UsageError(
                "this number was used before", place="consent desk", remedy="call again; it draws a new one"
            ) from None

    def grants(self, case_id: str = "") -> list[Grant]:
        """What was signed, in order; of one case, or all."""
        return [_read(Grant, row) for row in self._rows("grants", case_id)]

    def withdrawals(self, case_id: str = "") -> list[Withdrawal]:
        return [_read(Withdrawal, row) for row in self._rows("withdrawals", case_id)]

    def objections(self, case_id: str = "") -> list[Objection]:
        return [_read(Objection, row) for row in self._rows("objections", case_id)]

    def custodies(self, case_id: str) -> list[CustodyEntry]:
        """Who holds custody of the children of this case, and from when: the entries that no later one corrects."""
        entries = [_read(CustodyEntry, row) for row in self._rows("custodies", case_id)]
        return list({(entry.person_id, entry.since): entry for entry in entries}.values())

    def proof(self, process: str) -> str | None:
        """What was signed in one process, word by word."""
        row = self._db.execute("SELECT said FROM proofs WHERE process = ?", (process,)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        self._db.close()

    def _rows(self, table: str, case_id: str) -> Sequence[tuple[Any, ...]]:
        where, bound = ("WHERE case_id = ?", (case_id,)) if case_id else ("", ())
        query = f"SELECT * FROM {table} {where} ORDER BY recorded_at, rowid"  # noqa: S608  our own names
        return self._db.execute(query, bound).fetchall()


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, datetime):
        return _time(value)
    return "" if value is None else str(int(value)) if isinstance(value, bool) else value


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _read(kind: type[Any], row: Sequence[Any]) -> Any:
    values = dict(zip(kind._fields, row, strict=False))
    for name in values.keys() & set(_MANY):
        values[name] = tuple(part for part in values[name].split(",") if part)
    for name in values.keys() & {"granted_at", "valid_until", "withdrawn_at", "raised_at", "since"}:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    if "explicit_special" in values:
        values["explicit_special"] = values["explicit_special"] == "1"
    return kind(**values)
