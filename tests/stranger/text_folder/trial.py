"""The folder of text files, for the compliance kit."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.trial import Shown


class Trial:
    settings: Mapping[str, Any] = {"folder": "texts"}

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "texts", folder / "away"

    def shown(self, at: datetime) -> Sequence[Shown]:
        files = [file.read_text(encoding="utf-8") for file in self._folder.iterdir()]
        return [Shown(*json.loads(line)) for text in files for line in text.splitlines()[1:]]

    def stop(self) -> None:
        self._folder.rename(self._away)
        self._folder.touch()

    def start(self) -> None:
        self._folder.unlink()
        self._away.rename(self._folder)
