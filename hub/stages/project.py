"""Stage project: admitted events become guarded rows of the read models, and their cases are marked (rule 16).

It copies boxes as they came and opens none, and reads neither a clock nor the environment for what it writes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hub import read_models, topology
from hub.failpoints import fail_point
from hub.parts import Parts
from hub.ports import ProjectedEvent, Record
from hub.sealed.decode import decode_head
from hub.stages.driver import Stage, drive
from hub.stages.intake import BatchIntake
from hub.store import subjects
from hub.subjects.tombstones import living

STAGE = topology.PROJECT.stage


@dataclass(frozen=True, slots=True)
class ProjectOutcome:
    """What became of a batch: `types` counts (agency, event type); `recorded` is, per agency, the earliest moment
    at which one of its applied events was recorded there, in microseconds since 1970 UTC."""

    applied: int
    quarantined: int
    parked: int
    skipped: int
    types: Mapping[tuple[str, str], int] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)


def decode_case(record: Record) -> ProjectedEvent:
    """An event of the store; what admission has decoded whole is looked at only so far as a row needs."""
    return ProjectedEvent(record, decode_head(record), record.value, record.timestamp)


def _taken(parts: Parts, record: Record) -> ProjectedEvent:
    """As `decode_case`, from memory if it was admitted here."""
    head = parts.heads.take(record.value)
    if head is None:
        return decode_case(record)
    return ProjectedEvent(record, head, record.value, record.timestamp)


def project(parts: Parts, topic_id: str, batch: Sequence[Record]) -> ProjectOutcome:
    """Take a batch of the event store; redelivered records have no effect."""
    return _outcome(drive(parts, _PROJECT, topic_id, batch).intake)


def _apply(connection: Connection, parts: Parts, intake: BatchIntake[ProjectedEvent], __: None) -> bool:
    apply_events(connection, parts, intake.events)
    fail_point("project.in_transaction")
    return True


_PROJECT: Stage[ProjectedEvent, None] = Stage(
    name=STAGE, decode=_taken, prepare=lambda parts, intake: None, apply=_apply
)


def _outcome(intake: BatchIntake[ProjectedEvent]) -> ProjectOutcome:
    envelopes = [event.head for event in intake.events]
    recorded: dict[str, int] = {}
    for envelope in envelopes:
        agency, at = envelope.controller_id, envelope.recorded_at
        recorded[agency] = min(at, recorded.get(agency, at))
    types = Counter((envelope.controller_id, envelope.event_type) for envelope in envelopes)
    applied, bad, parked = len(envelopes), len(intake.bad), len(intake.parked)
    return ProjectOutcome(applied, bad, parked, intake.skipped, types, recorded)


def apply_events(connection: Connection, parts: Parts, events: Sequence[ProjectedEvent]) -> None:
    """Rows, persons and marks of these events; of erased ones nothing."""
    events = living(connection, events) if events else events
    if not events:
        return
    read_models.apply(connection, parts, STAGE, events)
    members = {(event.subject, event.case_key) for event in events}
    new, latest = subjects.newcomers(connection, members), max(event.record.timestamp for event in events)
    subjects.register(connection, members)
    if new:  # a household has another member, and perhaps another who must sign for the family
        subjects.raise_epochs(connection, new, latest)
    subjects.mark_dirty(connection, {event.case_key for event in events}, latest)
