"""A system of the compliance kit that is an SQLite file: it can be away, come back, and be compared byte for byte."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ADDRESS = "sqlite:///agency.sqlite"


class SqliteSystem:
    """What trials of sources with a database have in common; the tables are theirs."""

    def __init__(self, folder: Path) -> None:
        self._file, self._away = folder / "agency.sqlite", folder / "away.sqlite"

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with closing(sqlite3.connect(self._file)) as db, db:
            yield db

    def stop(self) -> None:
        self._file.rename(self._away)

    def start(self) -> None:
        self._file.unlink(missing_ok=True)  # looking for it made an empty one
        self._away.rename(self._file)

    def content(self) -> bytes:
        with self.database() as db:
            return "\n".join(db.iterdump()).encode()
