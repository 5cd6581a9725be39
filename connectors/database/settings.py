"""Settings of a connector that opens a database: its address, time limits, the columns that it reads."""

import os
from dataclasses import dataclass, field

from pydantic import SecretStr

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from hub.errors import ConfigurationError
from hub.file_models import FileTable


class AddressTable(FileTable):
    """A database's address, or the environment variable that holds it."""

    url: SecretStr = SecretStr("")
    url_env: str = ""


class DatabaseTable(AddressTable):
    connect_seconds: int = 10
    statement_seconds: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the database is, and how long it may take to let us in and to answer."""

    url: str = field(repr=False)
    connect_seconds: int
    statement_seconds: int


def access_of(table: DatabaseTable, config: ConnectorConfig) -> Access:
    """The part of the settings that every source in a database has; raises ConfigurationError."""
    access = Access(
        url=url_of(table, config),
        connect_seconds=table.connect_seconds,
        statement_seconds=table.statement_seconds,
    )
    if min(access.connect_seconds, access.statement_seconds) < 1:
        raise ConfigurationError(
            "must be positive", place="config.settings", remedy="correct connect_seconds or statement_seconds"
        )
    return access


def url_of(table: AddressTable, config: ConnectorConfig) -> str:
    """The address of the database; raises ConfigurationError where none is named."""
    found = os.environ.get(table.url_env, "") if table.url_env else table.url.get_secret_value()
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
