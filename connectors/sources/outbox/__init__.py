"""Source: an outbox table that the vendor fills, read by rising id; what a late commit leaves open is waited for."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.outbox.config import OutboxTable, outbox_settings
from connectors.sources.outbox.source import OutboxSource
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="sql_outbox",
    role="source",
    settings=OutboxTable,
)


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> OutboxSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return OutboxSource(outbox_settings(config), state, key)
