"""Source: full snapshots as CSV files with a manifest, compared with the last one."""

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.state import State
from connectors.snapshot_csv.config import csv_settings
from connectors.snapshot_csv.source import SnapshotSource
from hub.domain.identifiers import AgencyKey

spec = Spec(
    kind="snapshot_csv", role="source",
    settings="folder, encoding, delimiter, quote, manifest, vanish_limit, grace_minutes",
)  # fmt: skip


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> SnapshotSource:
    """The source of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return SnapshotSource(csv_settings(config), state, key)
