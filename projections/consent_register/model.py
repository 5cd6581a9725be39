"""The consent register as the stages, rebuild, erasure and recovery know it."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection, select

from hub import topology
from hub.domain.envelope import Envelope
from hub.ports import Forgotten, ProjectedEvent, SealedRecord
from hub.store.bulk import merge
from hub.store.read_models import of_agencies, remove_subjects
from projections.consent_register import apply as rows
from projections.consent_register.tables import ON_CONFLICT, consent_row


class ConsentRegister:
    """One row an event, or a record that narrows (`hub.ports.Projection`); it keeps the records as they came
    (`hub.ports.KeepsRecords`)."""

    name = "consent_register"
    stage = topology.CONSENTS.stage
    tables = (consent_row,)

    def decode(self, event: ProjectedEvent) -> tuple[Envelope, ProjectedEvent]:
        """Raises TypeError for a head alone, which no stage gives it."""
        if not isinstance(event.head, Envelope):
            raise TypeError("the register needs the whole envelope")
        return event.head, event

    def apply(
        self, connection: Connection, generation: int, events: Sequence[tuple[Envelope, ProjectedEvent]]
    ) -> None:
        new = (rows.row(generation, envelope, event.value, event.received_at) for envelope, event in events)
        merge(connection, consent_row, rows.folded(new), ON_CONFLICT)

    def forget(self, connection: Connection, gone: Sequence[Forgotten]) -> int:
        """A subject's proofs end together."""
        return remove_subjects(connection, consent_row, {one.subject for one in gone})

    def records(
        self, connection: Connection, generation: int, agencies: AbstractSet[str] | None
    ) -> Iterator[SealedRecord]:
        """Every event on the consents topics, and what the hub said about consents."""
        c = consent_row.c
        wanted = select(c.subject, c.envelope, c.received_at).where(
            c.generation == generation, of_agencies(c.subject, agencies)
        )
        for row in connection.execute(wanted.order_by(c.event_id)):
            agency, ref = row.subject.split(":", 1)
            yield SealedRecord(agency, ref.encode(), row.envelope, row.received_at)
