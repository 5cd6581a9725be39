"""Source: rows of an agency's SQL database, read by timestamp and key."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.sql.config import SqlTable, sql_settings
from connectors.sources.sql.source import SqlSource
from connectors.sources.sql.vanished import Waiting
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="sql",
    role="source",
    settings=SqlTable,
    secrets=("url",),
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> SqlSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return SqlSource(sql_settings(config), state, key)


def waiting(config: ConnectorConfig, state: State) -> Waiting:
    """Where `hub connect accept` finds what is held."""
    settings = sql_settings(config)
    return Waiting(state, settings.vanish_limit, settings.vanish_rows)
