"""The system of the compliance kit: an inbox into which one XML file per stream is renamed when it is complete."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from connectors.kit.trial import COLUMNS, Rows, Tables


class Trial:
    """One file per stream and writing."""

    settings: Mapping[str, Any] = {
        "folder": "drop",
        "complete": "rename",
        "encoding": "utf-8",
        "as_of": r"_(\d{8})\.xml$",
        "together": True,
    }
    streams: Mapping[str, Mapping[str, Any]] = {
        name: {
            "file": f"{name}_*.xml",
            "records": {"path": "Export/Record", "columns": {column: column for column in columns}},
        }
        for name, columns in COLUMNS.items()
    }

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "drop", folder / "away"
        (self._folder / "inbox").mkdir(parents=True)

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        for name, rows in tables.items():
            part = self._folder / "inbox" / f"{name}.part"
            part.write_text(_written(name, rows), encoding="utf-8")
            part.rename(self._folder / "inbox" / f"{name}_{at:%Y%m%d}.xml")

    def stop(self) -> None:
        self._folder.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._folder)

    def content(self) -> bytes:
        """Reading moves a file on; it changes none."""
        return b"".join(sorted(file.read_bytes() for file in self._folder.rglob("*.xml")))


def _written(name: str, rows: Rows) -> str:
    records = "\n".join(
        f"<Record>{''.join(f'<{c}>{escape(row[c])}</{c}>' for c in COLUMNS[name])}</Record>" for row in rows
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Export>\n{records}\n</Export>\n'
