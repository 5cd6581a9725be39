"""Sink: the joint view into a staging table in the agency's own database."""

from sqlalchemy import create_engine

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.ports import Spec
from connectors.runtime.pseudonyms import Pseudonyms
from connectors.sinks.sink import ViewSink
from connectors.staging.config import StagingSettings, staging_settings
from connectors.staging.target import StagingTable
from hub.ports import EventLog, KeyStore

spec = Spec(kind="staging", role="sink", settings="url | url_env")


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> ViewSink:
    """The sink of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return open_sink(config.agency, staging_settings(config), keys, log, pseudonyms)


def open_sink(
    agency: str, settings: StagingSettings, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms
) -> ViewSink:
    """A sink over these parts."""
    book = create_engine(settings.url, hide_parameters=True)
    return ViewSink(agency, book, StagingTable(), keys, log, pseudonyms, settings.batch)
