"""Which fields a decision at admission kept and dropped, and by which rule, as far as that can still be told.

The store keeps the rules of a decision, not the rule of each field. The policy is asked again for the moment of the
decision, and believed only when it gives the rules on record.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from hub.domain.clock import moment
from hub.domain.envelope import Envelope
from hub.parts import Parts
from hub.policy.facts import Sender
from hub.policy.gate import Verdict
from hub.rights.event_history.found import EventTraces, opened
from hub.sealed.boxes import content, keys_for
from hub.store import subjects
from hub.store.admissions import DecisionRow
from hub.subjects.facts import confider, event_facts
from hub.subjects.learning import learn

Fields = tuple[Iterable[str], Mapping[str, str]]


def rules_of(row: DecisionRow) -> tuple[str, ...]:
    return tuple(rule for rule in row.rules.split(",") if rule)


def decided_fields(connection: Connection, parts: Parts, found: EventTraces, row: DecisionRow) -> Fields:
    """(kept, dropped: field → rule); both empty when nothing can be said of the fields."""
    envelope = next((s.envelope for s in found.seen if s.envelope.publication == row.publication), None)
    rules = rules_of(row)
    if envelope is None:
        return (), {}
    if row.outcome == "admitted" and not rules:
        return envelope.fields, {}
    if row.policy_version == parts.gate.policy.version:
        verdict = _judge_again(connection, parts, row, envelope)
        if _agrees(verdict, row, rules):
            return verdict.kept, verdict.dropped
    if row.outcome == "admitted":
        return _kept_in_row(found, row), {}
    return (), dict.fromkeys(envelope.fields, ",".join(rules))


def _judge_again(connection: Connection, parts: Parts, row: DecisionRow, envelope: Envelope) -> Verdict:
    at, controller = moment(row.at), envelope.controller_id
    subject, confided = f"{controller}:{envelope.subject_ref}", f"{controller}:{envelope.entrusted_by}"
    known = learn(connection, parts.keys, parts.knowledge, [subject])[subject]
    names = subjects.persons(connection, [confided]) if envelope.entrusted_by else {}
    facts = event_facts(envelope, known, at, confider(envelope, names))
    sender = Sender(controller=controller, kind=parts.agencies[controller].kind)
    fields = content(envelope, "box", keys_for(parts.keys, "box", [envelope])).fields
    return parts.gate.judge_record(sender, known.subject(at), facts, known.consents_at(at), at, fields)


def _agrees(verdict: Verdict, row: DecisionRow, rules: Sequence[str]) -> bool:
    found = set(verdict.dropped.values()) if verdict.kept else {verdict.rule}
    return bool(verdict.kept) == (row.outcome == "admitted") and found == set(rules)


def _kept_in_row(found: EventTraces, row: DecisionRow) -> Iterable[str]:
    """What was kept stands in the joint case, until a newer version takes its place."""
    for shown in found.shown:
        if (shown.event_id, shown.publication) == (row.event_id, row.publication):
            return opened(shown).fields
    return ()
