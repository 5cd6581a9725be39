"""Settings of the staging sink: the agency's own database."""

import os
from dataclasses import dataclass, field

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.strict_toml import Table
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingSettings:
    """`batch`: how many views are applied in one transaction."""

    url: str = field(repr=False)
    batch: int


def staging_settings(config: ConnectorConfig) -> StagingSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = Table(config.settings, "config.settings")
    url, name = table.take("url", str, ""), table.take("url_env", str, "")
    table.close()
    found = os.environ.get(name, "") if name else url
    if not found:
        raise ConfigurationError(
            "no database", place="config.settings", remedy="set url, or url_env and the variable"
        )
    prefix = "sqlite:///"
    if found.startswith(prefix) and not found.startswith(f"{prefix}/"):
        found = f"{prefix}{config.path(found.removeprefix(prefix))}"
    return StagingSettings(url=found, batch=config.batch)
