"""Settings of the file drop: its folder, how files are written, and what tells that one is complete."""

import re
from dataclasses import dataclass
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.sources.files.settings import (
    Dialect,
    DialectTable,
    FilesSettings,
    VanishTable,
    dialect_of,
    files_settings,
)
from hub.errors import ConfigurationError
from hub.file_models import Texts, checked

COMPLETE = ("manifest", "trailer", "rename")


class DropTable(VanishTable):
    """What every kind of dropped file has."""

    folder: str
    inbox: str = "inbox"
    complete: str
    manifest: str = "manifest.json"
    partial: Texts = (".part", ".tmp", ".filepart")
    as_of: str = ""
    as_of_date: str = "%Y%m%d"
    together: bool = False


class CsvDropTable(DropTable, DialectTable):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSettings:
    """`inbox`: where files arrive, within `folder` or `folder` itself. `complete`: the sign that a file is whole.
    `partial`: endings of files that are still written.

    `as_of`: a regular expression on the file's name whose one group is the day, written as `as_of_date`; without it the
    time at which the file was finished counts. `together`: only all streams' files of one day (without `as_of`, all
    that lie there) are a delivery.
    """

    folder: Path
    inbox: Path
    complete: str
    manifest: str
    partial: tuple[str, ...]
    as_of: re.Pattern[str] | None
    as_of_date: str
    together: bool
    dialect: Dialect
    files: FilesSettings

    @property
    def processing(self) -> Path:
        return self.folder / "processing"

    @property
    def done(self) -> Path:
        return self.folder / "done"

    @property
    def rejected(self) -> Path:
        return self.folder / "rejected"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"


def drop_settings(config: ConnectorConfig) -> DropSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(CsvDropTable, config.settings, "config.settings")
    return drop_of(table, config, dialect_of(table))


def drop_of(table: DropTable, config: ConnectorConfig, dialect: Dialect) -> DropSettings:
    """The settings that every kind of dropped file shares. Raises ConfigurationError."""
    folder = config.path(table.folder)
    settings = DropSettings(
        folder=folder,
        inbox=_inbox(table.inbox, folder),
        complete=table.complete,
        manifest=table.manifest,
        partial=table.partial,
        as_of=_pattern(table.as_of),
        as_of_date=table.as_of_date,
        together=table.together,
        dialect=dialect,
        files=files_settings(table, config),
    )
    _check(settings)
    return settings


def _inbox(name: str, folder: Path) -> Path:
    if name in {"..", "processing", "done", "rejected", "quarantine"} or (
        Path(name).name != name and name != "."
    ):
        raise ConfigurationError(
            "must be the folder itself or a folder of its own in it",
            place="config.settings.inbox",
            remedy='name a folder, or "." where files arrive in the folder itself',
        )
    return folder / name


def _pattern(raw: str) -> re.Pattern[str] | None:
    try:
        found = re.compile(raw) if raw else None
    except re.error as error:
        raise ConfigurationError(
            f"is no regular expression: {error}", place="config.settings.as_of", remedy="correct it"
        ) from None
    if found and found.groups != 1:
        raise ConfigurationError(
            "needs exactly one group", place="config.settings.as_of", remedy="put the day in parentheses"
        )
    return found


def _check(settings: DropSettings) -> None:
    if settings.complete not in COMPLETE:
        raise ConfigurationError(
            "unknown sign", place="config.settings.complete", remedy=" | ".join(COMPLETE)
        )
    if (settings.complete == "trailer") != (settings.dialect.trailer is not None):
        raise ConfigurationError(
            "does not agree with complete",
            place="config.settings.trailer",
            remedy='set the trailer\'s pattern exactly when complete = "trailer"',
        )
