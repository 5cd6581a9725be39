"""The settings of one office's danger path: a small file of its own, so that no other setting can break it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.pipeline.config.connector import LogAddress, log_address
from connectors.pipeline.config.strict_toml import Table
from hub.danger.sealing import PrivateKey, PublicKey, decoded
from hub.errors import ConfigurationError, NoInput

KINDS = ("jobcenter", "youth_welfare", "provider")
_CALL = "correct the file; until then report by telephone"


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
    table = Table(raw, "config")
    agency, danger, log = table.table("agency"), table.table("danger"), table.table("log")
    drop, clock = danger.take("folder", str, ""), danger.take("clock_file", str, "")
    config = DangerConfig(
        agency=agency.take("id", str), kind=agency.take("kind", str), state=folder / danger.take("state", str),
        keys=tuple(_private(folder / name) for name in danger.texts("key_files")),
        partners={partner.id: partner for partner in map(_partner, table.items("partners"))},
        folder=folder / drop if drop else None, alarm_minutes=danger.take("alarm_minutes", float, 15.0),
        retention_days=danger.take("retention_days", int), interval_seconds=danger.take("interval_seconds", float, 5.0),
        log=log_address(log, folder), clock_file=folder / clock if clock else None,
    )  # fmt: skip
    for rest in (agency, danger, table):
        rest.close()
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


def _partner(table: Table) -> Partner:
    raw = decoded(table.take("public_key", str))
    if raw is None or not PublicKey(raw).usable:
        raise ConfigurationError(
            "is no public key", place=f"{table.place}.public_key", remedy="ask the partner for it"
        )
    partner = Partner(
        id=table.take("id", str),
        kind=table.take("kind", str),
        key=PublicKey(raw),
        phone=table.take("phone", str),
    )
    table.close()
    return partner


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
