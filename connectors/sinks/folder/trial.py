"""The folder of the compliance kit, read as a system reads it that imports every file."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.trial import Shown


class Trial:
    """While it is away a file stands in its place, as where a network drive is not mounted."""

    settings: Mapping[str, Any] = {"folder": "sichten"}

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "sichten", folder / "away"

    def shown(self, at: datetime) -> Sequence[Shown]:
        rows = (row for path in self._folder.glob("*.csv") for row in _rows(path))
        return [Shown(row["fall"], row["fachkraft"], row["feld"], row["wert"]) for row in rows]

    def stop(self) -> None:
        self._folder.rename(self._away)
        self._folder.touch()

    def start(self) -> None:
        self._folder.unlink()
        self._away.rename(self._folder)


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter=";")
