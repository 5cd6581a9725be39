"""The staging table as a target: rows and book stand in one database and change together."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert

from connectors.sinks.rows import View
from connectors.sinks.sink import slot
from connectors.sinks.staging.tables import create, sicht


class StagingTable:
    """Rows of `fallbruecke_sicht`; the vendor's view filters by lease."""

    def create(self, connection: Connection) -> None:
        create(connection)

    def replace(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(delete(sicht).where(slot(sicht, view)))
        if new:
            connection.execute(insert(sicht), list(new))

    def expire(self, connection: Connection, now: datetime) -> None:
        """The database's own view shows nothing past its lease."""
