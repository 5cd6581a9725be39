"""Settings of the file sink: where the files go and how they are written."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.strict_toml import Table
from hub.errors import ConfigurationError

FORMATS = ("csv", "xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutSettings:
    """`format`: csv or xml; `encoding` and `delimiter` are what the importing system expects."""

    folder: Path
    format: str
    encoding: str
    delimiter: str


def out_settings(config: ConnectorConfig) -> OutSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = Table(config.settings, "config.settings")
    settings = OutSettings(
        folder=config.path(table.take("folder", str)), format=table.take("format", str, "csv"),
        encoding=table.take("encoding", str, "utf-8"), delimiter=table.take("delimiter", str, ";"),
    )  # fmt: skip
    table.close()
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
