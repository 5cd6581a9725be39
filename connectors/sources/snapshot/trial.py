"""The system of the compliance kit: a folder of snapshots, each with its manifest."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from connectors.kit.trial import COLUMNS, Tables, written


class Trial:
    """One folder per writing."""

    settings: Mapping[str, Any] = {"folder": "export", "encoding": "cp1252", "delimiter": ";"}
    streams: Mapping[str, Mapping[str, str]] = {name: {"file": f"{name}.csv"} for name in COLUMNS}

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "export", folder / "away"
        self._folder.mkdir()

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        files = {f"{name}.csv": (written(name, rows), len(rows)) for name, rows in tables.items()}
        into = self._folder / f"{at:%Y-%m-%dT%H%M}"
        into.mkdir()
        for name, (content, _) in files.items():
            (into / name).write_bytes(content)
        entries = [
            {"file": name, "rows": count, "sha256": sha256(content).hexdigest()}
            for name, (content, count) in files.items()
        ]
        manifest = {"as_of": at.isoformat(), "files": entries}
        (into / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def stop(self) -> None:
        self._folder.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._folder)

    def content(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self._folder.rglob("*")) if file.is_file())
