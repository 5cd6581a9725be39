"""The agency's database of the compliance kit: SQLite, read as a vendor reads it."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.trial import Shown
from connectors.sinks.staging.tables import AKTUELL


class Trial:
    """While it is away a folder stands in its place, so that nothing can be opened under its name."""

    settings: Mapping[str, Any] = {"url": "sqlite:///uebergabe.sqlite"}

    def __init__(self, folder: Path) -> None:
        self._file, self._away = folder / "uebergabe.sqlite", folder / "away"

    def shown(self, at: datetime) -> Sequence[Shown]:
        with closing(sqlite3.connect(self._file)) as database:
            rows = database.execute(f"SELECT fall, fachkraft, feld, wert FROM {AKTUELL}")  # noqa: S608
            return [Shown(case or "", worker, name, value or "") for case, worker, name, value in rows]

    def stop(self) -> None:
        self._file.rename(self._away)
        self._file.mkdir()

    def start(self) -> None:
        self._file.rmdir()
        self._away.rename(self._file)
