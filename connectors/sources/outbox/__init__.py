"""Source: an outbox table that the vendor fills, read by rising id; what a late commit leaves open is waited for."""

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.outbox.config import outbox_settings
from connectors.sources.outbox.source import OutboxSource
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="sql_outbox", role="source",
    settings="url | url_env, connect_seconds, statement_seconds, table, schema, id, kind, payload, columns, gap_hours",
)  # fmt: skip


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> OutboxSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return OutboxSource(outbox_settings(config), state, key)
