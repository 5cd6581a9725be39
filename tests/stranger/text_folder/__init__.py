"""A stranger's sink: one text file a view, a line a field; a view that is taken away takes its file with it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.sinks.sink import ViewSink
from hub.domain.clock import micros
from hub.errors import ServiceUnavailable
from hub.file_models import FileTable, checked
from hub.ports import EventLog, KeyStore


class Settings(FileTable):
    folder: str


spec = Spec(kind="text_folder", role="sink", settings=Settings)


class TextFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, connection: Connection) -> None:
        with _or_unavailable():
            self._folder.mkdir(parents=True, exist_ok=True)

    def replace(
        self, connection: Connection, view: Mapping[str, Any], new: Sequence[Mapping[str, Any]]
    ) -> None:
        place = "\x1f".join((view["case_ref"], view["role"], view["worker"] or ""))
        file = self._folder / f"{sha256(place.encode()).hexdigest()[:16]}.txt"
        with _or_unavailable():
            if new:
                lines = (json.dumps([row["fall"], row["fachkraft"], row["feld"], row["wert"]]) for row in new)
                file.write_text("\n".join((str(view["not_after"]), *lines)), encoding="utf-8")
            else:
                file.unlink(missing_ok=True)

    def expire(self, connection: Connection, now: datetime) -> None:
        with _or_unavailable():
            for file in self._folder.iterdir():
                if int(file.read_text(encoding="utf-8").partition("\n")[0]) <= micros(now):
                    file.unlink()


@contextmanager
def _or_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable(
            f"the folder cannot be written ({type(error).__name__})",
            place="config.settings.folder",
            remedy="look for the drive",
        ) from None


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> ViewSink:
    folder = config.path(checked(Settings, config.settings, "config.settings").folder)
    book = create_engine(f"sqlite:///{config.state}", hide_parameters=True)
    return ViewSink(config.agency, book, TextFolder(folder), keys, log, pseudonyms, config.batch)
