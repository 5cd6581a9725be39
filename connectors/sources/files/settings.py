"""What the configuration says of every source that reads files: how they are written, and each stream's part."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from pydantic import Field

from connectors.contract import Hour, Unreadable
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.config.values import Value, ValueGiven, refuse_inapplicable, value_of
from connectors.pipeline.mapping.cells import read
from hub.errors import ConfigurationError, DataError
from hub.file_models import FileTable, Texts, checked

if TYPE_CHECKING:
    from _csv import Reader


class VanishTable(FileTable):
    """How many keys may vanish unasked."""

    vanish_limit: float = 0.05
    vanish_rows: int = 10


class DialectTable(FileTable):
    """How CSV files are written."""

    encoding: str
    delimiter: str
    quote: str = '"'
    escape: str = ""
    header: bool = True
    skip: int = 0
    trailer: str = ""


class FileStreamTable(FileTable):
    """What a source of files reads of a stream, beside its mapping."""

    file: str
    changes: bool = False
    columns: Texts = ()
    derive: dict[str, ValueGiven] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How every CSV file of the export is written; fixed, never guessed. `quote`: empty where nothing is quoted.

    `header`: the first line names the columns (else each stream names them). `skip`: lines before it. `trailer`: what
    the last line looks like; its group, if there is one, is the number of rows.
    """

    encoding: str
    delimiter: str
    quote: str = '"'
    escape: str | None = None
    header: bool = True
    skip: int = 0
    trailer: re.Pattern[str] | None = None

    def parsed(self, lines: Iterable[str]) -> "Reader":
        """The cells of each line. Raises csv.Error, while reading."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=True,
            skipinitialspace=bool(self.quote) and self.delimiter != " ",
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
        )


@dataclass(frozen=True, slots=True)
class Changed:
    """The column in which a row says when it was changed, and how that is read; the delivery's day is another time."""

    column: str
    order: Callable[[str], int | None]
    hour: Callable[[str], Hour]

    def hour_of(self, values: Mapping[str, object]) -> Hour:
        """Whether the local time that the row says never comes, or comes twice."""
        raw = values[self.column]
        return self.hour(raw) if isinstance(raw, str) else ""

    def of(self, values: Mapping[str, object]) -> int | None:
        """Microseconds since 1970 UTC; None where the row says none, or only a rising number."""
        raw = values[self.column]
        try:
            return self.order(raw) if isinstance(raw, str) and raw else None
        except DataError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStream:
    """One stream of files; `columns` are all that are read, no other leaves the reader.

    `file`: its name, or a pattern of names. `changes`: each file holds changes only, else everything. `names`: the
    columns in order where the file has no header. `derived`: columns that are made of others. `changed`: where the rows
    themselves say when they were changed.
    """

    name: str
    stream: Stream
    file: str
    columns: tuple[str, ...]
    changes: bool = False
    names: tuple[str, ...] = ()
    derived: Mapping[str, Value]
    changed: Changed | None = None

    @property
    def parts(self) -> frozenset[str]:
        """The columns that others are made of."""
        return frozenset(column for value in self.derived.values() for column in value.used)

    def values(self, cells: Sequence[str]) -> dict[str, object]:
        """The row by column, derived ones included; what cannot be derived is unreadable."""
        found: dict[str, object] = dict(zip(self.columns, map(_told, cells), strict=True))
        for name, value in self.derived.items():
            found[name] = _derived(value, found)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSettings:
    """`vanish_limit`: the share (0–1) of one stream's keys, and of the keys of all streams, that may vanish unasked;
    as many as `vanish_rows` always may (one of twelve is no sign of anything), unless they are all there were."""

    vanish_limit: float
    vanish_rows: int
    streams: Mapping[str, FileStream]


def files_settings(table: VanishTable, config: ConnectorConfig) -> FilesSettings:
    """The part of the settings that all kinds of files share; raises ConfigurationError."""
    settings = FilesSettings(
        vanish_limit=table.vanish_limit,
        vanish_rows=table.vanish_rows,
        streams={stream.name: _stream(stream, config) for stream in config.streams.values()},
    )
    if not 0 <= settings.vanish_limit <= 1:
        raise ConfigurationError(
            "out of range", place="config.settings.vanish_limit", remedy="a share from 0 to 1"
        )
    return settings


def dialect_of(table: DialectTable) -> Dialect:
    """How the CSV files are written; raises ConfigurationError."""
    dialect = Dialect(
        encoding=table.encoding,
        delimiter=table.delimiter,
        quote=table.quote,
        escape=table.escape or None,
        header=table.header,
        skip=table.skip,
        trailer=_trailer(table.trailer),
    )
    try:
        codecs.lookup(dialect.encoding)
    except LookupError:
        raise ConfigurationError(
            "unknown encoding", place="config.settings.encoding", remedy="for example cp1252"
        ) from None
    signs = (dialect.delimiter, dialect.quote or '"', dialect.escape or "\\")
    if any(len(sign) != 1 for sign in signs) or dialect.skip < 0:
        raise ConfigurationError(
            "out of range",
            place="config.settings",
            remedy='delimiter, quote, escape: one character; quote = "": nothing is quoted',
        )
    return dialect


def _trailer(raw: str) -> re.Pattern[str] | None:
    try:
        return re.compile(raw) if raw else None
    except re.error as error:
        raise ConfigurationError(
            f"is no regular expression: {error}", place="config.settings.trailer", remedy="correct it"
        ) from None


def _stream(stream: Stream, config: ConnectorConfig) -> FileStream:
    place = f"config.streams.{stream.name}"
    table = checked(FileStreamTable, stream.settings, place)
    looked = {
        column
        for lk in config.lookups.values()
        if lk.stream == stream.name
        for column in (lk.key, *lk.columns)
    }
    derived = {
        name: replace(value_of(raw, f"{place}.derive.{name}", config.style, config.codes), whole=True)
        for name, raw in table.derive.items()
    }
    for name, value in derived.items():
        if value.joined is not None:
            raise ConfigurationError(
                "cannot be derived from another stream",
                place=f"{place}.derive.{name}",
                remedy="write the lookup in the field or in the key",
            )
        refuse_inapplicable(value, "string", f"{place}.derive.{name}")
    used = {column for value in derived.values() for column in value.used}
    return FileStream(
        name=stream.name,
        stream=stream,
        file=table.file,
        derived=derived,
        columns=tuple(sorted((stream.columns | looked | used) - derived.keys())),
        changes=table.changes,
        names=table.columns,
    )


LISTED = "\0"
"""Begins a cell that holds a list, or why it could not be read, as JSON; no text of a file or an interface holds it."""


def listed(members: Sequence[str]) -> str:
    """A list as one cell."""
    return f"{LISTED}{json.dumps(members, ensure_ascii=False)}"


def unreadable(cell: Unreadable) -> str:
    """A cell that could not be read, as one: it holds the rows that need it."""
    return f"{LISTED}{json.dumps(asdict(cell), ensure_ascii=False)}"


def _told(text: str) -> object:
    """The content of the cell: a text, a list, or why it could not be read."""
    if not text.startswith(LISTED):
        return text
    try:
        found = json.loads(text[1:])
    except (ValueError, RecursionError):
        return text
    match found:
        case list():
            return found
        case {"why": str(why), "remedy": str(remedy), "reason": str(reason)}:
            return Unreadable(why, remedy, reason)
    return text


def _derived(value: Value, row: Mapping[str, object]) -> object:
    try:
        return read(value, row, "string") or ""
    except DataError as error:
        return Unreadable(f"cannot be derived from {error.place}", error.remedy, error.reason)
