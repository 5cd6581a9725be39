"""Redaction: what one recipient may see of one joint case at one moment, person by person. Pure.

Each person is judged separately; those of whom nothing may be shown are absent, and nothing else in the view (count,
order, totals) tells whether they exist (domain D). A field on hold hides its whole entry. The list of withheld
categories must not betray what exists either: the policy is asked with a made-up record of each category, once with
the consents there are and once with one that names everything. A65, K8a, B68 and CT are never named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hub.domain.agencies import Agency
from hub.domain.clock import moment
from hub.domain.consent import ALL_NOTICES, Consent
from hub.domain.envelope import Envelope
from hub.policy.compiled import Policy
from hub.policy.decide import decide
from hub.policy.decision import Decision
from hub.policy.facts import CATEGORIES, ConsentGround, EventFacts, Recipient, Request, Sender, Subject
from hub.policy.grounds import counts
from hub.policy.reduce import STARTS, Released, Shown, obliged_categories, view
from hub.sealed.boxes import Content
from hub.store.evidence import FieldsGround
from hub.subjects.facts import confider, event_facts, signature
from hub.subjects.knowledge import Knowledge
from schemas import to_json

NEVER_NAMED = frozenset({"A65", "K8a", "B68", "CT"})
_ANYBODY = Subject(ref="(anybody)", birth_date=None, capable=None, custodians=("signed",))
Openable = dict[tuple[str, str, str | None, bool, str, str], frozenset[str]]
_ASKED = {category: category for category in sorted(CATEGORIES - NEVER_NAMED)}


def withheld_categories(
    policy: Policy,
    recipient: Recipient,
    purpose: str,
    at: datetime,
    senders: Iterable[Agency],
    knowledge: Knowledge,
    openable_by: Openable,
) -> tuple[str, ...]:
    """The categories of this person that a consent would open to this recipient, and that nothing opens now.

    A consent would open the same for everybody, so `openable_by` keeps the answer while one recipient is served.
    """
    openable: set[str] = set()
    opened: set[str] = set()
    for sender in senders:
        ask = _Asker(policy, recipient, purpose, at, sender)
        same = (
            recipient.controller,
            recipient.role,
            recipient.worker,
            recipient.assigned,
            purpose,
            sender.id,
        )
        if same not in openable_by:
            openable_by[same] = frozenset(ask(_ANYBODY, (ask.perfect(),)))
        openable |= openable_by[same]
        opened |= ask(knowledge.subject(at), knowledge.consents_at(at))
    return tuple(sorted(openable - opened))


class _Asker:
    def __init__(
        self, policy: Policy, recipient: Recipient, purpose: str, at: datetime, sender: Agency
    ) -> None:
        self._policy, self._recipient, self._purpose, self._at, self._sender = (
            policy,
            recipient,
            purpose,
            at,
            sender,
        )

    def __call__(self, subject: Subject, consents: Sequence[Consent]) -> set[str]:
        consents = tuple(replace(consent, subject=subject.ref) for consent in consents)
        event = EventFacts(
            type="",
            fields=_ASKED,
            ground=ConsentGround(consents=frozenset(consent.id for consent in consents)),
            entrusted_by=None,
            source_203=False,
            objected_76=False,
            task_class=None,
            connection=None,
            merges_with=None,
            endangers_help=False,
            addressee=self._recipient.controller,
            disputed=frozenset(),
        )
        request = Request(
            at=self._at,
            purpose=self._purpose,
            sender=Sender(controller=self._sender.id, kind=self._sender.kind),
            recipient=self._recipient,
            subject=subject,
            event=event,
            consents=consents,
        )
        return set(decide(self._policy, request).kept)

    def perfect(self) -> Consent:
        """A consent that names everything, for the sake of the question only."""
        return Consent(
            id="(any)",
            subject="",
            granted_by=("signed",),
            sender=self._sender.id,
            recipients=frozenset({self._recipient.controller}),
            recipient_workers=frozenset({self._recipient.worker} if self._recipient.worker else ()),
            purposes=frozenset({self._purpose}),
            categories=frozenset(_ASKED),
            form="written",
            explicit_special=True,
            notices=ALL_NOTICES,
            text_version="(any)",
            proof_hash="(any)",
            granted_at=self._at - timedelta(days=1),
            valid_until=None,
            withdrawn_at=None,
        )


class Evidence(NamedTuple):
    """One record of the joint case, opened."""

    record_ref: str
    subject: str
    envelope: Envelope
    content: Content

    def __repr__(self) -> str:
        return f"Evidence({self.record_ref})"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is shown of one record."""

    event_type: str
    record_ref: str
    occurred_at: datetime
    fields: Mapping[str, Any] = field(repr=False)
    marked: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.event_type,
            "id": self.record_ref,
            "occurred_at": self.occurred_at.isoformat(),
            "fields": to_json(self.fields),
            "marked": list(self.marked),
        }


