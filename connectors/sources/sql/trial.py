"""The system of the compliance kit: an SQLite database with a time of change and a mark of deletion."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.sqlite import ADDRESS, SqliteSystem
from connectors.kit.trial import COLUMNS, Tables
from hub.domain.clock import BERLIN

_STREAM = {"version": "changed", "gone": {"column": "deleted", "in": ["J"]}}


class Trial(SqliteSystem):
    """Rows are never removed, only marked, as the `sql` kind wants it."""

    settings: Mapping[str, str] = {"url": ADDRESS}
    streams: Mapping[str, Mapping[str, Any]] = {name: {"table": name, **_STREAM} for name in COLUMNS}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with self.database() as db:
            for name, columns in COLUMNS.items():
                db.execute(
                    f"CREATE TABLE {name} ({', '.join(columns)}, changed, deleted, PRIMARY KEY (number))"
                )

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        moment = stamped.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S")
        with self.database() as db:
            for name, rows in tables.items():
                known = {row[0]: row for row in db.execute(f"SELECT * FROM {name}")}  # noqa: S608  the kit's own names
                for row in rows:
                    self._put(db, name, row, known.pop(row["number"], None), moment)
                gone = [(moment, number) for number, row in known.items() if row[-1] == "N"]
                db.executemany(f"UPDATE {name} SET changed = ?, deleted = 'J' WHERE number = ?", gone)  # noqa: S608

    def _put(
        self,
        db: sqlite3.Connection,
        name: str,
        row: Mapping[str, str],
        old: tuple[str, ...] | None,
        moment: str,
    ) -> None:
        values = tuple(row[column] for column in COLUMNS[name])
        if old is None or old[:-2] != values or old[-1] == "J":
            marks = ", ".join("?" * (len(values) + 2))
            db.execute(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", (*values, moment, "N"))  # noqa: S608
