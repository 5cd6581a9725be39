"""One delivery through a source, confirmed batch by batch as the runtime does it, without a hub."""

from datetime import datetime

from connectors.contract import Incident, Row, Source
from connectors.pipeline.state.state import State


def one_delivery(source: Source, state: State, now: datetime) -> tuple[list[Row], list[Incident]]:
    """All rows of the stream `people`, and what could not be taken."""
    incidents = list(source.refresh(now))
    rows: list[Row] = []
    for batch in source.read(["people"], 100):
        rows += batch.rows
        with state.transaction():
            state.advance(batch.stream, batch.rows, batch.cursor, set())
    source.finished()
    return rows, incidents
