"""What happened to one event, put together from what the hub keeps: decisions, places, disclosures, endings.

It names fields, rules and places and never a value, so that an erased event still has its trail.
"""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.adapters.store.admissions import DecisionRow
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.domain.seal import key_version
from hub.ports import Certificate, Place
from hub.stages.boxes import key_ref
from hub.stages.parts import CASES, Parts
from hub.stages.trail_fields import decided_fields, rules_of
from hub.stages.trail_found import Found, find, opened
from hub.stages.trail_steps import Step, Trail, in_order
from hub.stages.trail_views import disclosed, shown_now
from projections.consent_register.queries import RegisterRow, about, naming

_ENDING = {
    "ConsentWithdrawn": ("withdraw", "withdrawn"),
    "ConsentExpired": ("withdraw", "expired"),
    "ObjectionRaised": ("withdraw", "objected"),
    "ErasureRequested": ("erase", "requested"),
    "ErasureExecuted": ("erase", "executed"),
}


def trail(parts: Parts, event_id: str, ledger: Sequence[Certificate] = ()) -> Trail:
    """The trail of the event with this id (hex); `ledger` proves which keys were destroyed, and when."""
    with parts.store.transaction() as connection:
        found = find(connection, parts, event_id)
        steps = [
            *_published(found),
            *_stopped(found),
            *_admitted(connection, parts, found),
            *_projected(found),
        ]
        if found.envelope is not None:
            steps += [*disclosed(connection, found, found.envelope), *shown_now(connection, parts, found)]
            steps += _endings(connection, found, found.envelope)
            steps += _destroyed(found, found.envelope, ledger)
    event_type = found.envelope.event_type if found.envelope else None
    return Trail(event_id, event_type, in_order(steps))


def _published(found: Found) -> Iterator[Step]:
    for one in found.seen:
        where = one.place.topic if one.place.offset < 0 else str(one.place)
        kept = tuple(sorted(one.envelope.fields))
        yield Step(at=one.at, point="publish", where=where, outcome="published", kept=kept)


def _stopped(found: Found) -> Iterator[Step]:
    for one in found.stopped:
        outcome = "parked" if not one.reason else "released" if one.released else "quarantined"
        rules = (one.reason,) if one.reason else ()
        yield Step(at=one.at, point="quarantine", where=str(one.seen.place), outcome=outcome, rules=rules)


def _admitted(connection: Connection, parts: Parts, found: Found) -> Iterator[Step]:
    for row in found.decisions:
        kept, dropped = decided_fields(connection, parts, found, row)
        yield Step(
            at=row.at,
            point="admit",
            where=_place(row),
            outcome=row.outcome,
            rules=rules_of(row),
            kept=tuple(sorted(kept)),
            dropped=dropped,
        )
    for held in found.held:
        where = str(Place(held.topic, held.partition, held.offset))
        yield Step(at=held.since, point="admit", where=where, outcome="held", rules=(held.reason,))


def _place(row: DecisionRow) -> str:
    return str(Place(row.topic, row.partition, row.offset))


def _projected(found: Found) -> Iterator[Step]:
    """A row of the joint case keeps no time of its own: it follows its admission at once."""
    for row in found.registered:
        where = f"agency.{row.subject.split(':', 1)[0]}.consents"
        yield Step(at=row.received_at, point="project", where=where, outcome="registered")
    for row in found.shown:
        if found.admitted_at is not None:
            mine = found.is_mine(row)
            kept = tuple(sorted(opened(row).fields)) if mine else ()
            outcome = "applied" if mine else "superseded"
            yield Step(at=found.admitted_at, point="project", where=CASES, outcome=outcome, kept=kept)


def _endings(connection: Connection, found: Found, envelope: Envelope) -> Iterator[Step]:
    """Withdrawals of the consents it rests on; objections and erasures of its subject."""
    live = subjects.live_generation(connection, "consent_register")
    consents = {*envelope.consents, *([envelope.consent_id] if envelope.consent_id else [])}
    rows = about(connection, live, [f"{envelope.controller_id}:{envelope.subject_ref}"])
    rows += naming(connection, live, consents)
    for row in {row.event_id: row for row in rows}.values():
        if row.event_type in _ENDING and row.event_id != found.event_id and _concerns(row, consents):
            point, outcome = _ENDING[row.event_type]
            where = f"agency.{row.subject.split(':', 1)[0]}.consents"
            at = min(row.occurred_at, row.received_at)
            yield Step(at=at, point=point, where=where, outcome=outcome)


def _concerns(row: RegisterRow, consents: set[str]) -> bool:
    return row.consent_id is None or row.consent_id in consents


def _destroyed(found: Found, envelope: Envelope, ledger: Iterable[Certificate]) -> Iterator[Step]:
    ref = key_ref(envelope, "proof" if found.registered else "box")
    used = {key_version(box) for box in envelope.boxes.values()}
    for proof in ledger:
        if proof.ref == ref and used & set(proof.versions):
            yield Step(at=micros(proof.at), point="erase", where="key ledger", outcome="key_destroyed")
