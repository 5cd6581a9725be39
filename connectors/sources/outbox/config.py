"""Settings of the outbox source: its table, its columns, and which entries belong to a stream."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from connectors.database.settings import Access, DatabaseTable, access_of, read_columns
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.config.values import VERSION
from hub.errors import ConfigurationError
from hub.file_models import FileTable, Texts, checked


class OutboxTable(DatabaseTable):
    table: str
    schema_: str = Field(default="", alias="schema")
    id: str
    kind: str = ""
    payload: str = ""
    columns: Texts = ()
    gap_hours: float = 24.0


class OutboxStreamTable(FileTable):
    entries: Texts | None = None
    numeric: Texts = ()
    optional: Texts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStream:
    """`entries`: what the `kind` column says of entries of this stream. `columns`: what is read of them; those that are
    `optional` may be missing from a JSON object and are empty then."""

    name: str
    stream: Stream
    entries: tuple[str, ...]
    numeric: frozenset[str]
    columns: tuple[str, ...]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxSettings:
    """`payload`: the column with a JSON object; empty where each value has a column of its own. `beside`: columns of
    the table that are read beside the object. `gap_hours`: how long a number that was skipped may still be committed.
    """

    access: Access
    table: str
    schema: str
    id: str
    kind: str
    payload: str
    beside: tuple[str, ...]
    gap_hours: float
    streams: Mapping[str, OutboxStream]


def outbox_settings(config: ConnectorConfig) -> OutboxSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(OutboxTable, config.settings, "config.settings")
    settings = OutboxSettings(
        access=access_of(table, config),
        table=table.table,
        schema=table.schema_,
        id=table.id,
        kind=table.kind,
        payload=table.payload,
        beside=table.columns,
        gap_hours=table.gap_hours,
        streams={stream.name: _stream(stream, config) for stream in config.streams.values()},
    )
    _check(settings)
    return settings


def _stream(stream: Stream, config: ConnectorConfig) -> OutboxStream:
    place = f"config.streams.{stream.name}"
    table = checked(OutboxStreamTable, stream.settings, place)
    found = OutboxStream(
        name=stream.name,
        stream=stream,
        entries=(stream.name,) if table.entries is None else table.entries,
        numeric=frozenset(table.numeric),
        columns=tuple(sorted(read_columns(stream, config))),
        optional=frozenset(table.optional),
    )
    ends = [stream.on_vanish] if stream.on_vanish else []
    if any(event.by_version for event in (*stream.events, *ends)):
        raise ConfigurationError(
            "an outbox entry's version is its number, no time",
            place=place,
            remedy=f'name the column that holds the time in place of "{VERSION}"',
        )
    return found


def _check(settings: OutboxSettings) -> None:
    if len(settings.streams) > 1 and not settings.kind:
        raise ConfigurationError(
            "is missing", place="config.settings.kind", remedy="name the column that tells the streams apart"
        )
    if settings.gap_hours <= 0:
        raise ConfigurationError("must be positive", place="config.settings.gap_hours", remedy="correct it")
