"""Where the hub still knows of one event: decisions, held, quarantined and parked places, rows of read models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from hub.domain.envelope import Envelope
from hub.errors import DataError, StoppedToBeSafe
from hub.parts import CASES, Parts
from hub.ports import Record, RecordPosition
from hub.rights.event_history.places import place_of
from hub.sealed.decode import decode_envelope, envelope_of
from hub.sealed.words import word_key
from hub.store import subjects
from hub.store.admissions import DecisionRow, HeldEvent
from hub.store.tables import decision, held, parked, quarantine
from hub.topology import CONSENTS, HUB_WORDS
from projections.consent_register.apply import SEPARATOR
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from schemas import decode_single

NOWHERE = RecordPosition("", -1, -1)


@dataclass(frozen=True, slots=True)
class SeenPublication:
    """One publication of the event where it stands: in a log (`at` its append time), held, or in a read model, which
    keeps no place (`NOWHERE`)."""

    place: RecordPosition
    envelope: Envelope
    at: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The event in quarantine, or parked behind another (`reason` empty)."""

    seen: SeenPublication
    reason: str
    at: int
    released: bool


@dataclass(frozen=True, slots=True)
class EventTraces:
    """All of it. `registered`: rows of the consent register; `shown`: rows of the joint case with its record."""

    event_id: str
    decisions: Sequence[DecisionRow]
    held: Sequence[HeldEvent]
    stopped: Sequence[Stopped]
    seen: Sequence[SeenPublication]
    registered: Sequence[Row[Any]]
    shown: Sequence[Row[Any]]

    @property
    def envelope(self) -> Envelope | None:
        """The newest publication that can still be read."""
        newest = max(self.seen, key=lambda one: (one.envelope.publication, one.at), default=None)
        return newest.envelope if newest else None

    @property
    def admitted_at(self) -> int | None:
        return min((row.at for row in self.decisions if row.outcome == "admitted"), default=None)

    def is_mine(self, row: Row[Any]) -> bool:
        """Whether this event stands in the row, and not a newer version of its record."""
        return bool(row.event_id == self.event_id)


def find(connection: Connection, parts: Parts, event_id: str) -> EventTraces:
    """Look everywhere. Quarantine keeps no event ids, so its records are read again; there are few."""
    decisions = [
        DecisionRow(*row)
        for row in connection.execute(select(decision).where(decision.c.event_id == event_id))
    ]
    holds = [HeldEvent(*row) for row in connection.execute(select(held).where(held.c.event_id == event_id))]
    stopped = list(_stopped(connection, parts, event_id))
    live = subjects.live_generation(connection, "consent_register")
    c = consent_row.c
    registered = connection.execute(
        select(consent_row).where(
            c.generation == live,
            or_(c.event_id == event_id, c.event_id.startswith(f"{event_id}{SEPARATOR}", autoescape=True)),
        )
    ).all()
    seen = [read(parts, RecordPosition(row.topic, row.partition, row.offset), event_id) for row in decisions]
    seen += [_held(row, event_id) for row in holds]
    seen += [one.seen for one in stopped if one.seen.place.topic != CASES]
    seen += [_registered(row) for row in registered]
    known = list({(one.place, one.envelope.publication): one for one in seen if one}.values())
    return EventTraces(
        event_id, decisions, holds, stopped, known, registered, _shown(connection, event_id, known)
    )


def opened(row: Row[Any]) -> Envelope:
    """The envelope in a read model's row."""
    return envelope_of(decode_single(row.envelope)[1])


def read(parts: Parts, place: RecordPosition, event_id: str) -> SeenPublication | None:
    """The record at a place, if it is still there and is this event."""
    try:
        records = parts.log.read(place.topic, {place.partition: place.offset}, 1)
    except StoppedToBeSafe:
        return None
    return if_mine(records[0], event_id) if records else None


def if_mine(record: Record, event_id: str) -> SeenPublication | None:
    """The record as a publication of this event, if that is what it is."""
    try:
        envelope = decode_envelope(record)
    except DataError:
        return None
    return (
        SeenPublication(record.place, envelope, record.timestamp)
        if envelope.event_id.hex() == event_id
        else None
    )


def control_place(parts: Parts, subject: str, at: int, event_id: str) -> str:
    """Where an event of the register about this subject (controller:ref) stands: on its agency's consents topic, or on
    `hub.words`. `at`: when it was received."""
    controller, ref = subject.split(":", 1)
    places = [
        place_of(
            parts.log,
            topic,
            word_key(controller, ref.encode()).decode() if topic == HUB_WORDS else ref,
            at,
            lambda record: if_mine(record, event_id) is not None,
        )
        for topic in reversed(CONSENTS.topics([controller]))
    ]
    return next((place for place in places if "/" in place), places[0])


def case_place(parts: Parts, row: Row[Any], at: int) -> str:
    """Where a row of the joint case stands in the event store; `at`: when it was admitted."""
    case_ref = row.case_key.split(":", 1)[1]
    return place_of(parts.log, CASES, case_ref, at, lambda record: if_mine(record, row.event_id) is not None)


def _held(row: HeldEvent, event_id: str) -> SeenPublication | None:
    return if_mine(Record(row.topic, row.partition, row.offset, row.key, row.value, row.since), event_id)


def _registered(row: Row[Any]) -> SeenPublication:
    """The register keeps the topic's append time and no place."""
    return SeenPublication(NOWHERE, opened(row), row.received_at)


def _stopped(connection: Connection, parts: Parts, event_id: str) -> Iterator[Stopped]:
    for row in connection.execute(select(quarantine)).all():
        if one := read(parts, RecordPosition(row.topic, row.partition, row.offset), event_id):
            yield Stopped(one, row.reason, row.at, row.released)
    for row in connection.execute(select(parked)).all():
        if one := read(parts, RecordPosition(row.topic, row.partition, row.offset), event_id):
            yield Stopped(one, "", one.at, released=False)


def _shown(connection: Connection, event_id: str, seen: Sequence[SeenPublication]) -> Sequence[Row[Any]]:
    live, c = subjects.live_generation(connection, "joint_case"), case_row.c
    records = sorted({one.envelope.record_ref.hex() for one in seen})
    mine = or_(c.event_id == event_id, c.record_ref.in_(records))
    return connection.execute(select(case_row).where(c.generation == live, mine)).all()
