"""The certificates that a connector's configuration names, and until when they hold."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.pipeline.config.connector import ConnectorConfig
from hub.adapters.keys.expiry import not_after
from hub.errors import ConfigurationError


class Certificate(NamedTuple):
    """`setting` names it in the configuration, `which` to the hub; `not_after` is None where it cannot be read."""

    setting: str
    which: str
    not_after: datetime | None

    def days(self, now: datetime) -> int | None:
        return None if self.not_after is None else (self.not_after - now).days


def certificates(settings: ConnectorConfig) -> Iterator[Certificate]:
    """Every certificate that the configuration names."""
    keys, broker = settings.keys, settings.log.security
    named: dict[str, tuple[str, Path | None]] = {
        "keys.tls_ca": ("key_service_ca", keys.tls_ca),
        "keys.tls_cert": ("key_service_client", keys.tls_cert),
        "log.ca": ("broker_ca", broker.ca),
        "log.cert": ("broker_client", broker.cert),
    }
    for setting, (which, path) in named.items():
        if path is not None:
            yield Certificate(setting, which, _end(path))


def _end(path: Path) -> datetime | None:
    try:
        return not_after(path)
    except ConfigurationError:
        return None
