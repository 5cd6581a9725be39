"""The export of a host, for the compliance kit."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.trial import COLUMNS, Tables

WIDTH = 32
MARKS = {"people": "PE", "consents": "CO"}


def _layout(columns: tuple[str, ...]) -> dict[str, list[int]]:
    return {name: [2 + WIDTH * n, 2 + WIDTH * (n + 1)] for n, name in enumerate(columns)}


class Trial:
    settings: Mapping[str, Any] = {"file": "export.txt"}
    streams: Mapping[str, Mapping[str, Any]] = {
        name: {"mark": MARKS[name], "layout": _layout(columns)} for name, columns in COLUMNS.items()
    }

    def __init__(self, folder: Path) -> None:
        self._file, self._away = folder / "export.txt", folder / "away.txt"

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        lines = [
            MARKS[name] + "".join(row[column].ljust(WIDTH) for column in COLUMNS[name]) + "\n"
            for name, rows in tables.items()
            for row in rows
        ]
        self._file.write_bytes("".join(lines).encode("cp1252"))

    def stop(self) -> None:
        self._file.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._file)

    def content(self) -> bytes:
        return self._file.read_bytes()
