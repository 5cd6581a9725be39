"""What a family can say yes to at all: the categories that a consent opens for some role of the recipient. Pure.

Asked of the policy with a made-up record of each category, so that the form never offers what a signature cannot open,
and never leaves out what it can. What somebody confided (§ 65 SGB VIII) has a form of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.domain.consent import ALL_NOTICES, Consent
from hub.policy.compiled import Policy
from hub.policy.decide import decide
from hub.policy.facts import ConsentGround, EventFacts, Recipient, Request, Sender, Subject
from hub.policy.gate import Declared

ORDER = ("ID", "HH", "FK", "TM", "HS", "HP", "LS", "LB", "LM", "EG", "BT", "VB", "IN", "VG", "G9")
"""The categories in the order in which a family reads them; what is not here is never offered."""

HELD: Mapping[str, frozenset[str]] = {
    "jobcenter": frozenset({"ID", "HH", "FK", "TM", "LS", "LB", "LM", "EG", "BT", "VB", "IN", "VG", "G9"}),
    "youth_welfare": frozenset({"ID", "HH", "FK", "TM", "HS", "HP", "VB", "IN", "VG", "G9"}),
    "provider": frozenset({"ID", "FK", "TM", "EG", "HS", "VB", "IN", "VG"}),
    "social_office": frozenset({"ID", "FK", "VG"}),
}
"""What an agency of a kind has on file (the catalogue's publishers): nobody is asked about what is not there."""

PURPOSE = "joint_case_management"
_ANYBODY = Subject(ref="(anybody)", birth_date=None, capable=None, custodians=("(signed)",))


@dataclass(frozen=True, slots=True)
class Direction:
    """From one agency to another: one consent per person."""

    sender: Sender
    recipient: str
    kind: str
    roles: tuple[Declared, ...]

    @property
    def key(self) -> str:
        return f"{self.sender.controller}>{self.recipient}"


def recipient_of(role: Declared, worker: str | None) -> Recipient:
    """The role with its worker assigned."""
    return Recipient(
        controller=role.controller,
        kind=role.kind,
        role=role.role,
        worker=worker,
        assigned=True,
        undertaking=role.undertaking,
    )


def offered(policy: Policy, direction: Direction, at: datetime) -> tuple[str, ...]:
    """The categories of this direction, in the family's order."""
    opened: set[str] = set()
    for role in direction.roles:
        opened.update(_opened(policy, direction, role, at))
    return tuple(code for code in ORDER if code in opened & HELD[direction.sender.kind])


def _opened(policy: Policy, direction: Direction, role: Declared, at: datetime) -> Sequence[str]:
    """What a perfect consent opens to this role that no consent leaves closed."""
    consent = _perfect(direction, at)
    fields = {code: code for code in ORDER}
    event = EventFacts(
        type="",
        fields=fields,
        ground=ConsentGround(consents=frozenset({consent.id})),
        entrusted_by=None,
        source_203=False,
        objected_76=False,
        task_class=None,
        connection=None,
        merges_with=None,
        endangers_help=False,
        addressee=direction.recipient,
        disputed=frozenset(),
    )
    request = Request(
        at=at,
        purpose=PURPOSE,
        sender=direction.sender,
        recipient=recipient_of(role, "(named)"),
        subject=_ANYBODY,
        event=event,
        consents=(consent,),
    )
    return decide(policy, request).kept


def _perfect(direction: Direction, at: datetime) -> Consent:
    return Consent(
        id="(any)",
        subject=_ANYBODY.ref,
        granted_by=_ANYBODY.custodians,
        sender=direction.sender.controller,
        recipients=frozenset({direction.recipient}),
        recipient_workers=frozenset({"(named)"}),
        purposes=frozenset({PURPOSE}),
        categories=frozenset(ORDER),
        form="written",
        explicit_special=True,
        notices=ALL_NOTICES,
        text_version="(any)",
        proof_hash="(any)",
        granted_at=at - timedelta(days=1),
        valid_until=None,
        withdrawn_at=None,
    )
