"""Until when the hub's own certificates hold: those of this process's files, and the one that the key service shows."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from hub.adapters.keys.expiry import not_after, server_not_after
from hub.adapters.keys.tls import tls_files
from hub.config import Settings
from hub.errors import HubError

ASKED_EVERY = timedelta(minutes=10)
"""How often the key service is asked: no scrape waits for it more often."""


class OwnCertificates:
    """Which certificate → when it ends (seconds since 1970 UTC); what cannot be read is left out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._served: float | None = None
        self._asked: datetime | None = None

    def __call__(self, now: datetime) -> Mapping[str, float]:
        found = dict(self._files())
        if self._settings.key_service_url:
            self._ask(now)
        return found if self._served is None else found | {"key_service_server": self._served}

    def _files(self) -> Iterator[tuple[str, float]]:
        one = self._settings
        named: dict[str, Path | None] = {
            "broker_client": one.kafka_cert,
            "broker_ca": one.kafka_ca,
            "key_service_client": one.tls_cert,
            "key_service_ca": one.tls_ca,
        }
        for which, path in named.items():
            if path is not None:
                try:
                    yield which, not_after(path).timestamp()
                except HubError:
                    continue

    def _ask(self, now: datetime) -> None:
        """The certificate that the service shows: it may be on another machine than this process."""
        if self._asked is not None and abs(now - self._asked) < ASKED_EVERY:
            return
        self._asked = now
        one = self._settings
        try:
            files = tls_files(one.tls_ca, one.tls_cert, one.tls_key)
            self._served = server_not_after(one.key_service_url, files).timestamp()
        except HubError:
            self._served = None
