"""Stage project: admitted events become guarded rows of the joint case, and their cases are marked (rule 16).

It copies boxes as they came and opens none, and reads neither a clock nor the environment for what it writes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.adapters.store.bulk import merge
from hub.failpoints import fail_point
from hub.ports import Record
from hub.stages.decode import Event, decode_envelope
from hub.stages.intake import Intake, finish, sort_out, still_mine
from hub.stages.parts import Parts
from projections.joint_case import apply
from projections.joint_case.tables import ON_CONFLICT, case_row
from schemas import by_fingerprint

STAGE = "project"


@dataclass(frozen=True, slots=True)
class ProjectOutcome:
    """What became of a batch."""

    applied: int
    quarantined: int
    parked: int
    skipped: int


def decode_case(record: Record) -> Event:
    """An event of the store; what admission let in is decoded only."""
    envelope = decode_envelope(record)
    return Event(record, envelope, by_fingerprint(envelope.schema))


def project(parts: Parts, topic_id: str, batch: Sequence[Record]) -> ProjectOutcome:
    """Take a batch of the event store; redelivered records have no effect."""
    while True:
        intake = sort_out(parts, STAGE, topic_id, batch, decode_case)
        with parts.store.transaction() as connection:
            if not still_mine(connection, STAGE, intake):
                continue
            _apply(connection, intake)
            finish(connection, parts, STAGE, intake)
            fail_point("project.in_transaction")
        return ProjectOutcome(len(intake.events), len(intake.bad), len(intake.parked), intake.skipped)


def _apply(connection: Connection, intake: Intake) -> None:
    if not intake.events:
        return
    live = subjects.live_generation(connection, "joint_case")
    merge(connection, case_row, newest_rows(live, intake.events), ON_CONFLICT)
    subjects.register(connection, {(event.subject, event.case_key) for event in intake.events})
    latest = max(event.record.timestamp for event in intake.events)
    subjects.mark_dirty(connection, {event.case_key for event in intake.events}, latest)


def newest_rows(generation: int, events: Iterable[Event]) -> list[tuple[object, ...]]:
    """One row a record: within a batch, too, the highest (source version, publication) stands."""
    newest: dict[bytes, Event] = {}
    for event in events:
        held = newest.get(event.envelope.record_ref)
        if held is None or _order(held) < _order(event):
            newest[event.envelope.record_ref] = event
    return [apply.row(generation, event.envelope, event.record.value) for event in newest.values()]


def _order(event: Event) -> tuple[int, int]:
    return event.envelope.source_version, event.envelope.publication
