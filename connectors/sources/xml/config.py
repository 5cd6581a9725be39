"""Settings of the XML source: the drop folder, and where each stream's records and columns stand in the tree."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from pydantic import Field

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.sources.files.drop_settings import DropSettings, DropTable, drop_of
from connectors.sources.files.settings import Dialect
from hub.errors import ConfigurationError
from hub.file_models import FileTable, Texts, checked


class Limits(FileTable):
    """Beyond these a file is refused whole: nesting, bytes of one record's texts, records and attributes."""

    depth: int = 64
    record_bytes: int = 1_000_000
    attributes: int = 256


class XmlTable(DropTable):
    encoding: str
    namespaces: dict[str, str] = Field(default_factory=dict)
    limits: Limits = Field(default_factory=Limits)


class RecordsTable(FileTable):
    path: str
    columns: dict[str, str] = Field(default_factory=dict)
    required: Texts = ()
    optional: Texts = ()
    ignored: Texts = ()


Place = tuple[str, ...]
"""Steps from the root or from a record; the last may be an attribute ("@…")."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """Where a stream's records stand: `path` of elements from the root, and column → where its value stands.

    A column's path begins at the record ("Person/Name", "@id") or, with "/", at the root: so a record takes the keys of
    the household that it lies in. "." is the record's own text. Names are written with the prefixes of `namespaces`.

    `required`: columns that every record must have, though they may be empty; those of the key are. `optional`: columns
    that may be nowhere in a file. `ignored`: places that are known and not read, with all within them ("*": all);
    anything else that nobody agreed on stops the stream.
    """

    path: Place
    columns: Mapping[str, Place]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    ignored: frozenset[Place] = frozenset()

    @cached_property
    def leaves(self) -> frozenset[Place]:
        """Where columns stand, from the root."""
        return frozenset(self._from_root(path) for path in self.columns.values())

    @cached_property
    def places(self) -> frozenset[Place]:
        """What was agreed on, from the root."""
        return self.leaves | {self.path}

    @cached_property
    def left_out(self) -> frozenset[Place]:
        """The places that are known and not read, from the root."""
        return frozenset(self._from_root(path) for path in self.ignored)

    @property
    def ignores_all(self) -> bool:
        return ("*",) in self.ignored

    def _from_root(self, path: Place) -> Place:
        if path[0] == "":
            return path[1:]
        return self.path if path == (".",) else (*self.path, *path)


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlSettings:
    """`encoding`: what every file must be, whatever it says of itself. `split`: between what is there several times."""

    drop: DropSettings
    encoding: str
    split: str
    limits: Limits
    records: Mapping[str, Records]
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def spelt(self, place: Place) -> str:
        """A place as the configuration writes it."""
        return "/".join(self._step(step) for step in place)

    def _step(self, step: str) -> str:
        mark = "@" if step.startswith("@") else ""
        uri, brace, local = step.removeprefix("@").removeprefix("{").rpartition("}")
        if not brace:
            return step
        prefix = next((name for name, known in self.namespaces.items() if known == uri), None)
        return f"{mark}{prefix}:{local}" if prefix else step


def xml_settings(config: ConnectorConfig) -> XmlSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(XmlTable, config.settings, "config.settings")
    taken, streams = {}, {}
    for name, stream in config.streams.items():
        own, place = dict(stream.settings), f"config.streams.{name}.records"
        records = checked(RecordsTable, own.pop("records", None), place)
        taken[name] = _records(records, place, table.namespaces)
        streams[name] = replace(stream, settings=own)
    dialect = Dialect(encoding=table.encoding, delimiter=";")
    drop = drop_of(table, replace(config, streams=streams), dialect)
    for name, found in drop.files.streams.items():
        missing = sorted(set(found.columns) - taken[name].columns.keys())
        if missing:
            raise ConfigurationError(
                f"nobody says where {missing[0]} stands",
                place=f"config.streams.{name}.records.columns",
                remedy="add its path",
            )
    return XmlSettings(
        drop=drop,
        encoding=table.encoding,
        split=config.style.split,
        limits=table.limits,
        records=taken,
        namespaces=table.namespaces,
    )


def _records(table: RecordsTable, place: str, names: Mapping[str, str]) -> Records:
    records = Records(
        path=_path(table.path, names, f"{place}.path"),
        columns={name: _path(raw, names, f"{place}.columns.{name}") for name, raw in table.columns.items()},
        required=frozenset(table.required),
        optional=frozenset(table.optional),
        ignored=frozenset(_path(raw, names, f"{place}.ignored") for raw in table.ignored),
    )
    for name in sorted((records.required | records.optional) - records.columns.keys()):
        raise ConfigurationError(
            f"names no column: {name}", place=f"{place}.required and .optional", remedy="correct its name"
        )
    return records


def _path(raw: str, names: Mapping[str, str], place: str) -> tuple[str, ...]:
    """The steps of a path, each as the parser names it: `prefix:Name` → `{uri}Name`."""
    absolute = ("",) if raw.startswith("/") else ()
    return (*absolute, *(_step(step, names, place) for step in raw.strip("/").split("/")))


def _step(step: str, names: Mapping[str, str], place: str) -> str:
    mark = "@" if step.startswith("@") else ""
    prefix, colon, local = step.removeprefix("@").rpartition(":")
    if colon and prefix not in names:
        raise ConfigurationError(
            f"unknown prefix {prefix}", place=place, remedy="add it to settings.namespaces"
        )
    return f"{mark}{{{names[prefix]}}}{local}" if colon else f"{mark}{local}"
