"""Source: JSON over HTTP, asked at intervals; whole states, or what changed since, compared with what was read last."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.files.memory import Waiting
from connectors.sources.files.source import FilesSource
from connectors.sources.rest.client import Client
from connectors.sources.rest.config import RestTable, rest_settings
from connectors.sources.rest.reading import Streams
from connectors.sources.rest.shelf import Polls
from connectors.sources.rest.spool import Seal, SpoolReader
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="rest",
    role="source",
    settings=RestTable,
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> FilesSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError.

    To look is the same: it only asks (GET), and what it remembers lies beside the state that it was given.
    """
    settings, seal = rest_settings(config), Seal(key)
    client = Client(settings.access)
    polls = Polls(settings, state, client, Streams(settings, client, state, key, seal))
    return FilesSource(
        settings.files, polls, lambda stream, entry: SpoolReader(stream, entry, seal), state, key, polls.check
    )


def waiting(config: ConnectorConfig, state: State) -> Waiting:
    """Where `hub connect accept` finds what is held."""
    rest_settings(config)
    return Waiting(state)
