"""Stage project: admitted events become guarded rows of the joint case, and their cases are marked (rule 16).

It copies boxes as they came and opens none, and reads neither a clock nor the environment for what it writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from hub import topology
from hub.domain.envelope import Head
from hub.failpoints import fail_point
from hub.parts import Parts
from hub.ports import Record
from hub.sealed.decode import decode_head
from hub.stages.driver import Stage, drive
from hub.stages.intake import Intake
from hub.store import subjects
from hub.store.bulk import merge
from hub.subjects.tombstones import living
from projections.joint_case import apply
from projections.joint_case.tables import ON_CONFLICT, case_row

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


class Admitted(NamedTuple):
    """A record of the event store: its bytes as they came, and the head of its envelope."""

    record: Record
    head: Head

    @property
    def subject(self) -> str:
        return f"{self.head.controller_id}:{self.head.subject_ref}"

    @property
    def case_key(self) -> str:
        return f"{self.head.controller_id}:{self.head.case_ref}"


def decode_case(record: Record) -> Admitted:
    """An event of the store; what admission has decoded whole is looked at only so far as a row needs."""
    return Admitted(record, decode_head(record))


def _taken(parts: Parts, record: Record) -> Admitted:
    """As `decode_case`, from memory if it was admitted here."""
    head = parts.heads.take(record.value)
    return decode_case(record) if head is None else Admitted(record, head)


def project(parts: Parts, topic_id: str, batch: Sequence[Record]) -> ProjectOutcome:
    """Take a batch of the event store; redelivered records have no effect."""
    return _outcome(drive(parts, _PROJECT, topic_id, batch).intake)


def _apply(connection: Connection, _: Parts, intake: Intake[Admitted], __: None) -> bool:
    apply_events(connection, intake.events)
    fail_point("project.in_transaction")
    return True


_PROJECT: Stage[Admitted, None] = Stage(
    name=STAGE, decode=_taken, prepare=lambda parts, intake: None, apply=_apply
)


def _outcome(intake: Intake[Admitted]) -> ProjectOutcome:
    envelopes = [event.head for event in intake.events]
    recorded: dict[str, int] = {}
    for envelope in envelopes:
        agency, at = envelope.controller_id, envelope.recorded_at
        recorded[agency] = min(at, recorded.get(agency, at))
    types = Counter((envelope.controller_id, envelope.event_type) for envelope in envelopes)
    applied, bad, parked = len(envelopes), len(intake.bad), len(intake.parked)
    return ProjectOutcome(applied, bad, parked, intake.skipped, types, recorded)


def apply_events(connection: Connection, events: Sequence[Admitted]) -> None:
    """Rows, persons and marks of these events; of erased ones nothing."""
    events = living(connection, events) if events else events
    if not events:
        return
    live = subjects.live_generation(connection, "joint_case")
    merge(connection, case_row, newest_rows(live, events), ON_CONFLICT)
    members = {(event.subject, event.case_key) for event in events}
    new, latest = subjects.newcomers(connection, members), max(event.record.timestamp for event in events)
    subjects.register(connection, members)
    if new:  # a household has another member, and perhaps another who must sign for the family
        subjects.raise_epochs(connection, new, latest)
    subjects.mark_dirty(connection, {event.case_key for event in events}, latest)


def newest_rows(generation: int, events: Iterable[Admitted]) -> list[tuple[object, ...]]:
    """One row a record: within a batch, too, the highest (source version, publication) stands."""
    newest: dict[tuple[str, bytes], Admitted] = {}
    for event in events:
        record = event.head.controller_id, event.head.record_ref
        held = newest.get(record)
        if held is None or _order(held) < _order(event):
            newest[record] = event
    return [apply.row(generation, event.head, event.record.value) for event in newest.values()]


def _order(event: Admitted) -> tuple[int, int]:
    return event.head.source_version, event.head.publication
