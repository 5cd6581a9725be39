"""How many records of each type a case has: one row a record, no content, counted when read."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, String, Table, func, select

from hub.ports import Forgotten, ProjectedEvent
from hub.store.bulk import merge
from hub.store.read_models import newest, newest_stands, remove

tally_row = Table(
    "case_tally_row",
    MetaData(),
    Column("generation", Integer, primary_key=True),
    Column("controller", String, primary_key=True),
    Column("record_ref", String, primary_key=True),
    Column("subject", String, nullable=False),
    Column("case_key", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    Column("publication", Integer, nullable=False),
    Index("case_tally_row_case", "generation", "case_key"),
)


class CaseTally:
    name = "case_tally"
    stage = "project"
    tables = (tally_row,)

    def decode(self, event: ProjectedEvent) -> ProjectedEvent:
        return event

    def apply(self, connection: Connection, generation: int, events: Sequence[ProjectedEvent]) -> None:
        rows = [_row(generation, event) for event in newest(events)]
        merge(connection, tally_row, rows, newest_stands(tally_row))

    def forget(self, connection: Connection, gone: Sequence[Forgotten]) -> int:
        return remove(connection, tally_row, gone)


def _row(generation: int, event: ProjectedEvent) -> tuple[object, ...]:
    """In the table's column order."""
    head = event.head
    return (
        generation,
        head.controller_id,
        head.record_ref.hex(),
        event.subject,
        event.case_key,
        head.event_type,
        head.source_version,
        head.publication,
    )


def counts(connection: Connection, generation: int, case_key: str) -> dict[str, int]:
    """Event type → number of records of a case (`controller:case_ref`)."""
    c = tally_row.c
    mine = (c.generation == generation, c.case_key == case_key)
    wanted = select(c.event_type, func.count()).where(*mine).group_by(c.event_type)
    return {event_type: int(number) for event_type, number in connection.execute(wanted)}


projection = CaseTally()
