"""The consent desk: what a family signs, narrows or takes back at the counter, independent of any export.

It is the agency's own: a small book on its disk, read by a connector of its own with the agency's own credentials. It
knows neither the hub's store nor anybody else's keys.
"""

from dataclasses import replace

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.sql.config import sql_settings
from connectors.sources.sql.source import SqlSource
from hub.desk.book import Book
from hub.desk.config import DeskTable, book_mapping, desk_settings
from hub.desk.work.book import WorkBook
from hub.domain.identifiers import AgencyKey

spec = Spec(kind="desk", role="source", settings=DeskTable)
mapping = book_mapping


def build(config: ConnectorConfig, state: State, key: AgencyKey) -> SqlSource:
    """A source over the agency's desk book with its work book, which are made if there are none: one of an earlier
    release has no table of work yet. Raises ConfigurationError."""
    settings = desk_settings(config)
    Book(settings.book).close()
    WorkBook(settings.book, config.agency).close()
    own = replace(config, settings={"url": f"sqlite:///{settings.book}", "overlap_seconds": 60.0})
    return SqlSource(sql_settings(own), state, key)
