"""Sink: joint views to the agency's own HTTP address, signed, tried again, and without effect when they come twice."""

from sqlalchemy import create_engine

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.sinks.sink import ViewSink
from connectors.sinks.webhook.config import HookTable, hook_settings
from connectors.sinks.webhook.target import Hook
from hub.ports import EventLog, KeyStore

spec = Spec(kind="webhook", role="sink", settings=HookTable)


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> ViewSink:
    """The sink of this configuration; its book is the connector's state file. Raises ConfigurationError."""
    config.state.parent.mkdir(parents=True, exist_ok=True)
    book = create_engine(f"sqlite:///{config.state}", hide_parameters=True)
    return ViewSink(config.agency, book, Hook(hook_settings(config)), keys, log, pseudonyms, config.batch)
