"""Stage consents: what persons decided, before anything else is read (protocol rules 7, 8, 10).

One transaction holds the register's rows, links, epochs and marks together with the position, so that whoever sees the
new state of a consent also sees the raised epoch, and the other way round.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hub import read_models, topology
from hub.domain.clock import micros
from hub.domain.consent import ENDING
from hub.domain.identifiers import link_digest, pairing_digest
from hub.erasure.key_revocation import end_grounds
from hub.failpoints import fail_point
from hub.parts import Parts
from hub.ports import ProjectedEvent, Record
from hub.sealed.boxes import Content, Found, content, keys_for
from hub.sealed.decode import Event, received_at
from hub.sealed.words import broken_control, decode_control
from hub.stages import misnamed, unusable
from hub.stages.driver import Stage, drive
from hub.stages.intake import TOOK_EFFECT, BatchIntake
from hub.store import erasures, evidence, links, quarantines, subjects
from hub.store.erasures import ErasureRequest
from hub.store.quarantines import QuarantinedRecord
from hub.subjects import birthdays
from hub.subjects.tombstones import narrows, provable
from projections.consent_register.apply import row_id
from projections.consent_register.queries import RegisterRow, naming, present, with_custody

STAGE = topology.CONSENTS.stage
_LATELY = 3_600_000_000  # microseconds
_LINKING = frozenset({"IdentityLinkProposed", "IdentityLinked", "IdentitySplit"})


@dataclass(frozen=True, slots=True)
class ConsentsOutcome:
    """What became of a batch: every record is taken, quarantined, parked or skipped. `types`: what took effect, the
    broken ones in quarantine too; `raised`: epochs that rose."""

    taken: int
    quarantined: int
    parked: int
    skipped: int
    raised: int
    types: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Taking:
    """One piece of a batch: the keys of what must be opened, and how many epochs rose."""

    found: Found
    raised: int = 0


def take_consents(parts: Parts, topic_id: str, batch: Sequence[Record]) -> ConsentsOutcome:
    """Take a batch of one agency's consents topic, or of the hub's words; redelivered records have no effect."""
    driven = drive(parts, _CONSENTS, topic_id, batch)
    intake = driven.intake
    if any(ends(event) for event in intake.events):
        end_grounds(parts)
    misnamed.check(parts)
    types = Counter(event.envelope.event_type for event in intake.events)
    taken = sum(not event.broken for event in intake.events)
    bad, parked = len(intake.bad), len(intake.parked)
    raised = sum(one.raised for one in driven.prepared)
    return ConsentsOutcome(taken, bad, parked, intake.skipped, raised, types)


def _apply(connection: Connection, parts: Parts, intake: BatchIntake[Event], taking: _Taking) -> bool:
    taking.raised = apply_events(connection, parts, intake.events, taking.found)
    if intake.bad or any(narrows(event) for event in intake.events):
        evidence.note_applied(connection, intake.topic, intake.following, micros(parts.clock.now()))
    fail_point("consents.in_transaction")
    return True


def control_keys(parts: Parts, events: Sequence[Event]) -> Found:
    """The keys of those events that must be opened to be taken, and of others where nobody waits for them."""
    opened = (event.envelope for event in events if _links(event) or birthdays.records_birth(event))
    return {**keys_for(parts.keys, "proof", opened), **unusable.keys_at_once(parts, events)}


def apply_events(connection: Connection, parts: Parts, events: Sequence[Event], found: Found) -> int:
    """Rows, links, epochs and marks of these events. Returns how many epochs rose."""
    events = provable(connection, events) if events else events
    if not events:
        return 0
    live = subjects.live_generation(connection, "consent_register")
    erasures.ask(connection, _requests(connection, parts, live, events))
    read_models.apply(connection, parts, STAGE, [projected(parts.secret, event) for event in events])
    birthdays.keep(connection, parts, events, found)
    subjects.register(connection, [(event.subject, event.case_key) for event in events if not event.broken])
    changed = {event.subject for event in events}
    changed |= _link_all(connection, parts, [event for event in events if _links(event)], found)
    changed |= links.find_cases(connection, {event.subject for event in events})
    named = _naming(connection, live, events)
    changed.update(row.subject for row in named)
    misnamed.note(connection, live, named, micros(parts.clock.now()))
    unusable.note(connection, parts, events, found)
    if any(event.envelope.event_type == "IdentitySplit" for event in events):
        changed |= with_custody(connection, live)
    ending = [event for event in events if ends(event)]
    subjects.mark_ending(connection, _may_end(connection, live, ending))
    received = min((received_at(parts.secret, event.record) for event in ending), default=None)
    return subjects.raise_epochs(connection, changed, micros(parts.clock.now()), received)


def projected(secret: bytes, event: Event) -> ProjectedEvent:
    """The event as the read models take it."""
    return ProjectedEvent(event.record, event.envelope, event.value, received_at(secret, event.record))


def narrow_all_quarantined(parts: Parts) -> int:
    """`narrow_quarantined` of all that stands there: for a release that starts, and may know more than the last one."""
    return narrow_quarantined(parts, since=0)


def narrow_quarantined(parts: Parts, since: int | None = None) -> int:
    """Let records that narrow, and were quarantined without effect, take effect. Returns how many did.

    `since`: when they were quarantined, at the earliest (microseconds since 1970 UTC); by default an hour ago.

    A release that did not know their schema, or quarantined broken ones alone, may have taken them: with two releases
    side by side it is chance which of them reads a withdrawal. They stay in quarantine, to be corrected and sent again.
    """
    if since is None:
        since = micros(parts.clock.now()) - _LATELY
    with parts.store.transaction() as connection:
        waiting = quarantines.without_prefix(connection, STAGE, TOOK_EFFECT, since)
    taken = [
        event
        for one in waiting
        if (event := _narrowing(parts, one)) is not None and _narrow(parts, one, event)
    ]
    if any(ends(event) for event in taken):
        end_grounds(parts)
    return len(taken)


def _narrowing(parts: Parts, one: QuarantinedRecord) -> Event | None:
    """All that a quarantined record could mean, if it narrows, as a rebuild takes it; None also where the log holds it
    no longer. What it says to the letter follows when it is tried again."""
    found = parts.log.read(one.place.topic, {one.place.partition: one.place.offset}, 1)
    if not found or found[0].place != one.place:
        return None
    return broken_control(parts.secret, found[0])


def _narrow(parts: Parts, one: QuarantinedRecord, event: Event) -> bool:
    found = control_keys(parts, [event])
    with parts.store.transaction() as connection:
        mine = quarantines.rename(connection, STAGE, one, f"{TOOK_EFFECT}{one.reason}")
        if mine:
            apply_events(connection, parts, [event], found)
        return mine


_CONSENTS: Stage[Event, _Taking] = Stage(
    name=STAGE,
    decode=lambda parts, record: decode_control(parts.secret, record),
    prepare=lambda parts, intake: _Taking(control_keys(parts, intake.events)),
    apply=_apply,
    passes=narrows,
    rescue=lambda parts, record: broken_control(parts.secret, record),
)


def ends(event: Event) -> bool:
    """Whether somebody's last ground may have ended with it."""
    return event.envelope.event_type in ENDING


