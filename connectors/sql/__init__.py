"""Source: rows of an agency's SQL database, read by timestamp and key."""

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.state import State
from connectors.sql.config import sql_settings
from connectors.sql.source import SqlSource
from hub.domain.identifiers import AgencyKey

spec = Spec(kind="sql", role="source", settings="url | url_env, overlap_seconds, overlap_numbers")


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> SqlSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return SqlSource(sql_settings(config), state, key)
