"""Settings of a desk: where its book is, and which connector of the agency reads what the signing table shows."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from connectors.pipeline.config.connector import ConnectorConfig
from hub.desk.work.mapping import work_streams
from hub.file_models import FileTable, checked


class DeskTable(FileTable):
    book: str
    records: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """`records`: the configuration of the source that reads the agency's system."""

    book: Path
    records: Path


def desk_settings(config: ConnectorConfig) -> DeskSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(DeskTable, config.settings, "config.settings")
    return DeskSettings(book=config.path(table.book), records=config.path(table.records))


def book_mapping() -> Mapping[str, Any]:
    """The mapping of the book, work book included, the same at every agency."""
    told = tomllib.loads((files("hub.desk") / "mapping.toml").read_text(encoding="utf-8"))
    return {**told, "streams": {**told["streams"], **work_streams()}}
