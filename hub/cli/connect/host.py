"""What a connector's process stands on: the log, the keys, and where it says what it does."""

from pathlib import Path
from typing import Protocol

from connectors.pipeline.config.connector import ConnectorConfig, LogAddress
from connectors.pipeline.run.pipeline import secret_of
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.tls import tls_files
from hub.adapters.keys.wrapping import Keks, next_file
from hub.errors import ConfigurationError
from hub.ports import Clock, EventLog, HubKeyStore


class Logged(Protocol):
    """Any configuration that names a log."""

    @property
    def log(self) -> LogAddress: ...


def open_log(settings: Logged, clock: Clock) -> EventLog:
    """The broker, or the file that stands for it; raises ConfigurationError."""
    if settings.log.path:
        from hub.adapters.log.sqlite import SqliteLog

        return SqliteLog(settings.log.path, clock)
    if settings.log.bootstrap:
        from hub.adapters.log.kafka import KafkaLog

        return KafkaLog(settings.log.bootstrap, clock=clock, **settings.log.security.clients())
    raise ConfigurationError("no log is named", place="config.log", remedy="set bootstrap or path")


def open_keys(settings: ConnectorConfig, clock: Clock) -> HubKeyStore:
    """The key service, or the key database with this controller's key-encryption key; raises ConfigurationError."""
    keys = settings.keys
    cache = KeyCache(size=round(keys.cache_mb * 2**20))
    if keys.service_url:
        from hub.adapters.keys.remote import RemoteKeyStore

        files = tls_files(keys.tls_ca, keys.tls_cert, keys.tls_key, place="config.keys.tls")
        return RemoteKeyStore(keys.service_url, files, cache=cache)
    from hub.adapters.keys.sql import SqlKeyStore

    if not keys.database_url:
        raise ConfigurationError("no keys", place="config.keys.service_url", remedy="set it")
    url, prefix = keys.database_url, "sqlite:///"
    if url.startswith(prefix) and not url.startswith(f"{prefix}/"):
        url = f"{prefix}{settings.path(url.removeprefix(prefix))}"
    return SqlKeyStore.for_controller(url, settings.agency, _keks(keys.kek_file), clock=clock, cache=cache)


def _keks(kek_file: Path | None) -> Keks:
    """The controller's key and the one that follows it, as soon as it lies beside it."""
    following = next_file(kek_file or "")

    def read() -> list[bytes]:
        first = secret_of(kek_file, "keys.kek_file")
        there = following is not None and following.exists()
        return [first, secret_of(following, "keys.kek_file")] if there else [first]

    return read
