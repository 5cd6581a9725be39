"""Settings of the webhook: where, with which key, and how long to wait."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.run.pipeline import secret_of
from hub.errors import ConfigurationError
from hub.file_models import FileTable, checked

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class HookTable(FileTable):
    url: SecretStr
    key_file: str
    ca_file: str = ""
    timeout_seconds: float = 10.0
    tries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """`tries`: how often a request is sent in one step before the step waits."""

    url: str = field(repr=False)
    key: bytes = field(repr=False)
    ca_file: Path | None
    timeout: float
    tries: int


def hook_settings(config: ConnectorConfig) -> HookSettings:
    """The settings of this configuration; plain HTTP is for this machine only. Raises ConfigurationError."""
    table = checked(HookTable, config.settings, "config.settings")
    url = table.url.get_secret_value()
    settings = HookSettings(
        url=url,
        key=secret_of(config.path(table.key_file), "settings.key_file"),
        ca_file=config.path(table.ca_file) if table.ca_file else None,
        timeout=table.timeout_seconds,
        tries=table.tries,
    )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("is no address", place="config.settings.url", remedy="https://…")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(
            "would send people's data in clear", place="config.settings.url", remedy="use https"
        )
    if settings.tries < 1 or settings.timeout <= 0:
        raise ConfigurationError(
            "must be positive", place="config.settings", remedy="correct tries or timeout"
        )
    return settings
