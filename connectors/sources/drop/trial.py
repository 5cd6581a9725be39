"""The system of the compliance kit: an inbox into which an export is renamed when it is complete."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.trial import COLUMNS, Tables, written


class Trial:
    """One file per stream and writing."""

    settings: Mapping[str, Any] = {
        "folder": "drop",
        "complete": "rename",
        "encoding": "cp1252",
        "delimiter": ";",
        "as_of": r"_(\d{8})\.csv$",
        "together": True,
    }
    streams: Mapping[str, Mapping[str, str]] = {name: {"file": f"{name}_*.csv"} for name in COLUMNS}

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "drop", folder / "away"
        (self._folder / "inbox").mkdir(parents=True)

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        for name, rows in tables.items():
            part = self._folder / "inbox" / f"{name}.part"
            part.write_bytes(written(name, rows))
            part.rename(self._folder / "inbox" / f"{name}_{at:%Y%m%d}.csv")

    def stop(self) -> None:
        self._folder.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._folder)

    def content(self) -> bytes:
        """Reading moves a file on; it changes none."""
        return b"".join(sorted(file.read_bytes() for file in self._folder.rglob("*.csv")))
