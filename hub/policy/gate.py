"""The question that egress and admission ask (protocol rule 11).

Would any declared recipient role keep this field, if its worker were assigned? The real worker, assignment and moment
are judged at disclosure alone. It asks `decide` for each role; there is no second implementation of the policy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.policy.decide import decide
from hub.policy.facts import EventFacts, NormGround, Recipient, Request, Sender, Subject
from hub.policy.load import Policy

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
        """Judge one event for every role outside the sender's own controller, and stop once all is kept."""
        kept: set[str] = set()
        dropped: dict[str, str] = {}
        held = False
        waiting: set[str] = set()
        would: set[str] = set()
        for request in self._requests(sender, subject, event, consents, at):
            decision = decide(self.policy, request)
            if decision.outcome == "hold":
                held = True
                waiting.update(name for name, rule in decision.dropped.items() if rule in HOLDS)
                would.update(decision.kept)
            else:
                kept.update(decision.kept)
            for name, rule in decision.dropped.items():
                if decision.outcome == "hold" or name not in dropped:
                    dropped[name] = rule
            if len(kept) == len(event.fields):
                break
        left = {name: dropped.get(name, "R02") for name in event.fields if name not in kept}
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
