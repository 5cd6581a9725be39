"""Sink: the joint view into a staging table in the agency's own database."""

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.pseudonyms import Pseudonyms
from connectors.staging.config import staging_settings
from connectors.staging.sink import StagingSink
from hub.ports import EventLog, KeyStore

spec = Spec(kind="staging", role="sink", settings="url | url_env")


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> StagingSink:
    """The sink of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return StagingSink(config.agency, staging_settings(config), keys, log, pseudonyms)
