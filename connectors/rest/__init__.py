"""Source: JSON over HTTP, asked at intervals; whole states, or what changed since, compared with what was read last."""

from connectors.files.memory import Waiting
from connectors.files.source import FilesSource
from connectors.rest.client import Client
from connectors.rest.config import rest_settings
from connectors.rest.reading import Streams
from connectors.rest.shelf import Polls
from connectors.rest.spool import Seal, SpoolReader
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.state import State
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="rest", role="source",
    settings="url, token_file | token_env | user + password_file | password_env, header_name, ca_file, cert_file, "
    "key_file, timeout_seconds, tries, page_bytes, paging, poll_minutes, reconcile_minutes, overlap_seconds, "
    "overlap_numbers, vanish_limit, vanish_rows",
)  # fmt: skip


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
