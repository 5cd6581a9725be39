"""The system of the compliance kit: an SQLite database whose outbox tells of every change, late ones among them."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.sqlite import ADDRESS, SqliteSystem
from connectors.kit.trial import COLUMNS, Rows, Tables

OPEN = 20  # numbers that a transaction took before each writing, and that it commits with the next late one


class Trial(SqliteSystem):
    """Each entry holds one record whole. Nothing is ever removed; a record that ended has an entry which says so."""

    settings: Mapping[str, Any] = {
        "url": ADDRESS,
        "table": "outbox",
        "id": "nr",
        "kind": "kind",
        "payload": "said",
        "gap_hours": 48,
    }
    streams: Mapping[str, Mapping[str, Any]] = {
        name: {"gone": {"column": "deleted", "in": ["J"]}} for name in COLUMNS
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._now: dict[tuple[str, str], Mapping[str, str]] = {}
        self._open: Iterator[int] = iter(())
        self._last = 0
        with self.database() as db:
            db.execute("CREATE TABLE outbox (nr INTEGER PRIMARY KEY, kind, said)")

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        told = [(name, row) for name, rows in tables.items() for row in self._otherwise(name, rows)]
        late = self._open if stamped < at else iter(())
        self._open = iter(range(self._last + 1, self._last + 1 + OPEN))
        self._last += OPEN
        entries = [(next(late, None) or self._number(), name, json.dumps(row)) for name, row in told]
        with self.database() as db:
            db.executemany("INSERT INTO outbox VALUES (?, ?, ?)", entries)

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _otherwise(self, name: str, rows: Rows) -> Iterator[Mapping[str, str]]:
        """What the outbox has not told yet."""
        there = {row["number"]: {**row, "deleted": "N"} for row in rows}
        ended = [row for (kind, number), row in self._now.items() if kind == name and number not in there]
        for row in (*there.values(), *({**row, "deleted": "J"} for row in ended)):
            if self._now.get((name, row["number"])) != row:
                self._now[name, row["number"]] = row
                yield row
