"""Settings of the staging sink: the agency's own database."""

from dataclasses import dataclass, field

from connectors.database.settings import AddressTable, url_of
from connectors.pipeline.config.connector import ConnectorConfig
from hub.file_models import checked


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingSettings:
    """`batch`: how many views are applied in one transaction."""

    url: str = field(repr=False)
    batch: int


def staging_settings(config: ConnectorConfig) -> StagingSettings:
    """The settings of this configuration; raises ConfigurationError."""
    table = checked(AddressTable, config.settings, "config.settings")
    return StagingSettings(url=url_of(table, config), batch=config.batch)