def _erases(event: Event) -> bool:
    return event.envelope.event_type == "ErasureRequested"


def _requests(
    connection: Connection, parts: Parts, live: int, events: Sequence[Event]
) -> list[ErasureRequest]:
    """The requests that the register does not hold yet: one that is published again asks for nothing that came since.
    They are executed once all consents are read (`hub.erasure.erase`)."""
    asked = {row_id(event.envelope, event.value): event for event in events if _erases(event)}
    known = present(connection, live, asked) if asked else ()
    return [_erasure(parts, event) for key, event in asked.items() if key not in known]


def _erasure(parts: Parts, event: Event) -> ErasureRequest:
    """The request, effective like a withdrawal."""
    at = min(event.envelope.occurred_at, received_at(parts.secret, event.record))
    return ErasureRequest(event.envelope.event_id.hex(), event.subject, at)


def _links(event: Event) -> bool:
    return event.envelope.event_type in _LINKING


def _link_all(connection: Connection, parts: Parts, events: Sequence[Event], found: Found) -> set[str]:
    """Link and split as the events say: one that cannot be read links nobody and splits its subject, and nobody links
    only others. Returns whose links changed."""
    opened = [(event, content(event.envelope, "proof", found)) for event in events]
    pairs = [pair for event, read in opened for pair in _pairs(parts, event, read)]
    changed = links.pair(connection, pairs) if pairs else set()
    for event, read in opened:
        if event.envelope.event_type == "IdentitySplit":
            parted = {event.subject, *_refs(parts, read)}
            received = received_at(parts.secret, event.record)
            changed |= links.split_persons(connection, parted, event.envelope.occurred_at, received)
    return changed


def _pairs(parts: Parts, event: Event, opened: Content) -> Iterator[links.Pair]:
    """Whom an event takes for one person: by a pairing code, which is not kept, or by name. Joined is who is named by
    both agencies; a name that two workers confirmed is the other agency's word too."""
    at, fields = event.envelope.occurred_at, opened.fields
    if fields.get("method") == "pairing_code" and fields.get("code"):
        digest = pairing_digest(parts.secret, fields["code"]).hex()
        yield links.Pair(digest, int(fields.get("member", 0)), event.subject, event.case_key, at)
        return
    refs = _refs(parts, opened)
    if event.envelope.event_type != "IdentityLinked" or event.subject not in refs:
        return
    for other in sorted({*refs} - {event.subject}):
        digest = link_digest(parts.secret, event.subject, other).hex()
        yield links.Pair(digest, 0, event.subject, event.case_key, at)
        if len(set(fields.get("confirmed_by") or ())) > 1:
            yield links.Pair(digest, 0, other, links.ANY_CASE, at)


def _refs(parts: Parts, opened: Content) -> list[str]:
    """`agency:ref` of agencies that take part."""
    return [ref for ref in opened.fields.get("refs", ()) if ref.split(":", 1)[0] in parts.agencies]


def _may_end(connection: Connection, live: int, ending: Sequence[Event]) -> set[str]:
    """Whose last ground may have ended: a withdrawal reaches consents that its author signed for others, and at another
    office by a number that stands in no column."""
    if not ending:
        return set()
    said = {event.subject for event in ending} | {row.subject for row in _naming(connection, live, ending)}
    return said.union(subjects.concerned(connection, said)[0])


def _naming(connection: Connection, live: int, events: Sequence[Event]) -> list[RegisterRow]:
    """The grants and withdrawals that bear the ids of these ones: a withdrawal works from any agency."""
    ids = {event.envelope.consent_id for event in events}
    return naming(connection, live, [one for one in ids if one]) if any(ids) else []
