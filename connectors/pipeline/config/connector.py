"""A connector's configuration: TOML → frozen values, checked as a whole before anything is opened.

Paths are relative to the file. Nothing of it is secret: secrets stand in files and environment variables that it names.
"""

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from connectors.pipeline.config.aliases import NOBODY, Aliases, load_aliases
from connectors.pipeline.config.areas import Areas, CodeTable, load_areas
from connectors.pipeline.config.kinds import completed
from connectors.pipeline.config.person_columns import Column, person_columns
from connectors.pipeline.config.streams import Lookup, Stream, absent_of, lookup_of, stream_of
from connectors.pipeline.config.tables import ConnectorFile, KeysTable, LogTable
from connectors.pipeline.config.values import Joined, Style, style_of
from hub.adapters.log.security import BrokerSecurity, Mechanism, Protocol
from hub.domain.envelope import LEGAL_DOMAINS
from hub.domain.heartbeat import NAME
from hub.errors import ConfigurationError, NoInput
from hub.file_models import checked
from schemas import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A recipient role whose eyes the gate asks for (protocol rule 11)."""

    controller: str
    kind: str
    role: str
    undertaking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Where the agency key is, and either the key service with the certificates for it or the key database with the
    controller's key-encryption key; never the keys themselves. `cache_mb`: megabytes of opened keys in memory."""

    agency_key_file: Path | None
    kek_file: Path | None
    database_url: str = field(repr=False)
    service_url: str = ""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    cache_mb: float = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAddress:
    """The broker and how it is reached, or the file that stands for it on one machine; exactly one is set."""

    bootstrap: str
    path: Path | None
    security: BrokerSecurity = field(default_factory=BrokerSecurity)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """Everything one connector process is told. `settings` is the kind's own table, read by the kind; `name` is what
    the hub's operators call it: one of this agency's.

    `clock_file` is for stories told in tests and rehearsals: the time stands in that file. `any_code` too: a story may
    tell a code in its own words.
    """

    agency: str
    agency_kind: str
    kind: str
    name: str
    state: Path
    pseudonyms: Path
    interval_seconds: float
    batch: int
    batches_per_step: int
    max_event_bytes: int
    register_limit_seconds: float
    journal_days: int
    backfill_rows_per_second: int
    recipients: tuple[Role, ...]
    policy_files: tuple[Path, ...]
    keys: KeyFiles
    log: LogAddress
    aliases: Aliases
    clock_file: Path | None
    any_code: bool
    style: Style
    codes: Mapping[str, CodeTable]
    lookups: Mapping[str, Lookup]
    streams: Mapping[str, Stream]
    settings: Mapping[str, Any] = field(repr=False)
    folder: Path
    digest: str  # of the mapping: another one reads what waits in quarantine again

    @property
    def legal_domain(self) -> str:
        return LEGAL_DOMAINS[self.agency_kind]

    @property
    def control(self) -> tuple[str, ...]:
        """The streams that say who may be spoken of."""
        return tuple(name for name, stream in self.streams.items() if stream.control)

    def path(self, name: str) -> Path:
        """A path of the configuration, seen from its file."""
        return self.folder / name


