"""What each role of each other agency would see of an entry: the real gate, the decision, and the record rules. Pure.

Asked before anything is saved. It assumes that a role's worker is assigned, and takes undertakings as declared.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.pipeline.gate.judge import EgressGate, Judged, facts_of, subject_of
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.desk.offer import PURPOSE, recipient_of
from hub.desk.work.steps import WorkStep
from hub.domain.clock import berlin_day, moment
from hub.domain.consent import Consent
from hub.policy.decide import decide
from hub.policy.decision import Decision
from hub.policy.facts import Recipient, Request, Sender
from hub.policy.gate import Declared, Gate
from hub.policy.reduce import EVIDENCE, Released, obliged_categories, view

COORDINATOR = "coordinator"
REDUCED = "reduce"
"""Stands for the rule where the record rules leave a field out."""
_EMPTY: tuple[object, ...] = (None, [], ())


@dataclass(frozen=True, slots=True)
class Sight:
    """One agency's outlook on its own entries; `known_to`: the other agencies that know the family.

    `sees`: whether a recipient is shown a start of a third agency, whose consents this one does not know. An agency
    cannot tell, and assumes it: nobody is to see what its caseworker was not told.
    """

    sender: Sender
    gate: Gate
    knowledge: GateKnowledge
    known_to: frozenset[str]
    sees: Callable[[Recipient, WorkStep], bool] = lambda _recipient, _start: True

    def of(
        self, event: MappedEvent, start: "MappedEvent | WorkStep | None", at: datetime
    ) -> list[dict[str, Any]]:
        """One object for each role (of a coordinator, for each worker whom a consent names). `start`: the start that
        the entry follows, as this agency recorded it or is shown it."""
        judged = EgressGate(self.sender, self.gate, self.knowledge).of(event, at)
        consents = self.knowledge.consents(event.subject_ref, at)
        return [
            self._told(recipient, judged, self._start(start, event, recipient, at), consents, at)
            for recipient in self._recipients(event, consents, at)
        ]

    def _recipients(
        self, event: MappedEvent, consents: Sequence[Consent], at: datetime
    ) -> Iterator[Recipient]:
        period = self.gate.policy.on(berlin_day(at))
        for role in self.gate.declared:
            if (
                role.controller == self.sender.controller
                or role.controller not in self.known_to
                or period is None
            ):
                continue
            cells = period.row(role.role, self.sender.controller, role.controller)
            said = {event.categories[name] for name in event.payload if name not in EVIDENCE}
            if any((cell := cells.get(category)) is not None and not cell.closed for category in said):
                yield from (recipient_of(role, worker) for worker in _workers(role, consents))

    def _told(
        self,
        recipient: Recipient,
        judged: Judged,
        start: Released | None,
        consents: Sequence[Consent],
        at: datetime,
    ) -> dict[str, Any]:
        event = judged.event
        decision = self._decision(event, recipient, consents, at, objected=judged.objected)
        said = {name for name in event.payload if event.payload[name] not in _EMPTY and name not in EVIDENCE}
        left = frozenset(decision.kept) & judged.kept
        seen: frozenset[str] = frozenset()
        if decision.outcome != "hold":
            seen = _seen(_released(event, left, decision), start, recipient)
        rules = {**dict.fromkeys(said, REDUCED), **judged.dropped, **decision.dropped}
        dropped = {name: rules[name] for name in sorted(said - seen)}
        return {
            "recipient": recipient.controller,
            "role": recipient.role,
            "worker": recipient.worker,
            "outcome": _outcome(decision.outcome, seen, dropped),
            "kept": sorted(seen),
            "dropped": dropped,
            "needed": [*decision.needed, *map(str, decision.nearly)],
        }

    def _decision(
        self,
        event: MappedEvent,
        recipient: Recipient,
        consents: Sequence[Consent],
        at: datetime,
        *,
        objected: bool,
    ) -> Decision:
        facts = facts_of(event, consents, objected=objected)
        facts = replace(
            facts, fields={name: facts.fields[name] for name in event.payload if name in facts.fields}
        )
        request = Request(
            at=at,
            purpose=PURPOSE,
            sender=self.sender,
            recipient=recipient,
            subject=subject_of(event),
            event=facts,
            consents=consents,
        )
        return decide(self.gate.policy, request)

    def _start(
        self, start: "MappedEvent | WorkStep | None", event: MappedEvent, recipient: Recipient, at: datetime
    ) -> Released | None:
        """The start as this recipient has it: its own whole, ours as decided, a third agency's as far as the record
        rules show it."""
        if start is None:
            return None
        if isinstance(start, WorkStep):
            if start.sender != recipient.controller and not self.sees(recipient, start):
                return None
            labels = {name: event.categories.get(name, "VB") for name in start.fields}
            return Released(
                ref="start",
                person=event.subject_ref,
                sender=start.sender,
                event_type=start.event_type,
                occurred_at=start.occurred_at,
                fields=start.fields,
                categories=labels,
                kept=tuple(start.fields),
                obliged=self._reduced(recipient, start.sender, labels.values(), at),
            )
        judged = EgressGate(self.sender, self.gate, self.knowledge).of(start, at)
        consents = self.knowledge.consents(start.subject_ref, at)
        decision = self._decision(judged.event, recipient, consents, at, objected=judged.objected)
        if decision.outcome not in ("allow", "redact"):
            return None
        return replace(_released(judged.event, frozenset(decision.kept) & judged.kept, decision), ref="start")

    def _reduced(
        self, recipient: Recipient, sender: str, categories: Iterable[str], at: datetime
    ) -> frozenset[str]:
        """The categories that the matrix reduces for this role."""
        period = self.gate.policy.on(berlin_day(at))
        cells = period.row(recipient.role, sender, recipient.controller) if period else {}
        return frozenset(one for one in categories if one in cells and cells[one].show in ("R", "own"))


def _workers(role: Declared, consents: Iterable[Consent]) -> Sequence[str | None]:
    """A coordinator is always one whom a consent names; nobody else needs to be."""
    if role.role != COORDINATOR:
        return (None,)
    return sorted(
        {worker for one in consents if role.controller in one.recipients for worker in one.recipient_workers}
    )


def _released(event: MappedEvent, kept: frozenset[str], decision: Decision) -> Released:
    return Released(
        ref="entry",
        person=event.subject_ref,
        sender="(this agency)",
        event_type=event.schema.event_type,
        occurred_at=moment(event.occurred_at),
        fields={name: event.payload[name] for name in kept},
        categories=event.categories,
        kept=tuple(kept),
        obliged=obliged_categories(decision.obligations),
    )


def _seen(entry: Released, start: Released | None, recipient: Recipient) -> frozenset[str]:
    """The fields of the entry in a view that holds it beside its start."""
    records = [start, entry] if start is not None else [entry]
    return frozenset(name for one in view(records, recipient) if one.ref == entry.ref for name in one.fields)


def _outcome(decided: str, seen: frozenset[str], dropped: Mapping[str, str]) -> str:
    if decided == "hold" or not seen:
        return decided if decided == "hold" else "deny"
    return "redact" if dropped else "allow"
