"""What each step costs per event, alone and in memory, in microseconds."""

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from hub.dev.bench.workload import JC
from hub.domain.seal import place, seal
from hub.parts import Parts
from hub.policy.facts import Sender
from hub.ports import KeyRef, Outgoing, Record
from hub.sealed.boxes import content, keys_for
from hub.sealed.decode import Event, decode_event, encode_envelope
from hub.stages.admit import AdmissionBatch, decide_batch
from hub.stages.intake import BatchIntake
from hub.stages.project import decode_case
from hub.store import admissions
from hub.subjects.facts import event_facts
from projections.joint_case import projection as joint_case
from schemas import topics

SAMPLE = 1000
_ROUNDS = 5


def per_event_us(parts: Parts) -> dict[str, float]:
    """decode, decide, open, seal, encode, audit, sql and publish over a sample of the events that were published."""
    records = _sample(parts)
    events = [decode_event(record, JC, "events") for record in records]
    desk = decide_batch(parts, BatchIntake(records[0].topic, "", events=list(events)))
    steps = _in_memory(parts, records, events, desk) | _at_edges(parts, records, events, desk)
    return {name: round(_timed(step) / len(records) * 1e6, 2) for name, step in steps.items()}


def _sample(parts: Parts) -> Sequence[Record]:
    topic = topics()["events"].of(JC)
    state = parts.log.state([topic])[topic]
    return parts.log.read(topic, dict(state.first), SAMPLE)


def _in_memory(
    parts: Parts, records: Sequence[Record], events: Sequence[Event], desk: AdmissionBatch
) -> dict[str, Callable[[], object]]:
    envelopes = [event.envelope for event in events]
    found = keys_for(parts.keys, "box", envelopes)
    ref = KeyRef("proof", JC, "bench")
    key = parts.keys.sealing([ref])[ref]
    where = place("event", events[0].schema.fingerprint, b"bench", "bench", "LB", key.version)
    plain = b"x" * 300
    return {
        "decode": lambda: [decode_event(record, JC, "events") for record in records],
        "decide": lambda: [_decide(desk, event) for event in events],
        "open": lambda: [content(envelope, "box", found) for envelope in envelopes],
        "seal": lambda: [seal(key.cipher, key.version, plain, where) for _ in envelopes],
        "encode": lambda: [encode_envelope(envelope) for envelope in envelopes],
    }


def _at_edges(
    parts: Parts, records: Sequence[Record], events: Sequence[Event], desk: AdmissionBatch
) -> dict[str, Callable[[], object]]:
    """Audit and rows are written to a generation nobody reads, and publish goes to a topic of its own."""
    parts.log.create({"bench.publish": 1})
    outgoing = [Outgoing(record.key, record.value) for record in records]
    admitted = [decode_case(record) for record in records]
    numbers = iter(range(1000, 10_000))

    def audit() -> None:
        at = next(numbers)
        rows = [row._replace(publication=at, outcome="bench") for row in _decisions(desk, events)]
        with parts.store.transaction() as connection:
            admissions.save_decisions(connection, rows)

    def sql() -> None:
        with parts.store.transaction() as connection:
            joint_case.apply(connection, next(numbers), admitted)

    return {"audit": audit, "sql": sql, "publish": lambda: parts.log.append("bench.publish", outgoing)}


def _decisions(desk: AdmissionBatch, events: Iterable[Event]) -> list[admissions.DecisionRow]:
    return [
        admissions.DecisionRow(
            e.envelope.event_id.hex(), 1, "bench", "", desk.parts.gate.policy.version, 1, 0, *e.record.place
        )
        for e in events
    ]


def _decide(desk: AdmissionBatch, event: Event) -> object:
    """The gate's question without the memo of a batch."""
    knowledge, e = desk.known[event.subject], event.envelope
    sender = Sender(controller=e.controller_id, kind=desk.parts.agencies[e.controller_id].kind)
    facts = event_facts(e, knowledge, desk.at, None)
    fields = content(e, "box", desk.keys).fields
    return desk.parts.gate.judge_record(
        sender, knowledge.subject(desk.at), facts, knowledge.consents, desk.at, fields
    )


def _timed(step: Callable[[], object]) -> float:
    """Seconds of one round: the median of several, after one that warms up."""
    step()
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    return median(seconds)
