"""Source: XML files that an agency drops into a folder, such as the modules of the monthly statutory export."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.files.inbox import Inbox
from connectors.sources.files.rooms import prove_rooms
from connectors.sources.files.source import FilesSource
from connectors.sources.xml.config import XmlTable, xml_settings
from connectors.sources.xml.reader import XmlReader
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="xml",
    role="source",
    settings=XmlTable,
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return _source(config, state, key, looking=False)


def look(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The same source for looking only: no file is moved."""
    return _source(config, state, key, looking=True)


def waiting(config: ConnectorConfig, state: State) -> Inbox:
    """Where `hub connect accept` finds what is held."""
    return Inbox(xml_settings(config).drop, state, looking=True)


def try_writing(config: ConnectorConfig) -> None:
    """That files can be moved; raises ConfigurationError."""
    prove_rooms(xml_settings(config).drop)


def _source(config: ConnectorConfig, state: State, key: AgencyKey, *, looking: bool) -> FilesSource:
    settings = xml_settings(config)
    inbox = Inbox(settings.drop, state, looking=looking)
    hidden: dict[str, set[str]] = {}
    return FilesSource(
        settings.drop.files,
        inbox,
        lambda stream, entry: XmlReader(stream, settings, entry, hidden),
        state,
        key,
        inbox.check,
    )
