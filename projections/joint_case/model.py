"""The joint case as the stages, rebuild, erasure and recovery know it."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, select

from hub import topology
from hub.ports import Forgotten, ProjectedEvent, SealedRecord
from hub.store.bulk import merge
from hub.store.read_models import newest, of_agencies, remove
from projections.joint_case import apply as rows
from projections.joint_case.tables import ON_CONFLICT, case_row


class JointCase:
    """One row a record (`hub.ports.Projection`); it keeps the records as they came (`hub.ports.KeepsRecords`)."""

    name = "joint_case"
    stage = topology.PROJECT.stage
    tables = (case_row,)

    def decode(self, event: ProjectedEvent) -> ProjectedEvent:
        return event

    def apply(self, connection: Connection, generation: int, events: Sequence[ProjectedEvent]) -> None:
        new = [rows.row(generation, event.head, event.value) for event in newest(events)]
        merge(connection, case_row, new, ON_CONFLICT)

    def forget(self, connection: Connection, gone: Sequence[Forgotten]) -> int:
        return remove(connection, case_row, gone)

    def records(
        self, connection: Connection, generation: int, agencies: AbstractSet[str] | None
    ) -> Iterator[SealedRecord]:
        """The newest version of each record of the event store."""
        c = case_row.c
        wanted = select(c.case_key, c.envelope).where(
            c.generation == generation, of_agencies(c.case_key, agencies)
        )
        for row in connection.execute(wanted.order_by(c.record_ref)):
            agency, ref = row.case_key.split(":", 1)
            yield SealedRecord(agency, ref.encode(), row.envelope, 0)
