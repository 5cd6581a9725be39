"""The signing table: what the other office would see of each person, with the consent as it is being ticked. Pure.

It asks the real policy about the agency's own present records, role by role, and applies the same reduced forms as the
delivery. What stays closed is told by matrix and ticks alone, never by what is on file: nobody learns at this table
whether somebody else confided something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.pipeline.gate.judge import facts_of
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.desk.offer import PURPOSE, Direction, recipient_of
from hub.desk.records import Household, Member
from hub.domain.clock import moment
from hub.domain.consent import Consent
from hub.policy.compiled import Policy
from hub.policy.decide import decide
from hub.policy.facts import Recipient, Request
from hub.policy.gate import Declared
from hub.policy.reduce import Released, obliged_categories, passing, view


@dataclass(frozen=True, slots=True)
class VisibleRecord:
    """One record as a role would see it; `by_norm`: without any consent, on an attested norm (§ 69 SGB X)."""

    event_type: str
    record_ref: str
    occurred_at: datetime
    fields: Mapping[str, Any] = field(repr=False)
    marked: tuple[str, ...]
    categories: frozenset[str]
    by_norm: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What one role would see of one person."""

    member: Member
    role: Declared
    seen: tuple[VisibleRecord, ...]


@dataclass(frozen=True, slots=True)
class SigningTable:
    """One agency's signing table."""

    policy: Policy
    household: Household
    at: datetime
    objected: frozenset[str] = frozenset()  # refs of those who objected under § 76 SGB X

    def sights(self, direction: Direction, consents: Iterable[Consent]) -> list[Sight]:
        """Person by person and role by role; `consents` are those of this sender, ticked or standing."""
        mine = [one for one in consents if one.sender == direction.sender.controller]
        return [
            Sight(member, role, tuple(self._seen(direction, role, member, mine)))
            for member in self.household.members
            for role in direction.roles
        ]

    def _seen(
        self, direction: Direction, role: Declared, member: Member, consents: Sequence[Consent]
    ) -> Iterable[VisibleRecord]:
        about = [one for one in consents if one.subject == member.ref]
        recipient = recipient_of(role, _worker(direction, about))
        released = {
            event.record_ref.hex(): (found, event)
            for event in self.household.records
            if event.subject_ref == member.ref
            and (found := self._released(direction, recipient, member, event, about))
        }
        for one in view((found for found, _ in released.values()), recipient):
            events = [released[record.ref][1] for record in one.behind]
            labels = (record.labels(one.fields).values() for record in one.behind)
            yield VisibleRecord(
                one.event_type,
                one.ref,
                one.occurred_at,
                one.fields,
                one.marked,
                frozenset(category for of in labels for category in of),
                any(event.norm is not None for event in events),
            )

    def _released(
        self,
        direction: Direction,
        recipient: Recipient,
        member: Member,
        event: MappedEvent,
        consents: Sequence[Consent],
    ) -> Released | None:
        """What a decision would let through of the record, as it would leave the gate."""
        fields = passing(event.schema.event_type, event.payload)
        facts = facts_of(event, consents, objected=event.objected_76 or member.ref in self.objected)
        facts = replace(facts, fields={name: label for name, label in facts.fields.items() if name in fields})
        if not facts.fields:
            return None
        signed = {ref for consent in consents for ref in consent.granted_by}
        decision = decide(
            self.policy,
            Request(
                at=self.at,
                purpose=PURPOSE,
                sender=direction.sender,
                subject=member.subject(sorted(signed)),
                recipient=recipient,
                event=facts,
                consents=consents,
            ),
        )
        if decision.outcome not in ("allow", "redact"):
            return None
        return Released(
            ref=event.record_ref.hex(),
            person=member.ref,
            sender=direction.sender.controller,
            event_type=event.schema.event_type,
            occurred_at=moment(event.occurred_at),
            fields=fields,
            categories=event.categories,
            kept=decision.kept,
            obliged=obliged_categories(decision.obligations),
            marked=decision.marked,
        )


def _worker(direction: Direction, consents: Sequence[Consent]) -> str | None:
    """The one worker whom these consents name, if they do."""
    named = {
        worker
        for consent in consents
        if direction.recipient in consent.recipients
        for worker in consent.recipient_workers
    }
    return named.pop() if len(named) == 1 else None
