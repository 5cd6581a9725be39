"""What happened to one event, put together from what the hub keeps: decisions, places, disclosures, endings.

It names fields, rules and places and never a value, so that an erased event still has its trail.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.domain.consent import consent_name, referred
from hub.domain.envelope import Envelope
from hub.domain.seal import key_version
from hub.parts import CASES, Parts
from hub.ports import Certificate, RecordPosition
from hub.rights.event_history.fields import decided_fields, rules_of
from hub.rights.event_history.found import NOWHERE, EventTraces, case_place, control_place, find, opened
from hub.rights.event_history.steps import HistoryStep, Trail, in_order
from hub.rights.event_history.views import disclosed, shown_now
from hub.sealed.boxes import key_ref
from hub.store import subjects
from hub.store.admissions import DecisionRow
from hub.subjects.fold import taken_back
from projections.consent_register.queries import RegisterRow, about, splits
from schemas import decode_single

_ENDING = {
    "ConsentWithdrawn": ("withdraw", "withdrawn"),
    "ConsentExpired": ("withdraw", "expired"),
    "ObjectionRaised": ("withdraw", "objected"),
    "IdentitySplit": ("withdraw", "split"),
    "ErasureRequested": ("erase", "requested"),
    "ErasureExecuted": ("erase", "executed"),
}


def trail(parts: Parts, event_id: str, ledger: Sequence[Certificate] = ()) -> Trail:
    """The trail of the event with this id (hex); `ledger` proves which keys were destroyed, and when."""
    with parts.store.transaction() as connection:
        found = find(connection, parts, event_id)
        steps = [
            *_published(parts, found),
            *_stopped(found),
            *_admitted(connection, parts, found),
            *_projected(parts, found),
        ]
        if found.envelope is not None:
            steps += [
                *disclosed(connection, parts, found, found.envelope),
                *shown_now(connection, parts, found),
            ]
            steps += _endings(connection, parts, found, found.envelope)
            steps += _destroyed(found, found.envelope, ledger)
    event_type = found.envelope.event_type if found.envelope else None
    return Trail(event_id, event_type, in_order(steps))


def _published(parts: Parts, found: EventTraces) -> Iterator[HistoryStep]:
    for one in found.seen:
        where = str(one.place)
        if one.place == NOWHERE:
            subject = f"{one.envelope.controller_id}:{one.envelope.subject_ref}"
            where = control_place(parts, subject, one.at, found.event_id)
        kept = tuple(sorted(one.envelope.fields))
        yield HistoryStep(at=one.at, point="publish", where=where, outcome="published", kept=kept)


def _stopped(found: EventTraces) -> Iterator[HistoryStep]:
    for one in found.stopped:
        outcome = "parked" if not one.reason else "released" if one.released else "quarantined"
        rules = (one.reason,) if one.reason else ()
        yield HistoryStep(
            at=one.at, point="quarantine", where=str(one.seen.place), outcome=outcome, rules=rules
        )


def _admitted(connection: Connection, parts: Parts, found: EventTraces) -> Iterator[HistoryStep]:
    for row in found.decisions:
        kept, dropped = decided_fields(connection, parts, found, row)
        yield HistoryStep(
            at=row.at,
            point="admit",
            where=_place(row),
            outcome=row.outcome,
            rules=rules_of(row),
            kept=tuple(sorted(kept)),
            dropped=dropped,
        )
    for held in found.held:
        where = str(RecordPosition(held.topic, held.partition, held.offset))
        yield HistoryStep(at=held.since, point="admit", where=where, outcome="held", rules=(held.reason,))


def _place(row: DecisionRow) -> str:
    return str(RecordPosition(row.topic, row.partition, row.offset))


def _projected(parts: Parts, found: EventTraces) -> Iterator[HistoryStep]:
    """A row of the joint case keeps no time of its own: it follows its admission at once."""
    for row in found.registered:
        where = control_place(parts, row.subject, row.received_at, found.event_id)
        yield HistoryStep(at=row.received_at, point="project", where=where, outcome="registered")
    for row in found.shown:
        if found.admitted_at is not None:
            mine = found.is_mine(row)
            kept = tuple(sorted(opened(row).fields)) if mine else ()
            outcome = "applied" if mine else "superseded"
            where = case_place(parts, row, found.admitted_at) if mine else CASES
            yield HistoryStep(at=found.admitted_at, point="project", where=where, outcome=outcome, kept=kept)


def _endings(
    connection: Connection, parts: Parts, found: EventTraces, envelope: Envelope
) -> Iterator[HistoryStep]:
    """Withdrawals and ends of the consents it rests on; objections, splits and erasures of its subject."""
    live = subjects.live_generation(connection, "consent_register")
    consents = {*envelope.consents, *([envelope.consent_id] if envelope.consent_id else [])}
    own = f"{envelope.controller_id}:{envelope.subject_ref}"
    same = subjects.aliases(connection, subjects.persons(connection, [own]).values())
    rows = about(connection, live, {own}.union(*same.values()))
    granted = {_named(row) for row in rows if row.event_type == "ConsentGranted"}
    meant = referred(consents, envelope.controller_id, granted)
    ended = [row for name, ends in taken_back(connection, parts.keys, own) if name in meant for row in ends]
    own_ends = [row for row in rows if row.consent_id is None and row.subject == own]
    named = [row for row in rows if _names(row, consents, meant, granted)]
    every = (*own_ends, *named, *ended, *splits(connection, live, own))
    for row in {row.event_id: row for row in every}.values():
        if row.event_type in _ENDING and row.event != found.event_id:
            yield _ending(parts, row)
        if row.event_type == "ConsentGranted" and _named(row) in meant:
            yield from _expiry(parts, row)


def _named(row: RegisterRow) -> str:
    """The hub's name of the consent with this number at the row's agency."""
    return consent_name(row.subject.split(":", 1)[0], str(row.consent_id))


def _names(
    row: RegisterRow, consents: Iterable[str], meant: AbstractSet[str], granted: AbstractSet[str]
) -> bool:
    """Whether a row names, in clear, one of the consents meant; of one that nobody knows its number tells."""
    if row.consent_id is None:
        return False
    found = referred([row.consent_id], row.subject.split(":", 1)[0], granted)
    return bool(found & meant) if found else row.consent_id in consents


def _ending(parts: Parts, row: RegisterRow) -> HistoryStep:
    point, outcome = _ENDING[row.event_type]
    if outcome == "withdrawn" and row.scope:
        outcome = "narrowed"
    at = min(row.occurred_at, row.received_at)
    return HistoryStep(at=at, point=point, where=_row_place(parts, row), outcome=outcome)


def _expiry(parts: Parts, row: RegisterRow) -> Iterator[HistoryStep]:
    """A consent that ran out by time alone, which nobody has to say."""
    until = Envelope(**decode_single(row.envelope)[1]).valid_until
    if until is not None and until <= micros(parts.clock.now()):
        yield HistoryStep(at=until, point="withdraw", where=_row_place(parts, row), outcome="expired")


def _row_place(parts: Parts, row: RegisterRow) -> str:
    return control_place(parts, row.subject, row.received_at, row.event)


def _destroyed(
    found: EventTraces, envelope: Envelope, ledger: Iterable[Certificate]
) -> Iterator[HistoryStep]:
    ref = key_ref(envelope, "proof" if found.registered else "box")
    used = {key_version(box) for box in envelope.boxes.values()}
    for proof in ledger:
        if proof.ref == ref and used & set(proof.versions):
            yield HistoryStep(at=micros(proof.at), point="erase", where="key ledger", outcome="key_destroyed")