@dataclass(frozen=True, slots=True)
class ViewPart:
    """What is shown of one person from one sender, and on which grounds; `consents` are those that count for it, and
    `covered` tells field by field what it rests on.

    `unreadable`: how many more records this recipient might see, which do not open although their key is there. A part
    may consist of such records alone; then it releases nothing, and says that something is missing.
    """

    person: str
    sender: str
    entries: tuple[Entry, ...]
    grounds: tuple[str, ...]
    fields: tuple[str, ...]
    consents: tuple[Consent, ...] = ()
    covered: tuple[FieldsGround, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class RedactedView:
    """The view: its parts in order of person and sender, and what is withheld of the persons in it."""

    parts: tuple[ViewPart, ...]
    withheld: Mapping[str, tuple[str, ...]]


NOTHING = RedactedView((), {})


@dataclass(frozen=True, slots=True)
class Question:
    """Who looks, why, and when."""

    recipient: Recipient
    purpose: str
    at: datetime
    openable: Openable = field(default_factory=dict, repr=False, compare=False)


def redact(
    policy: Policy,
    agencies: Mapping[str, Agency],
    question: Question,
    evidence: Sequence[Evidence],
    known: Mapping[str, Knowledge],
    names: Mapping[str, str],
    *,
    beside: str = "",
) -> RedactedView:
    """Decide every record for this recipient, then reduce what remains (`hub.policy.reduce`).

    `beside`: an agency whose records the recipient has in its own system; they count (an acknowledgement shows where
    its start is known) and are not listed.
    """
    redactor = _Redactor(policy, agencies, question, known, names)
    counting = [source for source in evidence if not _is_aside(source, beside)]
    released = {one.ref: (one, source) for source in counting if (one := redactor.released(source))}
    shown = list(view((one for one, _ in released.values()), question.recipient))
    unreadable = [
        source
        for source in counting
        if source.envelope.controller_id != beside and redactor.is_unreadable(source)
    ]
    parts = redactor.parts(shown, released, beside, unreadable)
    return RedactedView(parts, _withheld(policy, agencies, question, parts, known))


Sources = Mapping[str, tuple[Released, Evidence]]


@dataclass(frozen=True, slots=True)
class _Redactor:
    """One question to many records; equal records of one subject are decided once."""

    policy: Policy
    agencies: Mapping[str, Agency]
    question: Question
    known: Mapping[str, Knowledge]
    names: Mapping[str, str]
    decided: dict[object, tuple[Decision, Request]] = field(default_factory=dict)

    def released(self, one: Evidence) -> Released | None:
        """What the decision lets through of this record, if anything."""
        if one.content.state != "open" or not self._may_see(one):
            return None
        decision, _ = self._decision(one)
        return Released(
            ref=one.record_ref,
            person=self.known[one.subject].person,
            sender=one.envelope.controller_id,
            event_type=one.envelope.event_type,
            occurred_at=moment(one.envelope.occurred_at),
            fields=one.content.fields,
            categories=one.envelope.fields,
            kept=decision.kept,
            obliged=obliged_categories(decision.obligations),
            marked=decision.marked,
        )

    def is_unreadable(self, one: Evidence) -> bool:
        """Whether the record does not open although its key is there, and this recipient might see something of it.
        Decided by the envelope like a readable one, so that it tells no more than the record itself would."""
        return one.content.state == "unsealed" and self._may_see(one)

    def _may_see(self, one: Evidence) -> bool:
        if not is_joint(self.question, one, self.known[one.subject]):
            return False
        return self._decision(one)[0].outcome in ("allow", "redact")

    def parts(
        self, shown: Iterable[Shown], sources: Sources, beside: str, unreadable: Iterable[Evidence]
    ) -> tuple[ViewPart, ...]:
        """The entries by person and sender, and how many records beside them could not be opened."""
        found: dict[tuple[str, str], list[Shown]] = {}
        for one in shown:
            if one.sender != beside:
                found.setdefault((one.person, one.sender), []).append(one)
        closed: dict[tuple[str, str], list[Evidence]] = {}
        for source in unreadable:
            key = self.known[source.subject].person, source.envelope.controller_id
            closed.setdefault(key, []).append(source)
        return tuple(
            self._part(*key, found.get(key, ()), sources, closed.get(key, ()))
            for key in sorted(found.keys() | closed.keys())
        )

    def _part(
        self, person: str, sender: str, shown: Sequence[Shown], sources: Sources, closed: Sequence[Evidence]
    ) -> ViewPart:
        behind = [sources[record.ref][1] for one in shown for record in one.behind]
        return ViewPart(
            person,
            sender,
            tuple(Entry(one.event_type, one.ref, one.occurred_at, one.fields, one.marked) for one in shown),
            tuple(sorted({ground for one in behind for ground in _grounds(one.envelope)})),
            tuple(sorted({f"{one.event_type}.{name}" for one in shown for name in one.fields})),
            tuple(
                {consent.id: consent for one in [*behind, *closed] for consent in self._behind(one)}.values()
            ),
            tuple(_covered(shown, sources)),
            len(closed),
        )

    def _behind(self, one: Evidence) -> Iterable[Consent]:
        """The consents that count for what is kept of a shown record."""
        decision, request = self._decision(one)
        kept = {one.envelope.fields[name] for name in decision.kept}
        return [c for c in request.consents if any(counts(c, category, request) for category in kept)]

    def _decision(self, one: Evidence) -> tuple[Decision, Request]:
        asked = (one.subject, signature(one.envelope))
        if asked not in self.decided:
            knowledge = self.known[one.subject]
            request = request_of(self.agencies, self.question, one.envelope, knowledge, self.names)
            self.decided[asked] = decide(self.policy, request), request
        return self.decided[asked]


def _is_aside(one: Evidence, beside: str) -> bool:
    """Whether it is a record of that agency on which nothing else in the view depends."""
    return one.envelope.controller_id == beside and one.envelope.event_type not in STARTS


def is_joint(question: Question, one: Evidence, knowledge: Knowledge) -> bool:
    """Across controllers only whom both know as one person: unlinked or split, nobody is shown (fail closed)."""
    if one.envelope.controller_id == question.recipient.controller:
        return True
    return not knowledge.split and (knowledge.family or knowledge.linked)


def request_of(
    agencies: Mapping[str, Agency],
    question: Question,
    envelope: Envelope,
    knowledge: Knowledge,
    names: Mapping[str, str],
) -> Request:
    """What the policy is asked about one record for this recipient."""
    return Request(
        at=question.at,
        purpose=question.purpose,
        sender=Sender(controller=envelope.controller_id, kind=agencies[envelope.controller_id].kind),
        recipient=question.recipient,
        subject=knowledge.subject(question.at),
        event=event_facts(envelope, knowledge, question.at, confider(envelope, names)),
        consents=knowledge.consents_at(question.at),
    )


def _grounds(envelope: Envelope) -> Sequence[str]:
    norm = _norm(envelope)
    return (norm,) if norm else envelope.consents


def _norm(envelope: Envelope) -> str | None:
    return f"{envelope.norm}: {envelope.task_norm}" if envelope.norm else None


def _covered(shown: Iterable[Shown], sources: Sources) -> Iterable[FieldsGround]:
    """Each shown field with the label and ground of every record behind it; what rests on the same is told once."""
    fields: defaultdict[tuple[str, str | None, tuple[str, ...]], set[str]] = defaultdict(set)
    for one in shown:
        for record in one.behind:
            envelope = sources[record.ref][1].envelope
            norm, consents = _norm(envelope), () if envelope.norm else tuple(envelope.consents)
            for name, category in record.labels(one.fields).items():
                fields[category, norm, consents].add(f"{one.event_type}.{name}")
    for (category, norm, consents), names in sorted(
        fields.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2])
    ):
        yield FieldsGround(category, tuple(sorted(names)), consents, norm)


def _withheld(
    policy: Policy,
    agencies: Mapping[str, Agency],
    question: Question,
    parts: Sequence[ViewPart],
    known: Mapping[str, Knowledge],
) -> dict[str, tuple[str, ...]]:
    """Follows from matrix and consents alone, never from the data that exist."""
    if question.recipient.role == "subject":
        return {}
    by_person = {knowledge.person: knowledge for knowledge in known.values()}
    others = [agency for agency in agencies.values() if agency.id != question.recipient.controller]
    shown = sorted({part.person for part in parts})
    return {
        person: withheld_categories(
            policy,
            question.recipient,
            question.purpose,
            question.at,
            others,
            by_person[person],
            question.openable,
        )
        for person in shown
    }
