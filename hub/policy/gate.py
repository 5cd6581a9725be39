"""The question that egress and admission ask (protocol rule 11).

Would any declared recipient role keep this field, if its worker were assigned? The real worker, assignment and moment
are judged at disclosure alone. It asks `decide` for each role, and `reduce` whether the role could see the record at
all; there is no second implementation of the policy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.policy.decide import decide
from hub.policy.decision import Decision
from hub.policy.facts import EventFacts, NormGround, Recipient, Request, Sender, Subject
from hub.policy.load import Policy
from hub.policy.nearly import Nearly
from hub.policy.reduce import (
    EVIDENCE,
    NEEDLESS,
    Released,
    dropped,
    needed_for_total,
    obliged_categories,
    visible,
)

_ASKED = ("joint_case_management", "cost_contribution", "benefit_administration")


@dataclass(frozen=True, slots=True)
class Declared:
    """A role that may receive joint views."""

    controller: str
    kind: str
    role: str
    undertaking: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`kept`: fields that some recipient could see; `dropped`: the others, with the rule that the first role named.

    `rule` is the first rule when nothing is kept; `held`: nothing is kept, but a person could release something.
    `waiting`: fields that are on hold for somebody and seen by nobody; `would`: those that would go but for them.
    """

    kept: frozenset[str]
    dropped: Mapping[str, str]
    rule: str
    held: bool
    waiting: frozenset[str] = frozenset()
    would: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gate:
    """The policy together with the roles that agencies declared."""

    policy: Policy
    declared: tuple[Declared, ...]

    def mark(self, at: datetime) -> str:
        """Names what holds at a moment; when it changes, what was judged before is judged again."""
        return self.policy.mark(berlin_day(at))

    def judge(
        self, sender: Sender, subject: Subject, event: EventFacts, consents: Sequence[Consent], at: datetime
    ) -> Verdict:
        """Judge an event by its labels alone, for every role outside the sender's own controller."""
        return self._judge(self._requests(sender, subject, event, consents, at), event, None)

    def nearly(
        self, sender: Sender, subject: Subject, event: EventFacts, consents: Sequence[Consent], at: datetime
    ) -> tuple[Nearly, ...]:
        """The consents that lack least, for every declared role that gets less than all; for people only."""
        asked = self._requests(sender, subject, event, consents, at)
        found = {one: None for request in asked for one in decide(self.policy, request).nearly}
        return tuple(found)

    def judge_record(
        self,
        sender: Sender,
        subject: Subject,
        event: EventFacts,
        consents: Sequence[Consent],
        at: datetime,
        content: Mapping[str, Any],
    ) -> Verdict:
        """Judge one record with what it says: by its labels, and by what a reduced or own cell shows of it.

        Free text never passes (R08). What some role keeps stays only if a declared recipient could see the record, in a
        view that shows its start; a rule that asks what else is in a view is the view's alone.
        """
        text = dropped(event.type, {name: content[name] for name in event.fields if name in content})
        fields = {name: label for name, label in event.fields.items() if name not in text}
        if text and not fields:
            return Verdict(frozenset(), text, next(iter(text.values())), held=False)
        event = replace(event, fields=fields)
        found = self._judge(self._requests(sender, subject, event, consents, at), event, content)
        return replace(found, dropped={**found.dropped, **text}) if text else found

    def _judge(
        self, requests: Iterable[Request], event: EventFacts, content: Mapping[str, Any] | None
    ) -> Verdict:
        """Ask role by role, and stop once all is kept."""
        kept: set[str] = set()
        partly: list[_Candidate] = []
        gone: dict[str, str] = {}
        held = False
        waiting: set[str] = set()
        would: set[str] = set()
        for request in requests:
            decision = decide(self.policy, request)
            if decision.outcome == "hold":
                held = True
                waiting.update(name for name, rule in decision.dropped.items() if rule in HOLDS)
                would.update(decision.kept)
            elif content is None:
                kept.update(decision.kept)
            elif decision.kept:
                candidate = _candidate(request, decision, content)
                if candidate.record.obliged or EVIDENCE.issuperset(decision.kept):
                    partly.append(candidate)
                else:
                    kept.update(decision.kept)
            for name, rule in decision.dropped.items():
                if decision.outcome == "hold" or name not in gone:
                    gone[name] = rule
            if len(kept) == len(event.fields):
                break
        if partly and content is not None:
            asked = {name for one in partly for name in one.record.kept}
            kept = _sent(kept, partly, content)
            gone |= dict.fromkeys(asked - kept, NEEDLESS)
        left = {name: gone.get(name, "R02") for name in event.fields if name not in kept}
        rule = "" if kept else next((rule for rule in left.values() if not held or rule in HOLDS), "R02")
        return Verdict(
            frozenset(kept),
            left,
            rule,
            held and not kept,
            frozenset(waiting - kept),
            frozenset(would - waiting),
        )

    def _requests(
        self, sender: Sender, subject: Subject, event: EventFacts, consents: Sequence[Consent], at: datetime
    ) -> Iterator[Request]:
        purposes = _purposes(event, consents)
        for to in self.declared:
            if to.controller == sender.controller:
                continue
            for worker in _workers(to.controller, consents):
                recipient = Recipient(
                    controller=to.controller,
                    kind=to.kind,
                    role=to.role,
                    worker=worker,
                    assigned=True,
                    undertaking=to.undertaking,
                )
                for purpose in purposes:
                    yield Request(
                        at=at,
                        purpose=purpose,
                        sender=sender,
                        recipient=recipient,
                        subject=subject,
                        event=event,
                        consents=consents,
                    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A recipient with a reduced cell, and the record as the decision lets it through to them."""

    recipient: Recipient
    record: Released

    @property
    def sent(self) -> frozenset[str]:
        """The fields that must leave for this recipient."""
        return frozenset(self.record.kept) | needed_for_total(self.record, self.recipient.role)


def _candidate(request: Request, decision: Decision, content: Mapping[str, Any]) -> _Candidate:
    record = Released(
        ref="",
        person=request.subject.ref,
        sender=request.sender.controller,
        event_type=request.event.type,
        occurred_at=request.at,
        fields=content,
        categories=request.event.fields,
        kept=decision.kept,
        obliged=obliged_categories(decision.obligations),
    )
    return _Candidate(request.recipient, record)


def _sent(kept: set[str], candidates: Sequence[_Candidate], content: Mapping[str, Any]) -> set[str]:
    """What leaves for those who could see the record. A code that is compared must be among what leaves, as the hub
    has nothing else to compare; so who depends on it goes with it."""
    while True:
        sent = kept.union(*(one.sent for one in candidates))
        left = {name: value for name, value in content.items() if name in sent}
        seeing = [one for one in candidates if visible(replace(one.record, fields=left), one.recipient)]
        if len(seeing) == len(candidates):
            return sent
        candidates = seeing


HOLDS = frozenset({"R06", "R09", "R16", "R17"})


def _purposes(event: EventFacts, consents: Sequence[Consent]) -> Sequence[str]:
    if isinstance(event.ground, NormGround):
        return _ASKED[:2]
    named = {
        purpose for consent in consents if consent.id in event.ground.consents for purpose in consent.purposes
    }
    return [purpose for purpose in _ASKED if purpose in named] or _ASKED[:1]


def _workers(controller: str, consents: Sequence[Consent]) -> Iterable[str | None]:
    named = {
        worker
        for consent in consents
        if controller in consent.recipients
        for worker in consent.recipient_workers
    }
    return [*sorted(named), None] if named else (None,)


def declared_roles(agencies: Iterable[Agency]) -> tuple[Declared, ...]:
    """Every role of every agency that may receive joint views."""
    return tuple(
        Declared(agency.id, agency.kind, role, agency.undertaking)
        for agency in agencies
        for role in agency.roles
    )
