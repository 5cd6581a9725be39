"""The egress gate: what of an event may leave (protocol rule 11). It asks the policy and decides nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from connectors.pipeline.gate.knowledge import SIGNED, GateKnowledge
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.consent import Consent
from hub.policy.facts import ConsentGround, EventFacts, NormGround, Sender, Subject
from hub.policy.gate import Verdict
from hub.policy.nearly import Nearly
from hub.policy.reduce import passing


class Judge(Protocol):
    """`hub.policy.gate.Gate`."""

    def mark(self, at: datetime) -> str: ...

    def judge_record(
        self,
        sender: Sender,
        subject: Subject,
        event: EventFacts,
        consents: Sequence[Consent],
        at: datetime,
        content: Mapping[str, Any],
    ) -> Verdict: ...

    def nearly(
        self, sender: Sender, subject: Subject, event: EventFacts, consents: Sequence[Consent], at: datetime
    ) -> tuple[Nearly, ...]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """An event with the fields that may leave (`kept`), the consents it names, and the rule if none may.

    `waiting`: fields on hold, which leave by name alone; `would`: those that would leave but for them.
    `taken_back`: its row says the record no longer.
    """

    event: MappedEvent
    kept: frozenset[str]
    consents: tuple[str, ...] = ()
    objected: bool = False
    rule: str = ""
    dropped: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    would: frozenset[str] = frozenset()
    taken_back: bool = False

    @property
    def ground(self) -> frozenset[str]:
        """What the event rests on, comparable between publications."""
        event = self.event
        norm = () if event.norm is None else (f"{event.norm}|{event.task_norm}|{event.attested_by}",)
        return frozenset((*self.consents, *norm))


@dataclass(frozen=True, slots=True)
class EgressGate:
    """Judges one agency's events with what its gate knows."""

    sender: Sender
    judge: Judge
    knowledge: GateKnowledge

    def of(self, event: MappedEvent, at: datetime) -> Judged:
        """The verdict; control events are read by the policy itself and pass whole."""
        if event.control:
            return Judged(event, frozenset(event.payload))
        consents = self.knowledge.consents(event.subject_ref, at)
        objected = event.objected_76 or self.knowledge.objected(event.subject_ref)
        facts = facts_of(event, consents, objected=objected)
        if not facts.fields:
            return Judged(event, frozenset(), objected=objected, rule="R00")
        verdict = self.judge.judge_record(self.sender, subject_of(event), facts, consents, at, event.payload)
        named = facts.ground.consents if isinstance(facts.ground, ConsentGround) else frozenset()
        return Judged(
            leaving(event),
            verdict.kept,
            tuple(sorted(named)),
            objected=objected,
            rule=verdict.rule,
            dropped=verdict.dropped,
            waiting=verdict.waiting,
            would=verdict.would,
        )

    def nearly(self, event: MappedEvent, at: datetime) -> tuple[Nearly, ...]:
        """The consents that lack least where none opens a field; for people, it decides nothing."""
        consents = self.knowledge.consents(event.subject_ref, at)
        objected = event.objected_76 or self.knowledge.objected(event.subject_ref)
        facts = facts_of(event, consents, objected=objected)
        return self.judge.nearly(self.sender, subject_of(event), facts, consents, at)


def subject_of(event: MappedEvent) -> Subject:
    """So that what was decided before counts: a consent is signed by all who must, or by nobody."""
    return Subject(ref=event.subject_ref, birth_date=None, capable=None, custodians=(SIGNED,))


def leaving(event: MappedEvent) -> MappedEvent:
    """The event with what may leave of each value: of a goal its tag (R08). What the gate drops stays to be told."""
    left = passing(event.schema.event_type, event.payload)
    changed = {name: value for name, value in left.items() if value != event.payload[name]}
    return replace(event, payload={**event.payload, **changed}) if changed else event


def facts_of(event: MappedEvent, consents: Sequence[Consent], *, objected: bool) -> EventFacts:
    """The event as the policy sees it, naming all these consents where no norm is its ground."""
    return EventFacts(
        type=event.schema.event_type,
        fields=event.categories,
        ground=_ground(event, consents),
        entrusted_by=event.entrusted_by,
        source_203=event.source_203,
        objected_76=objected,
        task_class=event.task_class,
        connection=event.connection,
        merges_with=event.merges_with,
        endangers_help=event.endangers_help,
        addressee=event.addressee,
        disputed=frozenset(event.disputed),
    )


def _meant(event: MappedEvent, name: str, consents: Sequence[Consent]) -> frozenset[str]:
    """The ids of the consents that the mapping names so: the agency's own number, else office and number. A number
    alone means another office's consent where one bears it: of two neither. One that is not known here is named by its
    pseudonym, so that the hub may know it later."""
    exact = {one.id for one in consents if name in (one.id, f"{one.recorded_by}:{one.number}")}
    own = {one.id for one in consents if one.id == event.key.consent(name)}
    alike = {one.id for one in consents if one.number == name}
    return frozenset(own or exact or (alike if len(alike) == 1 else {event.key.consent(name)}))


def _ground(event: MappedEvent, consents: Sequence[Consent]) -> ConsentGround | NormGround:
    if event.norm is None:
        if event.named is None:
            return ConsentGround(consents=frozenset(consent.id for consent in consents))
        meant = {one for name in event.named for one in _meant(event, name, consents)}
        return ConsentGround(consents=frozenset(meant))
    return NormGround(norm=event.norm, task_norm=event.task_norm or "", attested_by=event.attested_by)
