"""Source: CSV files that an agency drops into a folder, whole states or changes, complete by an agreed sign."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.files.drop_settings import CsvDropTable, drop_settings
from connectors.sources.files.inbox import Inbox
from connectors.sources.files.reader import CsvReader
from connectors.sources.files.rooms import prove_rooms
from connectors.sources.files.source import FilesSource
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="file_drop",
    role="source",
    settings=CsvDropTable,
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return _source(config, state, key, looking=False)


def look(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The same source for looking only: no file is moved."""
    return _source(config, state, key, looking=True)


def waiting(config: ConnectorConfig, state: State) -> Inbox:
    """Where `hub connect accept` finds what is held."""
    return Inbox(drop_settings(config), state, looking=True)


def try_writing(config: ConnectorConfig) -> None:
    """That files can be moved; raises ConfigurationError."""
    prove_rooms(drop_settings(config))


def _source(config: ConnectorConfig, state: State, key: AgencyKey, *, looking: bool) -> FilesSource:
    settings = drop_settings(config)
    inbox = Inbox(settings, state, looking=looking)
    return FilesSource(
        settings.files,
        inbox,
        lambda stream, entry: CsvReader(stream, settings.dialect, entry),
        state,
        key,
        inbox.check,
    )
