"""Settings of the SQL source: where the database is, and each stream's table (or query) and version column."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.reading import Table
from connectors.runtime.streams import Stream
from connectors.runtime.values import Style
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStream:
    """`numeric`: key columns whose values are numbers in the database. `columns`: all that are read, no other."""

    name: str
    stream: Stream
    table: str
    query: str
    version: str
    numeric: frozenset[str]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSettings:
    """`overlap_seconds`: how late a transaction may commit below the cursor; `overlap_numbers`: for numbers."""

    url: str = field(repr=False)
    overlap_seconds: float
    overlap_numbers: int
    style: Style
    streams: Mapping[str, SqlStream]


def sql_settings(config: ConnectorConfig) -> SqlSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = Table(config.settings, "config.settings")
    url, name = table.take("url", str, ""), table.take("url_env", str, "")
    settings = SqlSettings(
        url=_url(url, name, config), overlap_seconds=table.take("overlap_seconds", float, 3600.0),
        overlap_numbers=table.take("overlap_numbers", int, 1000), style=config.style,
        streams={stream.name: _stream(stream, config) for stream in config.streams.values()},
    )  # fmt: skip
    table.close()
    return settings


def _url(url: str, name: str, config: ConnectorConfig) -> str:
    found = os.environ.get(name, "") if name else url
    if not found:
        raise ConfigurationError(
            "no database", place="config.settings", remedy="set url, or url_env and the variable"
        )
    prefix = "sqlite:///"
    if found.startswith(prefix) and not found.startswith(f"{prefix}/"):
        return f"{prefix}{config.path(found.removeprefix(prefix))}"
    return found


def _stream(stream: Stream, config: ConnectorConfig) -> SqlStream:
    table = Table(stream.settings, f"config.streams.{stream.name}")
    name, query = table.take("table", str, ""), table.take("query", str, "")
    version, numeric = table.take("version", str), table.texts("numeric", ())
    table.close()
    if bool(name) == bool(query):
        raise ConfigurationError("needs one of table, query", place=table.place, remedy="name what is read")
    looked = {
        column
        for lk in config.lookups.values()
        if lk.stream == stream.name
        for column in (lk.key, *lk.columns)
    }
    return SqlStream(
        name=stream.name, stream=stream, table=name, query=query, version=version, numeric=frozenset(numeric),
        columns=tuple(sorted(stream.columns | looked | {version})),
    )  # fmt: skip
