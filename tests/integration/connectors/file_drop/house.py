"""An inbox and a connector of kind `file_drop` over it, as its process would hold it."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import connectors.sources.drop as kind
from connectors.contract import Incident, Row
from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.state.state import State
from connectors.sources.files.drop_settings import drop_settings
from hub.domain.identifiers import AgencyKey
from tests.support.delivery import one_delivery

KEY, NOW = AgencyKey(b"k" * 32), datetime(2026, 11, 20, 20, tzinfo=UTC)
PEOPLE = "nr;name;geboren;akte\n1;Ährenfeld;07.06.2015;A1\n2;Öz;01.02.1990;A1\n"
STREAM = """
[streams.people]
file = "personen*.csv"
key = "nr"
[[streams.people.events]]
type = "SubjectRecorded"
subject = "nr"
case = "akte"
occurred_at = "@version"
[streams.people.events.fields]
birth_date = "geboren"
"""
HEAD = """
[agency]
id = "ja-a"
kind = "youth_welfare"
[connector]
kind = "file_drop"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[defaults]
date = "%d.%m.%Y"
[settings]
folder = "drop"
encoding = "cp1252"
delimiter = ";"
"""


class House:
    """A drop folder and a source over it, as a connector's process would hold it."""

    def __init__(self, folder: Path, settings: str, stream: str = STREAM) -> None:
        self.folder, self.drop = folder, folder / "drop"
        (self.drop / "inbox").mkdir(parents=True)
        (folder / "source.toml").write_text(HEAD + settings + stream, encoding="utf-8")
        self.start()

    @property
    def config(self) -> ConnectorConfig:
        return load_config(self.folder / "source.toml")

    def restart(self) -> None:
        """A new process on the same state."""
        self.state.close()
        self.start()

    def start(self) -> None:
        config = self.config
        drop_settings(config)
        self.state = State(self.folder / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
        self.source = kind.build(config, self.state, KEY)

    def put(self, name: str, text: str | bytes, encoding: str = "cp1252") -> None:
        (self.drop / "inbox" / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))

    def manifest(self, day: str, *names: str, **wrong: Any) -> None:
        entries = []
        for name in names:
            data = (self.drop / "inbox" / name).read_bytes()
            told = {"file": name, "rows": data.count(b"\n") - 1, "sha256": hashlib.sha256(data).hexdigest()}
            entries.append(told | wrong)
        content = json.dumps({"as_of": day, "files": entries})
        (self.drop / "inbox" / "manifest.json").write_text(content, encoding="utf-8")

    def step(self) -> tuple[list[Row], list[Incident]]:
        """All rows of one delivery, confirmed."""
        return one_delivery(self.source, self.state, NOW)

    def files(self, room: str) -> list[str]:
        return (
            sorted(path.name for path in (self.drop / room).glob("*")) if (self.drop / room).exists() else []
        )


Build = Callable[..., House]


def keys(rows: list[Row]) -> list[str]:
    return [row.key for row in rows if not row.gone]


TRAILER = """complete = "trailer"\ntrailer = 'ENDE;(\\d+)'\n"""
