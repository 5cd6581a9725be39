"""A recipient's sink over a world's log, writing to a staging table of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import create_engine, text

from connectors.pipeline.publish.pseudonyms import Local
from connectors.sinks.sink import ViewSink
from connectors.sinks.staging.tables import StagingTable
from hub.parts import Parts


class NoNames:
    """An office that knows nobody by a number of its own."""

    def local(self, refs: set[str]) -> Mapping[str, Local]:
        return {}

    def close(self) -> None:
        """Nothing to close."""


class Staging:
    """One office's staging table; each step is a process of its own, so that nothing is kept but what is written."""

    def __init__(self, parts: Parts, agency: str, url: str, batch: int = 100) -> None:
        self.parts, self.agency, self.url, self.batch = parts, agency, url, batch
        self.waiting: Mapping[str, int] = {}

    def step(self, now: datetime | None = None) -> dict[str, int]:
        """Apply all that the topic holds: answer → count."""
        engine = create_engine(self.url)
        names: Any = NoNames()
        sink = ViewSink(
            self.agency, engine, StagingTable(), self.parts.keys, self.parts.log, names, self.batch
        )
        report = sink.step(now or self.parts.clock.now())
        sink.close()
        self.waiting = report.waiting
        return dict(report.answers)

    def rows(self, table: str = "fallbruecke_sicht") -> list[Mapping[str, Any]]:
        engine = create_engine(self.url)
        wanted = text(f"SELECT * FROM {table}")  # noqa: S608  a name of our own
        with engine.connect() as connection:
            found: list[Mapping[str, Any]] = [dict(row) for row in connection.execute(wanted).mappings()]
        engine.dispose()
        return found

    def values(self, field: str, role: str = "ja_asd") -> list[str]:
        return sorted(
            str(row["wert"]) for row in self.rows() if row["feld"] == field and row["rolle"] == role
        )
