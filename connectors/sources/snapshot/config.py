"""Settings of the snapshot source: the folder of folders, and how its files are written."""

from dataclasses import dataclass
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.strict_toml import Table
from connectors.sources.files.settings import Dialect, FilesSettings, dialect_of, files_settings


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
    table = Table(config.settings, "config.settings")
    settings = CsvSettings(
        folder=config.path(table.take("folder", str)), manifest=table.take("manifest", str, "manifest.json"),
        dialect=dialect_of(table), grace_minutes=table.take("grace_minutes", float, 60.0),
        files=files_settings(table, config),
    )  # fmt: skip
    table.close()
    return settings
