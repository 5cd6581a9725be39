"""Sink: the joint view into a staging table in the agency's own database."""

from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from connectors.contract import Spec
from connectors.database.connection import meaning
from connectors.database.settings import AddressTable
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.state.sqlite_files import prove_writable
from connectors.sinks.sink import ViewSink
from connectors.sinks.staging.config import StagingSettings, staging_settings
from connectors.sinks.staging.tables import StagingTable, try_row
from hub.ports import EventLog, KeyStore

spec = Spec(kind="staging", role="sink", settings=AddressTable)


def build(config: ConnectorConfig, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms) -> ViewSink:
    """The sink of this configuration; nothing is opened yet. Raises ConfigurationError."""
    return open_sink(config.agency, staging_settings(config), keys, log, pseudonyms)


def open_sink(
    agency: str, settings: StagingSettings, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms
) -> ViewSink:
    """A sink over these parts."""
    book = create_engine(settings.url, hide_parameters=True)
    return ViewSink(agency, book, StagingTable(), keys, log, pseudonyms, settings.batch)


def try_writing(config: ConnectorConfig) -> None:
    """That rows can be put into the tables, made first where they are missing, and all of it taken back.

    Raises ConfigurationError (a folder), AccessRefused, ServiceUnavailable.
    """
    url = make_url(staging_settings(config).url)
    if url.get_backend_name() == "sqlite":
        prove_writable(Path(url.database or "."), "config.settings.url")
        if not Path(url.database or ".").exists():
            return
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # else its driver commits what makes a table
            try_row(connection)
            connection.rollback()
    except SQLAlchemyError as error:
        raise meaning(error, "config.settings.url") from None
    finally:
        engine.dispose()
