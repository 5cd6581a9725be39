"""Held events get their answer: decided again when their person's epoch rose, withheld after the deadline (rule 15)."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import chain

from hub.domain.clock import micros
from hub.isolation import halved, note_failure
from hub.parts import Parts
from hub.ports import Record
from hub.sealed.decode import decode_event
from hub.stages.admit import STAGE, decide_batch, produce
from hub.stages.intake import BatchIntake, lane
from hub.store import admissions, quarantines
from hub.store.admissions import HeldEvent
from hub.store.quarantines import QuarantinedRecord
from hub.topology import topic_agency


def answer_held(parts: Parts) -> dict[str, int]:
    """Decide again what can be decided now. Returns outcome → count; those still waiting stay, under the new epoch. A
    row that fails alone is quarantined at its place in the log."""
    with parts.store.transaction() as connection:
        rows = admissions.moved(connection)
    found = halved(rows, partial(_answer, parts), partial(_quarantine, parts))
    return _count(list(chain.from_iterable(found)))


def _answer(parts: Parts, rows: Sequence[HeldEvent]) -> list[str]:
    events = [decode_event(_record(row), topic_agency(row.topic), "events") for row in rows]
    intake = BatchIntake("", "", events=events)
    desk = decide_batch(parts, intake)
    produce(desk)
    with parts.store.transaction() as connection:
        quarantines.put(connection, STAGE, intake.bad, micros(parts.clock.now()))
        admissions.save_decisions(connection, list(desk.decisions.values()))
        admissions.let_go(connection, rows)
        since = {row[:2]: row.since for row in rows}
        admissions.save_held(connection, [row._replace(since=since[row[:2]]) for row in desk.held])
    return [row.outcome for row in desk.decisions.values()]


def _quarantine(parts: Parts, row: HeldEvent, error: Exception) -> list[str]:
    record = _record(row)
    reason = note_failure(STAGE, error, topic=row.topic, partition=row.partition, offset=row.offset)
    with parts.store.transaction() as connection:
        found = QuarantinedRecord(record.place, lane(record), reason)
        quarantines.put(connection, STAGE, [found], micros(parts.clock.now()))
        admissions.let_go(connection, [row])
    return []


def end_expired_holds(parts: Parts) -> int:
    """A hold that nobody decides ends as withheld."""
    now = parts.clock.now()
    with parts.store.transaction() as connection:
        rows = admissions.expired(connection, micros(now - timedelta(days=parts.hold_days)))
        policy = parts.gate.policy.version
        decisions = [admissions.withheld(row, row.reason, policy, micros(now)) for row in rows]
        admissions.save_decisions(connection, decisions)
        admissions.let_go(connection, rows)
    return len(rows)


def _record(row: HeldEvent) -> Record:
    return Record(row.topic, row.partition, row.offset, row.key, row.value, row.since)


def _count(outcomes: list[str]) -> dict[str, int]:
    return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
