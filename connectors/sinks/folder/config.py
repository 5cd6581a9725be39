"""Settings of the file sink: where the files go and how they are written."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig
from hub.errors import ConfigurationError
from hub.file_models import FileTable, checked

FORMATS = ("csv", "xml")


class OutTable(FileTable):
    folder: str
    format: str = "csv"
    encoding: str = "utf-8"
    delimiter: str = ";"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutSettings:
    """`format`: csv or xml; `encoding` and `delimiter` are what the importing system expects."""

    folder: Path
    format: str
    encoding: str
    delimiter: str


def out_settings(config: ConnectorConfig) -> OutSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(OutTable, config.settings, "config.settings")
    settings = OutSettings(
        folder=config.path(table.folder),
        format=table.format,
        encoding=table.encoding,
        delimiter=table.delimiter,
    )
    if settings.format not in FORMATS:
        raise ConfigurationError("unknown format", place="config.settings.format", remedy=" | ".join(FORMATS))
    try:
        codecs.lookup(settings.encoding)
    except LookupError:
        raise ConfigurationError(
            "unknown encoding", place="config.settings.encoding", remedy="for example cp1252"
        ) from None
    if len(settings.delimiter) != 1:
        raise ConfigurationError(
            "must be one sign", place="config.settings.delimiter", remedy="for example ;"
        )
    return settings
