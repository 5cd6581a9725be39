"""Stage admit: decide again, and let into the event store what may be there (protocol rule 15).

Produced first, recorded second: a crash in between leaves duplicates, which the guarded rows make harmless. What is
withheld or held enters no dedupe table, so a later publication with wider content is decided anew (rule 2).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from hub import topology
from hub.domain.clock import micros
from hub.domain.consent import referred
from hub.domain.envelope import EnvelopeHeader
from hub.failpoints import fail_point
from hub.parts import CASES, Parts
from hub.policy.facts import Sender
from hub.policy.gate import Verdict
from hub.policy.reduce import compared
from hub.ports import KeyRef, Outgoing, Record
from hub.sealed.boxes import Found, content, key_ref, keys_for, seal_state
from hub.sealed.decode import Event, decode_event, encode_envelope, head_of, narrowed, whole_headers
from hub.sealed.words import strayed
from hub.stages.driver import Stage, drive
from hub.stages.intake import BatchIntake, lane
from hub.store import admissions, subjects
from hub.store.admissions import DecisionRow, HeldEvent
from hub.store.quarantines import QuarantinedRecord
from hub.subjects.facts import confider, event_facts, signature
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from hub.subjects.register_entries import key_entries

STAGE = topology.ADMIT.stage
UNKNOWN_CONSENT, UNKNOWN_PERSON = "consent_unknown", "person_unknown"


@dataclass(slots=True)
class AdmitOutcome:
    """What became of a batch; with `duplicates` and `skipped` (seen before) the numbers add up to its size. `types`
    counts (event type, outcome) of what was decided."""

    admitted: int = 0
    held: int = 0
    duplicates: int = 0
    skipped: int = 0
    parked: int = 0
    withheld: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    types: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class AdmissionBatch:
    """One batch on the desk: what is known at this moment, and what was decided so far."""

    parts: Parts
    intake: BatchIntake[Event]
    at: datetime
    known: Mapping[str, Knowledge]
    names: Mapping[str, str]
    seen: set[tuple[str, int]]
    keys: Found
    policy: bytes
    produce: list[Outgoing] = field(default_factory=list)
    heads: list[tuple[bytes, EnvelopeHeader]] = field(default_factory=list, repr=False)  # of what is produced
    fenced: set[KeyRef] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)  # lanes in which an event did not open
    decisions: dict[tuple[str, int], DecisionRow] = field(default_factory=dict)
    held: list[HeldEvent] = field(default_factory=list)
    duplicates: int = 0
    types: Counter[tuple[str, str]] = field(default_factory=Counter)
    now: int = field(init=False)  # `at` as the store has it

    def __post_init__(self) -> None:
        self.now = micros(self.at)


def admit(parts: Parts, topic_id: str, batch: Sequence[Record]) -> AdmitOutcome:
    """Take a batch of one agency's events topic; redelivered records have no effect."""
    driven = drive(parts, _ADMIT, topic_id, batch)
    return _outcome(driven.intake, driven.prepared)


def _decode(_: Parts, record: Record) -> Event:
    return decode_event(record, topology.topic_agency(record.topic), "events")


def _prepare(parts: Parts, intake: BatchIntake[Event]) -> AdmissionBatch:
    desk = decide_batch(parts, intake, park=True)
    produce(desk)
    fail_point("admit.after_produce")
    return desk


def _apply(connection: Connection, _: Parts, __: BatchIntake[Event], desk: AdmissionBatch) -> bool:
    if not note_decisions(connection, desk):
        return False
    fail_point("admit.in_transaction")
    return True


def produce(desk: AdmissionBatch) -> None:
    """Append what was admitted, and name the new key of every box that came under an older one (rule 4). Comes before
    the transaction: a crash in between appends it twice, which harms nobody."""
    if desk.produce:
        desk.parts.log.append(CASES, desk.produce)
        desk.parts.heads.keep(desk.heads)
    if desk.fenced:
        key_entries(desk.parts, sorted(desk.fenced))


