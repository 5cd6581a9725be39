"""Settings of the SQL source: where the database is, and each stream's table (or query) and version column."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from connectors.database.settings import Access, DatabaseTable, access_of, read_columns
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.config.values import Style
from hub.errors import ConfigurationError
from hub.file_models import FileTable, Texts, checked


class SqlTable(DatabaseTable):
    overlap_seconds: float = 3600.0
    overlap_numbers: int = 1000
    reconcile_minutes: float = 1440.0
    vanish_limit: float = 0.05
    vanish_rows: int = 10


class SqlStreamTable(FileTable):
    table: str = ""
    query: str = ""
    schema_: str = Field(default="", alias="schema")
    revision: int = 1
    version: str
    numeric: Texts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStream:
    """`numeric`: key columns whose values are numbers in the database. `columns`: all that are read, no other.

    `revision`: raised by a person who has looked at columns whose type changed.
    """

    name: str
    stream: Stream
    table: str
    query: str
    schema: str = ""
    version: str
    numeric: frozenset[str]
    columns: tuple[str, ...]
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSettings:
    """`overlap_seconds`: how late a transaction may commit below the cursor; `overlap_numbers`: for numbers.

    `reconcile_seconds`: how often all keys are compared with those that were read (0: never). `vanish_limit` and
    `vanish_rows`: more keys than this do not vanish unasked.
    """

    access: Access
    overlap_seconds: float
    overlap_numbers: int
    reconcile_seconds: float
    vanish_limit: float
    vanish_rows: int
    style: Style
    digest: str
    streams: Mapping[str, SqlStream]


def sql_settings(config: ConnectorConfig) -> SqlSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(SqlTable, config.settings, "config.settings")
    settings = SqlSettings(
        access=access_of(table, config),
        overlap_seconds=table.overlap_seconds,
        overlap_numbers=table.overlap_numbers,
        reconcile_seconds=60 * table.reconcile_minutes,
        vanish_limit=table.vanish_limit,
        vanish_rows=table.vanish_rows,
        style=config.style,
        digest=config.digest,
        streams={stream.name: _stream(stream, config) for stream in config.streams.values()},
    )
    _check(settings)
    for stream in config.streams.values():
        if stream.on_vanish and stream.gone is None and not settings.reconcile_seconds:
            raise ConfigurationError(
                "would never be said: keys are not compared",
                place=f"config.streams.{stream.name}.on_vanish",
                remedy="set reconcile_minutes, or map a deletion mark with gone",
            )
    return settings


def _check(settings: SqlSettings) -> None:
    if not 0 <= settings.vanish_limit <= 1:
        raise ConfigurationError(
            "out of range", place="config.settings.vanish_limit", remedy="a share from 0 to 1"
        )
    spans = (
        settings.overlap_seconds,
        settings.overlap_numbers,
        settings.reconcile_seconds,
        settings.vanish_rows,
    )
    if min(spans) < 0:
        raise ConfigurationError(
            "must not be negative",
            place="config.settings",
            remedy="correct overlap, reconcile_minutes, vanish_rows",
        )


def _stream(stream: Stream, config: ConnectorConfig) -> SqlStream:
    place = f"config.streams.{stream.name}"
    table = checked(SqlStreamTable, stream.settings, place)
    if bool(table.table) == bool(table.query):
        raise ConfigurationError("needs one of table, query", place=place, remedy="name what is read")
    return SqlStream(
        name=stream.name,
        stream=stream,
        table=table.table,
        query=table.query,
        schema=table.schema_,
        version=table.version,
        numeric=frozenset(table.numeric),
        columns=tuple(sorted(read_columns(stream, config) | {table.version})),
        revision=table.revision,
    )
