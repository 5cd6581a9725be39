"""The work book: entries in the agency's own SQLite file, each written once and never changed.

It stands in the file of the desk's consent book. Values stand as text, so that the ordinary pipeline reads them as it
reads any export; the view `work` has a column for each field of each event that can stand here.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from connectors.pipeline.state.sqlite_files import open_file
from hub.desk.work.entries import WorkEntry
from hub.desk.work.steps import WORK_EVENTS, WorkStep
from schemas import EventSchema, event_schema, from_json
from schemas.fields import STAMP, STAMP_PARTS

SPLIT = ","
"""Between the items of a list: no code holds it."""
PARTS = "."
"""Between a field and the part of it that has a column of its own."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS work_entries (
        entry_id TEXT PRIMARY KEY, ref TEXT NOT NULL, event_type TEXT NOT NULL, case_id TEXT NOT NULL,
        person_id TEXT NOT NULL, sent_to TEXT, said_at TEXT NOT NULL, fields TEXT NOT NULL,
        recorded_at TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS work_entries_time ON work_entries (recorded_at)",
    "CREATE INDEX IF NOT EXISTS work_entries_ref ON work_entries (ref)",
    "CREATE INDEX IF NOT EXISTS work_entries_case ON work_entries (case_id)",
    "CREATE TABLE IF NOT EXISTS work_answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)",
)


class Kept(NamedTuple):
    """An entry as it stands in the book."""

    entry_id: str
    entry: WorkEntry
    recorded_at: datetime


class WorkBook:
    """The open book; raises ServiceUnavailable when the file does not open."""

    def __init__(self, path: Path, agency: str) -> None:
        self._db, self._agency = open_file(path, *_SCHEMA), agency
        _keep_view(self._db)

    def enter(
        self, entry_id: str, made: WorkEntry, at: datetime, key: str, answer: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Write the entry, recorded at `at`, with what was answered; of a key that was used, what was answered then,
        and nothing is written."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if (before := self.answered(key)) is not None:
                return before
            step = made.step
            row = (
                entry_id,
                made.ref,
                step.event_type,
                step.case_id,
                step.person_id,
                made.addressee,
                written_time(step.occurred_at),
                json.dumps(written(step.fields), ensure_ascii=False),
                written_time(at),
            )
            self._db.execute("INSERT INTO work_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            if key:
                self._db.execute("INSERT INTO work_answers VALUES (?, ?)", (key, json.dumps(answer)))
        return answer

    def answered(self, key: str) -> Mapping[str, Any] | None:
        """What was answered when this key was used; None when it was not, or is empty."""
        row = (
            self._db.execute("SELECT answer FROM work_answers WHERE key = ?", (key,)).fetchone()
            if key
            else None
        )
        return json.loads(row[0]) if row else None

    def under(self, ref: str) -> list[WorkStep]:
        """The steps that were recorded under this reference, in order."""
        return [kept.entry.step for kept in self._kept("ref = ?", ref)]

    def of_case(self, case_id: str) -> list[Kept]:
        """The entries of a case, in order."""
        return list(self._kept("case_id = ?", case_id))

    def close(self) -> None:
        self._db.close()

    def _kept(self, where: str, bound: str) -> Iterator[Kept]:
        query = f"SELECT * FROM work_entries WHERE {where} ORDER BY said_at, recorded_at, rowid"  # noqa: S608  our own words
        for entry_id, ref, kind, case_id, person_id, to, said_at, fields, recorded in self._db.execute(
            query, (bound,)
        ):
            step = WorkStep(
                event_type=kind,
                sender=self._agency,
                case_id=case_id,
                person_id=person_id,
                occurred_at=datetime.fromisoformat(said_at),
                fields=read(kind, json.loads(fields)),
            )
            yield Kept(
                entry_id, WorkEntry(ref=ref, step=step, addressee=to), datetime.fromisoformat(recorded)
            )


def columns() -> list[str]:
    """A column for each field, or part of a field, of each event that can stand in the book."""
    return sorted({name for event_type in WORK_EVENTS for name in columns_of(event_schema(event_type))})


def columns_of(schema: EventSchema) -> list[str]:
    return [name for field in schema.fields for name in parts_of(schema, field)]


def written(fields: Mapping[str, Any]) -> dict[str, str]:
    """Fields as text, each part of a field under a name of its own."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found |= {f"{name}{PARTS}{part}": str(one) for part, one in value.items()}
        elif isinstance(value, list | tuple):
            found[name] = SPLIT.join(value)
        elif isinstance(value, bool):
            found[name] = str(int(value))
        else:
            found[name] = value.isoformat() if isinstance(value, date) else str(value)
    return found


def read(event_type: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """The way back, as the event's schema has each field."""
    schema, found = event_schema(event_type), dict[str, Any]()
    for name, text in texts.items():
        field, _, part = name.partition(PARTS)
        if part:
            found.setdefault(field, {})[part] = text
        else:
            found[field] = _plain(schema.fields[field].kind, text)
    return dict(from_json(schema, found))


def _plain(kind: str, text: str) -> object:
    if kind == "boolean":
        return text == "1"
    if kind in ("int", "long"):
        return int(text)
    return text.split(SPLIT) if kind == "strings" else text


def parts_of(schema: EventSchema, field: str) -> Sequence[str]:
    """The columns of a field: one, or one for each of its parts."""
    if schema.fields[field].kind != STAMP:
        return [field]
    return [f"{field}{PARTS}{part}" for part in STAMP_PARTS]


def _keep_view(db: sqlite3.Connection) -> None:
    """The view with the columns that this release knows; a newer release adds what it knows."""
    told = "".join(f""", json_extract(fields, '$."{name}"') AS "{name}\"""" for name in columns())
    about = "CASE person_id WHEN '' THEN 'family' ELSE 'person' END AS about"
    known = f"entry_id, event_type, case_id, person_id, {about}, sent_to, said_at, recorded_at{told}"
    says = f"CREATE VIEW work AS SELECT {known} FROM work_entries"  # noqa: S608  our own names
    held = db.execute("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = 'work'").fetchone()
    if held is None or held[0] != says:
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DROP VIEW IF EXISTS work")
            db.execute(says)


def written_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