def load_config(path: Path) -> ConnectorConfig:
    """Read and check the file; raises NoInput or ConfigurationError with the place in the file."""
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode("utf-8"))
    except OSError:
        raise NoInput(
            "cannot be read", place=path.name, remedy="name an existing configuration file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"is no TOML: {error}", place=path.name, remedy="correct the file") from None
    return parse_config(completed(raw), path.parent.resolve())


def parse_config(raw: Mapping[str, Any], folder: Path) -> ConnectorConfig:
    """The configuration of these tables; raises ConfigurationError."""
    file = checked(ConnectorFile, raw, "config")
    connector = file.connector
    style = style_of(file.defaults, Style(), "config.defaults")
    codes = {name: _codes(item, folder, f"config.codes.{name}") for name, item in file.codes.items()}
    lookups = {name: lookup_of(item) for name, item in file.lookups.items()}
    absent = absent_of(file.circumstances, "config.circumstances")
    streams = {name: stream_of(name, item, style, codes, absent) for name, item in file.streams.items()}
    state = folder / connector.state
    aliases = load_aliases(folder / connector.aliases) if connector.aliases else NOBODY
    persons = person_columns(streams, lookups)
    streams = {
        name: replace(
            one,
            looked=frozenset(lk.key for lk in lookups.values() if lk.stream == name),
            aliases=aliases,
            persons=_persons(one, lookups, persons),
            numbered=frozenset(column for of, column in persons if of == name),
        )
        for name, one in streams.items()
    }
    lookups = {
        name: replace(one, aliases=aliases) if (one.stream, one.key) in persons else one
        for name, one in lookups.items()
    }
    config = ConnectorConfig(
        agency=file.agency.id,
        agency_kind=file.agency.kind,
        kind=connector.kind,
        name=_name(connector.name, state),
        state=state,
        pseudonyms=folder / connector.pseudonyms,
        interval_seconds=connector.interval_seconds,
        batch=connector.batch,
        batches_per_step=connector.batches_per_step,
        max_event_bytes=connector.max_event_bytes,
        register_limit_seconds=connector.register_limit_seconds,
        journal_days=connector.journal_days,
        backfill_rows_per_second=connector.backfill_rows_per_second,
        recipients=tuple(Role(**dict(one)) for one in file.recipients),
        policy_files=tuple(folder / name for name in connector.policy_files),
        keys=_keys(file.keys, folder),
        log=log_address(file.log, folder),
        aliases=aliases,
        clock_file=folder / connector.clock_file if connector.clock_file else None,
        any_code=connector.any_code,
        style=style,
        codes=codes,
        lookups=lookups,
        streams=streams,
        settings=file.settings,
        folder=folder,
        digest=_digest(raw, codes),
    )
    _check(config)
    return config


def _persons(stream: Stream, lookups: Mapping[str, Lookup], persons: Collection[Column]) -> frozenset[str]:
    """The columns of its key, and cells of other streams in it, that hold a person's number."""
    own = {column for column in stream.key if (stream.name, column) in persons}
    cells = (part for part in stream.parts if isinstance(part, Joined) and part.lookup in lookups)
    return frozenset(own | {one.name for one in cells if (lookups[one.lookup].stream, one.column) in persons})


def _check(config: ConnectorConfig) -> None:
    if config.agency_kind not in LEGAL_DOMAINS:
        raise ConfigurationError(
            "unknown kind of agency", place="config.agency.kind", remedy=" | ".join(LEGAL_DOMAINS)
        )
    counts = (config.batch, config.batches_per_step, config.journal_days, config.backfill_rows_per_second)
    if min(counts) < 1 or config.interval_seconds < 0:
        raise ConfigurationError(
            "must be positive", place="config.connector", remedy="correct batch, rate or interval"
        )
    if not 0 < config.max_event_bytes <= limits.MAPPED_BYTES:
        raise ConfigurationError(
            "exceeds what a hub takes",
            place="config.connector.max_event_bytes",
            remedy=f"at most {limits.MAPPED_BYTES}",
        )
    if problem := limits.name_problem(config.agency, "controller"):
        raise ConfigurationError(problem, place="config.agency.id", remedy="choose a shorter, plain id")
    for name, lookup in config.lookups.items():
        if lookup.stream not in config.streams:
            raise ConfigurationError(
                "names an unknown stream", place=f"config.lookups.{name}.stream", remedy="add it"
            )
    for name, stream in config.streams.items():
        named = [(one.lookup, one.column, f"config.streams.{name}") for one in stream.references]
        named += [(one.lookup, one.column, one.place) for one in stream.joined]
        for looked_in, column, place in named:
            known = config.lookups.get(looked_in)
            if known is None or column not in known.columns:
                raise ConfigurationError(
                    "refers to an unknown lookup or column of it", place=place, remedy="add [lookups]"
                )
    _check_joined(config)


def _check_joined(config: ConnectorConfig) -> None:
    """No row is looked up in itself, and no record is named by what it names in turn."""
    for name, stream in config.streams.items():
        for one in stream.joined:
            found = config.lookups[one.lookup]
            if found.stream == name and found.key == one.by:
                raise ConfigurationError(
                    "looks a row up in itself", place=one.place, remedy="name its own column instead"
                )
        if stream.named_elsewhere and stream.on_vanish:
            raise ConfigurationError(
                "cannot name a row that another stream named",
                place=f"config.streams.{name}.on_vanish",
                remedy="name the key by columns of its own",
            )
    naming = {
        name: [
            (part, config.lookups[part.lookup].stream) for part in stream.parts if isinstance(part, Joined)
        ]
        for name, stream in config.streams.items()
    }
    for name, parts in naming.items():
        for part, other in parts:
            if name in _reached(naming, other):
                raise ConfigurationError(
                    "names its rows by themselves",
                    place=part.place,
                    remedy="name the key by a column of its own",
                )


def _reached(naming: Mapping[str, Sequence[tuple[Joined, str]]], start: str) -> set[str]:
    """The streams by which the rows of `start` are named, `start` included."""
    found, left = set[str](), [start]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [other for _, other in naming[name]]
    return found


def _name(given: str, state: Path) -> str:
    """What the hub's operators call it; its state's name, of which there is one a process, unless it says another: that
    of the file, or of its folder where every file is called state."""
    if given and not NAME.fullmatch(given):
        raise ConfigurationError(
            "cannot be used as a name",
            place="config.connector.name",
            remedy="at most 40 of a to z, 0 to 9, - and _, beginning with a letter or number",
        )
    own = state.stem if state.stem != "state" else state.parent.name
    beside = re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-")[:40]
    return given or beside or "connector"


def _keys(table: KeysTable, folder: Path) -> KeyFiles:
    if not table.cache_mb > 0:
        raise ConfigurationError("must be positive", place="config.keys.cache_mb", remedy="megabytes of keys")
    database = table.database_url.get_secret_value()
    if database and table.service_url:
        raise ConfigurationError(
            "names a key service and a key database",
            place="config.keys",
            remedy="keep one of service_url, database_url",
        )
    return KeyFiles(
        agency_key_file=_file(table.agency_key_file, folder),
        kek_file=_file(table.kek_file, folder),
        tls_ca=_file(table.tls_ca, folder),
        tls_cert=_file(table.tls_cert, folder),
        tls_key=_file(table.tls_key, folder),
        database_url=database,
        service_url=table.service_url,
        cache_mb=table.cache_mb,
    )


def log_address(table: LogTable, folder: Path) -> LogAddress:
    """The table that names the broker, or the file that stands for it; raises ConfigurationError."""
    security = _security(table, folder)
    if table.bootstrap and table.path:
        raise ConfigurationError(
            "names a broker and a file", place="config.log", remedy="keep one of bootstrap, path"
        )
    return LogAddress(bootstrap=table.bootstrap, path=_file(table.path, folder), security=security)


def _security(table: LogTable, folder: Path) -> BrokerSecurity:
    return BrokerSecurity(
        protocol=cast(Protocol, table.security),
        mechanism=cast(Mechanism, table.mechanism),
        user=table.user,
        place="config.log",
        ca=_file(table.ca, folder),
        cert=_file(table.cert, folder),
        key=_file(table.key, folder),
        password_file=_file(table.password_file, folder),
    )


def _file(name: str, folder: Path) -> Path | None:
    """A file that the configuration names, seen from its own folder."""
    return folder / name if name else None


def _codes(table: Mapping[str, str | tuple[str, ...]], folder: Path, place: str) -> CodeTable:
    """A code table, or the file of areas that it names."""
    areas = table.get("areas")
    return load_areas(folder / areas, place) if len(table) == 1 and isinstance(areas, str) else table


def _digest(raw: Mapping[str, Any], codes: Mapping[str, CodeTable]) -> str:
    mapped = {name: raw.get(name) for name in ("codes", "defaults", "lookups", "streams", "settings")}
    areas = "".join(table.digest for table in codes.values() if isinstance(table, Areas))
    return hashlib.sha256((repr(mapped) + areas).encode()).hexdigest()[:16]
