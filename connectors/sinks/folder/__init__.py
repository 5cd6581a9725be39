"""Sink: joint views as files in a folder that the agency's system imports, CSV or XML."""

from sqlalchemy import create_engine

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.state.sqlite_files import prove_writable
from connectors.sinks.folder.config import OutTable, out_settings
from connectors.sinks.folder.target import FolderTarget
from connectors.sinks.sink import ViewSink
from hub.ports import EventLog, KeyStore

spec = Spec(kind="file_out", role="sink", settings=OutTable)


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> ViewSink:
    """The sink of this configuration; its book is the connector's state file. Raises ConfigurationError."""
    config.state.parent.mkdir(parents=True, exist_ok=True)
    book = create_engine(f"sqlite:///{config.state}", hide_parameters=True)
    return ViewSink(
        config.agency, book, FolderTarget(out_settings(config)), keys, log, pseudonyms, config.batch
    )


def try_writing(config: ConnectorConfig) -> None:
    """That files can be put into the folder; raises ConfigurationError."""
    prove_writable(out_settings(config).folder, "config.settings.folder")
