"""The settings of one office's danger path: a small file of its own, so that no other setting can break it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from connectors.pipeline.config.connector import LogAddress, log_address
from connectors.pipeline.config.tables import AgencyTable, LogTable
from hub.danger.sealing import PrivateKey, PublicKey, decoded
from hub.errors import ConfigurationError, NoInput
from hub.file_models import FileTable, Texts, checked

KINDS = ("jobcenter", "youth_welfare", "provider")
_CALL = "correct the file; until then report by telephone"


class PartnerTable(FileTable):
    id: str
    kind: str
    public_key: str
    phone: str = Field(repr=False)


class DangerTable(FileTable):
    state: str
    key_files: Texts
    folder: str = ""
    alarm_minutes: float = 15.0
    retention_days: int
    interval_seconds: float = 5.0
    clock_file: str = ""


class DangerFile(FileTable):
    agency: AgencyTable
    danger: DangerTable
    partners: list[PartnerTable] = Field(default_factory=list)
    log: LogTable = Field(default_factory=LogTable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An office at the other end, and where a person there is reached when the path does not answer."""

    id: str
    kind: str
    key: PublicKey
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DangerConfig:
    """`keys`: the newest first. `alarm_minutes`: how long a report may wait for its acknowledgement.

    `retention_days`: how long letters are kept here after their last word, as the office's law and rules say.
    """

    agency: str
    kind: str
    state: Path
    keys: tuple[PrivateKey, ...] = field(repr=False)
    partners: Mapping[str, Partner]
    folder: Path | None
    alarm_minutes: float
    retention_days: int
    interval_seconds: float
    log: LogAddress
    clock_file: Path | None

    @property
    def intake(self) -> bool:
        """Whether this office receives reports."""
        return self.kind == "youth_welfare"


def load_danger_config(path: Path) -> DangerConfig:
    """Read and check the file; raises NoInput or ConfigurationError with the place in the file."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy=_CALL) from None
    except ValueError as error:
        raise ConfigurationError(
            f"is no TOML ({type(error).__name__})", place=path.name, remedy=_CALL
        ) from None
    folder = path.parent.resolve()
    file = checked(DangerFile, raw, "config")
    danger = file.danger
    config = DangerConfig(
        agency=file.agency.id,
        kind=file.agency.kind,
        state=folder / danger.state,
        keys=tuple(_private(folder / name) for name in danger.key_files),
        partners={one.id: _partner(one, f"config.partners[{n}]") for n, one in enumerate(file.partners)},
        folder=folder / danger.folder if danger.folder else None,
        alarm_minutes=danger.alarm_minutes,
        retention_days=danger.retention_days,
        interval_seconds=danger.interval_seconds,
        log=log_address(file.log, folder),
        clock_file=folder / danger.clock_file if danger.clock_file else None,
    )
    _check(config)
    return config


def _check(config: DangerConfig) -> None:
    if config.kind not in KINDS:
        raise ConfigurationError("has no danger path", place="config.agency.kind", remedy=" | ".join(KINDS))
    if not config.keys:
        raise ConfigurationError(
            "names no key", place="config.danger.key_files", remedy="hub danger keys FILE"
        )
    if config.alarm_minutes <= 0 or config.retention_days < 1 or config.interval_seconds <= 0:
        raise ConfigurationError("must be positive", place="config.danger", remedy=_CALL)
    others = {partner.kind == "youth_welfare" for partner in config.partners.values()}
    if others != {not config.intake}:
        wanted = "reporters" if config.intake else "intakes of youth welfare offices"
        raise ConfigurationError(f"must be {wanted}", place="config.partners", remedy="add [[partners]]")


def _partner(table: PartnerTable, place: str) -> Partner:
    raw = decoded(table.public_key)
    if raw is None or not PublicKey(raw).usable:
        raise ConfigurationError(
            "is no public key", place=f"{place}.public_key", remedy="ask the partner for it"
        )
    return Partner(id=table.id, kind=table.kind, key=PublicKey(raw), phone=table.phone)


def _private(path: Path) -> PrivateKey:
    try:
        raw = decoded(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raw = None
    if raw is None:
        raise ConfigurationError(
            "holds no key of this office", place=path.name, remedy="hub danger keys FILE"
        )
    return PrivateKey(raw)
