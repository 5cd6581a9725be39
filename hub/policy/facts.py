"""What a decision is made from: frozen values without defaults, so that nothing unset can match.

The names and meanings are those of the request in the decide contract. A value that could not be read is
`Incomplete`, which is decided too: it denies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from hub.domain.consent import Consent

PURPOSES = frozenset(
    {
        "joint_case_management",
        "benefit_administration",
        "cost_contribution",
        "sanction_control",
        "planning",
        "subject_access",
        "danger_protection",
    }
)
CONSENT_PURPOSES = PURPOSES | {"evaluation", "look_back"}
"""A consent may also cover evaluation and look-back, which publish figures and are no purpose of a request."""

CATEGORIES = frozenset(
    {
        "ID",
        "HH",
        "FK",
        "TM",
        "LS",
        "LB",
        "EG",
        "LM",
        "BT",
        "HS",
        "HP",
        "HI",
        "A65",
        "K8a",
        "KO",
        "G9",
        "VB",
        "IN",
    }
    | {"VG", "CT", "B68"}
)
LABELS = CATEGORIES | {""}
"""What may stand at a field; the empty label is data without category, which is never released."""

AGENCY_KINDS = frozenset({"jobcenter", "youth_welfare", "provider", "social_office"})
TASK_CLASSES = frozenset({"help", "other_task"})
FORMS = frozenset({"written", "electronic", "oral"})

ROLE_KINDS: Mapping[str, frozenset[str]] = {
    "jc_case_manager": frozenset({"jobcenter"}),
    "jc_benefits": frozenset({"jobcenter"}),
    "ja_asd": frozenset({"youth_welfare"}),
    "ja_wjh": frozenset({"youth_welfare"}),
    "ja_intake": frozenset({"youth_welfare"}),
    "provider_worker": frozenset({"provider"}),
    "office_clerk": frozenset({"social_office"}),
    "coordinator": AGENCY_KINDS,
    "controlling": AGENCY_KINDS,
    "subject": frozenset({"subject"}),
}
"""Where each role can sit. A coordinator may sit in a joint team or with a third party, controlling anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The agency whose data it is."""

    controller: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who would see it: a role in a controller, and the worker where somebody must be named."""

    controller: str
    kind: str
    role: str
    worker: str | None = field(repr=False)
    assigned: bool
    undertaking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The person, or the family (no birth date; its adult members stand in `custodians`)."""

    ref: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    capable: bool | None = field(repr=False)
    custodians: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGround:
    """The consents that the event refers to; no other consent is looked at."""

    consents: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormGround:
    """A power to transmit, with the task it serves and the caseworker who attested the need (§ 69(1) SGB X)."""

    norm: str
    task_norm: str
    attested_by: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """What the policy may know of an event: labels and circumstances, never content.

    `fields` maps field name → category code, `""` for a field without label.
    """

    type: str
    fields: Mapping[str, str]
    ground: ConsentGround | NormGround
    entrusted_by: str | None = field(repr=False)
    source_203: bool
    objected_76: bool
    task_class: str | None
    connection: date | None
    merges_with: str | None
    endangers_help: bool
    addressee: str | None
    disputed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to the policy; every attribute is known, `None` only where "known to be absent" is a fact."""

    at: datetime
    purpose: str
    sender: Sender
    recipient: Recipient
    subject: Subject
    event: EventFacts
    consents: Sequence[Consent]

    @property
    def gap(self) -> str | None:
        """The first key whose value is no known code, or empty fields: what a reader of JSON would have refused."""
        role = self.recipient.role
        if self.purpose not in PURPOSES:
            return "purpose"
        if self.recipient.kind not in ROLE_KINDS.get(role, ()) or (
            role == "subject" and self.purpose != "subject_access"
        ):
            return "recipient.role"
        fields = self.event.fields
        return None if fields and LABELS.issuperset(fields.values()) else "event.fields"

    @property
    def inside(self) -> bool:
        """Within one controller nothing is transmitted (§ 67(4) SGB X: the functional unit)."""
        return self.sender.controller == self.recipient.controller


@dataclass(frozen=True, slots=True, kw_only=True)
class DangerRequest:
    """The little that danger protection asks (§ 8a SGB VIII, § 4 KKG): nothing else may delay a report."""

    sender_kind: str
    role: str
    assigned: bool
    event_type: str
    fields: Mapping[str, str]

    @classmethod
    def of(cls, request: Request) -> "DangerRequest":
        return cls(
            sender_kind=request.sender.kind,
            role=request.recipient.role,
            assigned=request.recipient.assigned,
            event_type=request.event.type,
            fields=request.event.fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """A request that could not be read: the first offending key, and the field names that could be."""

    key: str
    fields: tuple[str, ...]
