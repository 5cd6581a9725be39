"""Source: full snapshots as CSV files with a manifest, compared with the last one."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.files.reader import CsvReader
from connectors.sources.files.source import FilesSource
from connectors.sources.snapshot.config import CsvTable, csv_settings
from connectors.sources.snapshot.shelf import Folders
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="snapshot_csv",
    role="source",
    settings=CsvTable,
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    settings = csv_settings(config)
    shelf = Folders(settings, state)
    return FilesSource(
        settings.files,
        shelf,
        lambda stream, entry: CsvReader(stream, settings.dialect, entry),
        state,
        key,
        shelf.check,
    )


def waiting(config: ConnectorConfig, state: State) -> Folders:
    """Where `hub connect accept` finds what is held."""
    return Folders(csv_settings(config), state)
