"""Settings of the snapshot source: the folder of folders, and how its files are written."""

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
from hub.file_models import checked


class CsvTable(VanishTable, DialectTable):
    folder: str
    manifest: str = "manifest.json"
    grace_minutes: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSettings:
    """`grace_minutes`: how long a folder may be written before its missing manifest is a fault."""

    folder: Path
    manifest: str
    dialect: Dialect
    grace_minutes: float
    files: FilesSettings


def csv_settings(config: ConnectorConfig) -> CsvSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(CsvTable, config.settings, "config.settings")
    return CsvSettings(
        folder=config.path(table.folder),
        manifest=table.manifest,
        dialect=dialect_of(table),
        grace_minutes=table.grace_minutes,
        files=files_settings(table, config),
    )