def decide_batch(parts: Parts, intake: BatchIntake[Event], *, park: bool = False) -> AdmissionBatch:
    """Dedupe, open, decide; everything in memory, nothing written yet. With `park`, what comes behind an event that
    does not open waits there, as it does when it comes in a later batch."""
    envelopes = [event.envelope for event in intake.events]
    confiders = {f"{e.controller_id}:{e.entrusted_by}" for e in envelopes if e.entrusted_by}
    with parts.store.transaction() as connection:
        seen = admissions.admitted(connection, [event.identity[0] for event in intake.events])
        known = learn(connection, parts.keys, parts.knowledge, {event.subject for event in intake.events})
        names = subjects.persons(connection, confiders) if confiders else {}
    found = keys_for(parts.keys, "box", envelopes)
    policy = parts.gate.policy.version.encode()
    desk = AdmissionBatch(parts, intake, parts.clock.now(), known, names, seen, found, policy)
    for event in intake.events:
        if park and desk.closed and (at := lane(event.record)) in desk.closed:
            intake.parked.append((event.record, at))
        else:
            _take(desk, event)
    return desk


def _take(desk: AdmissionBatch, event: Event) -> None:
    """Sort one event out."""
    if event.identity in desk.seen:
        desk.duplicates += 1
        return
    state = seal_state(event.envelope, "box", desk.keys)
    if state == "unsealed":
        desk.closed.add(at := lane(event.record))
        desk.intake.bad.append(QuarantinedRecord(event.record.place, at, "unsealed"))
    elif state != "open":
        if state == "fenced" or _would_pass(desk, event):
            desk.fenced.add(key_ref(event.envelope, "box"))
        _note(desk, event, "withheld", f"key_{state}")
    elif event.envelope.fields and (waiting := _unknown(desk, event)):
        _hold(desk, event, waiting)
    elif event.envelope.held or not event.envelope.fields:
        _narrow(desk, event)
    else:
        _decide(desk, event)


def _let_in(desk: AdmissionBatch, event: Event, verdict: Verdict) -> None:
    outgoing = _outgoing(desk, event, verdict)
    desk.produce.append(outgoing)
    desk.heads.append((outgoing.value, head_of(event.envelope)))
    desk.seen.add(event.identity)
    _note(desk, event, "admitted", _rules(verdict.dropped))


def _would_pass(desk: AdmissionBatch, event: Event) -> bool:
    """Sealed with a key that is gone, although a consent opens it: it crossed a withdrawal, and must come again under
    the key of the consent that came after."""
    return not _unknown(desk, event) and bool(judge(desk, event).kept)


def _decide(desk: AdmissionBatch, event: Event) -> None:
    verdict = judge(desk, event)
    if verdict.kept:
        _let_in(desk, event, verdict)
    elif verdict.held:
        _hold(desk, event, verdict.rule)
    else:
        _note(desk, event, "withheld", verdict.rule)


def _narrow(desk: AdmissionBatch, event: Event) -> None:
    """The gate says that what the hub has of the record counts no longer, or that some of it is on hold. That can only
    narrow what is shown, so it is let in, with what may be there of its content; each view decides for itself."""
    verdict = judge(desk, event)
    kept = verdict.kept | verdict.would | frozenset(event.envelope.held)
    _let_in(desk, event, replace(verdict, kept=kept))


def _unknown(desk: AdmissionBatch, event: Event) -> str:
    """Why the event must wait for the consents topic, if it must: not when those that are known open all of it."""
    envelope, knowledge = event.envelope, desk.known[event.subject]
    if envelope.norm is not None:
        return ""
    names = [consent.id for consent in knowledge.consents]
    if not all(referred([one], envelope.controller_id, names) for one in envelope.consents):
        return "" if judge(desk, event).kept >= envelope.fields.keys() else UNKNOWN_CONSENT
    return "" if knowledge.family or knowledge.recorded or not envelope.consents else UNKNOWN_PERSON


