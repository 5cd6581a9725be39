"""Settings of a connector that opens a database: its address, time limits, the columns that it reads."""

import os
from dataclasses import dataclass, field

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.config.strict_toml import Table
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the database is, and how long it may take to let us in and to answer."""

    url: str = field(repr=False)
    connect_seconds: int
    statement_seconds: int


def access_of(table: Table, config: ConnectorConfig) -> Access:
    """The part of the settings that every source in a database has; raises ConfigurationError."""
    url, name = table.take("url", str, ""), table.take("url_env", str, "")
    access = Access(
        url=_url(url, name, config),
        connect_seconds=table.take("connect_seconds", int, 10),
        statement_seconds=table.take("statement_seconds", int, 300),
    )
    if min(access.connect_seconds, access.statement_seconds) < 1:
        raise ConfigurationError(
            "must be positive", place="config.settings", remedy="correct connect_seconds or statement_seconds"
        )
    return access


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


def read_columns(stream: Stream, config: ConnectorConfig) -> frozenset[str]:
    """All columns that the mapping or a lookup reads of the stream."""
    looked = {
        column
        for lk in config.lookups.values()
        if lk.stream == stream.name
        for column in (lk.key, *lk.columns)
    }
    return stream.columns | looked
