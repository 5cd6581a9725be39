"""Source: CSV files that an agency drops into a folder, whole states or changes, complete by an agreed sign."""

from connectors.file_drop.config import drop_settings
from connectors.file_drop.inbox import Inbox
from connectors.file_drop.rooms import prove_rooms
from connectors.files.reader import CsvReader
from connectors.files.source import FilesSource
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.state import State
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="file_drop", role="source",
    settings="folder, inbox, complete, manifest, trailer, partial, as_of, as_of_date, together, encoding, delimiter, "
    "quote, escape, header, skip, vanish_limit, vanish_rows",
)  # fmt: skip


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