def judge(desk: AdmissionBatch, event: Event) -> Verdict:
    """The gate's verdict. Equal questions about one person are asked once, unless somebody confided the answer: whom
    the hub takes a confider to be may change without this person's epoch."""
    envelope, known, at = event.envelope, desk.known[event.subject], desk.at

    def ask() -> Verdict:
        sender = Sender(
            controller=envelope.controller_id, kind=desk.parts.agencies[envelope.controller_id].kind
        )
        facts = event_facts(envelope, known, at, confider(envelope, desk.names))
        return desk.parts.gate.judge_record(
            sender, known.subject(at), facts, known.consents_at(at), at, fields
        )

    fields = content(envelope, "box", desk.keys).fields
    asked = (*signature(envelope), compared(envelope.event_type, fields))
    return ask() if envelope.entrusted_by else known.verdict(asked, at, ask)


def _outgoing(desk: AdmissionBatch, event: Event, verdict: Verdict) -> Outgoing:
    """The event for the store: as it came when all is kept, else without the boxes that are not."""
    value = event.record.value
    if len(verdict.kept) < len(event.envelope.fields):
        value = encode_envelope(narrowed(event.envelope, verdict.kept))
    headers = (
        *whole_headers(value),
        ("policy", desk.policy),
        ("epoch", b"%d" % desk.known[event.subject].epoch),
        ("dropped", _rules(verdict.dropped).encode()),
    )
    return Outgoing(event.record.key, value, headers)


def _rules(dropped: Mapping[str, str]) -> str:
    return ",".join(sorted(set(dropped.values()))) if dropped else ""


def _note(desk: AdmissionBatch, event: Event, outcome: str, rules: str) -> None:
    version, epoch = desk.parts.gate.policy.version, desk.known[event.subject].epoch
    topic, partition, offset, *_ = event.record
    desk.types[event.envelope.event_type, outcome] += 1
    desk.decisions[event.identity] = DecisionRow(
        *event.identity, outcome, rules, version, epoch, desk.now, topic, partition, offset
    )


def _hold(desk: AdmissionBatch, event: Event, reason: str) -> None:
    topic, partition, offset, key, value, *_ = event.record
    epoch = desk.known[event.subject].epoch
    row = HeldEvent(
        *event.identity, event.subject, epoch, desk.now, reason, topic, partition, offset, key, value
    )
    desk.held.append(row)
    desk.types[event.envelope.event_type, "held"] += 1


def note_decisions(connection: Connection, desk: AdmissionBatch) -> bool:
    """Write what was decided; False, and nothing written, when it must be decided again."""
    if _moved(connection, desk):
        return False
    admissions.save_decisions(connection, list(desk.decisions.values()))
    admissions.save_held(connection, desk.held)
    return True


def _moved(connection: Connection, desk: AdmissionBatch) -> bool:
    """Under the epoch lock: whether a held event's person became known meanwhile, so that none sleeps for ever."""
    if not desk.held:
        return False
    wanted = {row.subject for row in desk.held}
    now = learn(connection, desk.parts.keys, desk.parts.knowledge, wanted, lock=True)
    return any(now[row.subject].epoch != row.epoch for row in desk.held)


_ADMIT: Stage[Event, AdmissionBatch] = Stage(
    name=STAGE,
    decode=_decode,
    prepare=_prepare,
    apply=_apply,
    strayed=lambda parts, record: strayed(parts.secret, record),
)


def _outcome(intake: BatchIntake[Event], desks: Sequence[AdmissionBatch]) -> AdmitOutcome:
    outcome = AdmitOutcome(
        held=sum(len(desk.held) for desk in desks),
        duplicates=sum(desk.duplicates for desk in desks),
        skipped=intake.skipped,
        parked=len(intake.parked),
        types=sum((desk.types for desk in desks), Counter()),
    )
    for row in (row for desk in desks for row in desk.decisions.values()):
        if row.outcome == "admitted":
            outcome.admitted += 1
        else:
            outcome.withheld[row.rules] = outcome.withheld.get(row.rules, 0) + 1
    for bad in intake.bad:
        outcome.quarantined[bad.reason] = outcome.quarantined.get(bad.reason, 0) + 1
    return outcome
