"""`hub keys serve`: the key service, in a process and a database of its own."""

import signal
from threading import Thread
from typing import Annotated

import structlog
import typer
from prometheus_client import start_http_server
from sqlalchemy import inspect

from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.engine import connect, transaction
from hub.adapters.keys.separation import refuse_same_database
from hub.adapters.keys.tls import tls_files
from hub.cli.logs import log_to_stderr
from hub.cli.output import AsJson
from hub.config import Settings, load_agencies, load_settings
from hub.errors import ConfigurationError
from hub.hosts.keys.connections import ConnectionLimits
from hub.hosts.keys.server import KeyServer
from hub.hosts.keys.service import KeyService
from hub.hosts.keys.shares import Shares
from hub.metrics.named import PROCESS, metrics
from hub.store.tables import metadata as store_tables

log = structlog.get_logger()


def serve(
    host: Annotated[
        str, typer.Option(envvar="HUB_KEY_SERVICE_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="HUB_KEY_SERVICE_PORT", min=0, max=65535, help="Port to listen on.")
    ] = 8443,
    as_json: AsJson = False,
) -> None:
    """Run the key service until SIGTERM or Ctrl+C."""
    log_to_stderr(states=as_json)
    settings = load_settings()
    files = tls_files(settings.tls_ca, settings.tls_cert, settings.tls_key)
    controllers = [agency.id for agency in load_agencies(settings.agencies)]
    database = open_database(settings)
    try:
        service = KeyService(database, controllers, Shares(settings.key_seals_per_second))
        told = metrics()
        server = KeyServer(
            service,
            files,
            host,
            port,
            limits=ConnectionLimits(per_agency=settings.key_connections),
            answered=told.record_key_request,
            closed=told.record_key_connection,
        )
        if settings.metrics_port:
            start_http_server(settings.metrics_port, addr="127.0.0.1", registry=PROCESS)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: Thread(target=server.shutdown).start())
        log.info("keys.serving", host=host, port=server.port, destroyed_but_back=database.older)
        server.serve_forever(poll_interval=0.1)
        server.server_close()
        log.info("keys.stopped")
    finally:
        database.close()


def open_database(settings: Settings) -> KeyDatabase:
    """The key database of these settings; raises ConfigurationError for the store's, and for a wrong key."""
    refuse_same_database(settings.store_url, settings.key_url)
    _refuse_store(settings.key_url)
    return KeyDatabase(settings.key_url, settings.keks(), journal=settings.ledger_path)


def _refuse_store(url: str) -> None:
    """A key service need not know where the store is, so the database itself is looked at before it is written to."""
    engine = connect(url)
    try:
        with transaction(engine) as connection:
            found = set(inspect(connection).get_table_names()) & store_tables.tables.keys()
    finally:
        engine.dispose()
    if found:
        raise ConfigurationError(
            "this database holds the hub's store",
            place="HUB_KEY_DATABASE_URL",
            remedy="name a database of its own for the keys",
        )
