"""Settings of the snapshot source: the folder, the dialect (fixed, never guessed) and each stream's file."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.reading import Table
from connectors.runtime.streams import Stream
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How every file of the export is written."""

    encoding: str
    delimiter: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvStream:
    """One file; `columns` are all that are read of it, no other leaves the reader."""

    name: str
    stream: Stream
    file: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSettings:
    """`vanish_limit`: the share (0–1) of the snapshot's keys that may vanish unasked, and of one file's keys when
    more than `vanish_rows` of them do (one of twelve is no sign of anything); `grace_minutes`:
    how long a folder may be written before its missing manifest is a fault."""

    folder: Path
    manifest: str
    dialect: Dialect
    vanish_limit: float
    vanish_rows: int
    grace_minutes: float
    streams: Mapping[str, CsvStream]


def csv_settings(config: ConnectorConfig) -> CsvSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = Table(config.settings, "config.settings")
    dialect = Dialect(
        encoding=table.take("encoding", str),
        delimiter=table.take("delimiter", str),
        quote=table.take("quote", str, '"'),
    )
    settings = CsvSettings(
        folder=config.path(table.take("folder", str)), manifest=table.take("manifest", str, "manifest.json"),
        dialect=dialect, vanish_limit=table.take("vanish_limit", float, 0.05),
        vanish_rows=table.take("vanish_rows", int, 10),
        grace_minutes=table.take("grace_minutes", float, 60.0),
        streams={stream.name: _stream(stream, config) for stream in config.streams.values()},
    )  # fmt: skip
    table.close()
    _check(settings)
    return settings


def _check(settings: CsvSettings) -> None:
    dialect = settings.dialect
    try:
        codecs.lookup(dialect.encoding)
    except LookupError:
        raise ConfigurationError(
            "unknown encoding", place="config.settings.encoding", remedy="for example cp1252"
        ) from None
    if len(dialect.delimiter) != 1 or len(dialect.quote) != 1 or not 0 <= settings.vanish_limit <= 1:
        raise ConfigurationError(
            "out of range", place="config.settings", remedy="one character; a share from 0 to 1"
        )


def _stream(stream: Stream, config: ConnectorConfig) -> CsvStream:
    table = Table(stream.settings, f"config.streams.{stream.name}")
    looked = {
        column
        for lk in config.lookups.values()
        if lk.stream == stream.name
        for column in (lk.key, *lk.columns)
    }
    found = CsvStream(
        name=stream.name,
        stream=stream,
        file=table.take("file", str),
        columns=tuple(sorted(stream.columns | looked)),
    )
    table.close()
    return found
