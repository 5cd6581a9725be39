"""The system of the kit: the same files, written, broken and brought back."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from connectors.kit.trial import Tables


class Trial:
    """A folder of JSON lines."""

    settings: Mapping[str, str] = {"folder": "export"}
    streams: Mapping[str, Mapping[str, str]] = {
        "people": {"file": "people.jsonl"},
        "consents": {"file": "consents.jsonl"},
    }

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "export", folder / "away"
        self._folder.mkdir()

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        for name, rows in tables.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (self._folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def stop(self) -> None:
        self._folder.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._folder)

    def content(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self._folder.iterdir()))
