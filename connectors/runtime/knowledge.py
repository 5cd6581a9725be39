"""What the agency's gate knows: own consents and control data, and the hub's register. In memory only.

The request to the policy is built the same way for every consent: whether it is signed was decided before (from the
register where the hub has judged it, from the agency's own control data where it has not), and the subject is described
so that this verdict is what counts. Only for entrusted data (§ 65 SGB VIII) the confider's own name stays.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime

from connectors.runtime.mapped import MappedEvent
from connectors.runtime.register import Register
from hub.domain.clock import berlin_day, moment
from hub.domain.consent import Consent, ScopedWithdrawal
from hub.domain.identifiers import Naming
from hub.policy.facts import Subject
from hub.policy.grounds import MAJORITY, age_on, signed

SIGNED = "signed"
ENTRUSTED = "A65"
OBJECTION = "76"


class Knowledge:
    """Own control events by record, and the register; asked by subject."""

    def __init__(self, agency: str, key: Naming, register: Register) -> None:
        self._agency, self._key, self.register = agency, key, register
        self._facts: dict[bytes, MappedEvent] = {}
        self._of: dict[str, set[bytes]] = defaultdict(set)
        self._grants: dict[str, MappedEvent] = {}
        self._withdrawals: dict[str, dict[bytes, MappedEvent]] = defaultdict(dict)
        self._members: dict[str, set[str]] = defaultdict(set)  # case → subjects

    def learn(self, events: Iterable[MappedEvent], *, complete: bool) -> frozenset[str]:
        """Take control events in (`complete`: instead of all known); the subjects concerned."""
        events = list(events)
        before = set(self._of) if complete else set()
        if complete:
            self._facts, self._of = {}, defaultdict(set)
        for event in events:
            self._facts[event.record_ref] = event
            self._of[event.subject_ref].add(event.record_ref)
        self._index(self._facts.values() if complete else events, complete=complete)
        return frozenset(before | {event.subject_ref for event in events})

    def forget(self, record_refs: Iterable[bytes]) -> frozenset[str]:
        """Rows that are gone: what they said is known no longer."""
        gone = [event for ref in record_refs if (event := self._facts.pop(ref, None))]
        for event in gone:
            self._of[event.subject_ref].discard(event.record_ref)
        if gone:
            self._index(self._facts.values(), complete=True)
        return frozenset(event.subject_ref for event in gone)

    def _index(self, events: Iterable[MappedEvent], *, complete: bool) -> None:
        if complete:
            self._grants, self._withdrawals, self._members = {}, defaultdict(dict), defaultdict(set)
        for event in events:
            self._members[event.case_ref].add(event.subject_ref)
            if event.schema.event_type == "ConsentGranted":
                self._grants[event.payload["id"]] = event
            elif event.schema.event_type == "ConsentWithdrawn":
                self._withdrawals[event.payload["consent_id"]][event.record_ref] = event

    def subjects(self) -> frozenset[str]:
        """Everybody about whom anything is known."""
        registered = {entry.consent.subject for entry in self.register.consents.values()}
        return frozenset(self._of) | registered | frozenset(self.register.key_versions)

    def cases(self, subject_ref: str) -> frozenset[str]:
        return frozenset(self._facts[ref].case_ref for ref in self._of.get(subject_ref, ()))

    def consented_cases(self) -> frozenset[str]:
        """The cases in which at least one consent is known, own or registered, or whose family is linked by a
        joint form; control data of no other leaves."""
        own = {event.case_ref for event in self._grants.values()}
        told = {entry.consent.subject for entry in self.register.consents.values()}
        return frozenset(own.union(self.register.joint, *map(self.cases, told)))

    def objected(self, subject_ref: str) -> bool:
        """§ 76(2) SGB X: an objection holds for all records of the subject."""
        return any(
            event.schema.event_type == "ObjectionRaised" and OBJECTION in str(event.payload.get("norm", ""))
            for event in self._events(subject_ref)
        )

    def consents(self, subject_ref: str, at: datetime) -> tuple[Consent, ...]:
        """The subject's consents whose sender is this agency, each signed by `SIGNED` or by nobody."""
        found: list[Consent] = []
        for consent, valid in self._judged(subject_ref, at):
            if ENTRUSTED in consent.categories:
                found.append(replace(consent, categories=frozenset({ENTRUSTED})))
            rest = consent.categories - {ENTRUSTED}
            if rest:
                found.append(replace(consent, categories=rest, granted_by=(SIGNED,) if valid else ()))
        return tuple(found)

    def signature(self, subject_ref: str, at: datetime, consented: frozenset[str], policy: str) -> bytes:
        """A keyed hash of all that decides what may pass for this subject: when it changes, judge again. `policy` names
        what the policy says on that day."""
        consents = sorted(
            (consent.id, valid, consent.in_force(at), _shape(consent))
            for consent, valid in self._judged(subject_ref, at)
        )
        cases = self.cases(subject_ref)
        parts = (
            consents,
            sorted(cases),
            sorted(cases & consented),
            self.objected(subject_ref),
            self.register.key_versions.get(subject_ref, 0),
            policy,
        )
        return self._key.row_hash(repr(parts).encode())

    def boundaries(self) -> Mapping[str, tuple[datetime, ...]]:
        """Subject → the moments at which one of its consents begins or ends by time alone."""
        moments: dict[str, tuple[datetime, ...]] = {}
        for subject in self.subjects():
            times = [(c.granted_at, c.valid_until) for c in self._known(subject)]
            moments[subject] = tuple(time for pair in times for time in pair if time is not None)
        return moments

    def _judged(self, subject_ref: str, at: datetime) -> Iterable[tuple[Consent, bool]]:
        subject = self._subject(subject_ref, berlin_day(at))
        for consent in self._known(subject_ref):
            entry = self.register.consents.get(consent.id)
            yield consent, entry.signed if entry else signed(consent, subject, at)

    def _known(self, subject_ref: str) -> Iterable[Consent]:
        own = {
            e.payload["id"]: consent_of(e)
            for e in sorted(
                self._events(subject_ref), key=_latest_first
            )  # of one id the first stands (rule 7)
            if e.schema.event_type == "ConsentGranted"
        }
        registered = {entry.consent.id: entry.consent for entry in self.register.about(subject_ref)}
        for consent_id in sorted(own.keys() | registered.keys()):
            base = registered.get(consent_id) or own[consent_id]  # as the hub has taken it
            if consent_id in own:  # who signed it, this agency's record knows best
                base = replace(base, granted_by=own[consent_id].granted_by)
            if base.sender == self._agency:
                yield self._with_withdrawals(base, registered.get(consent_id))

    def _with_withdrawals(self, consent: Consent, registered: Consent | None) -> Consent:
        """What the agency recorded and what the hub knows, the earlier moment of both."""
        whole = [consent.withdrawn_at, registered.withdrawn_at if registered else None]
        parts = list(registered.scoped_withdrawals if registered else consent.scoped_withdrawals)
        for event in self._withdrawals.get(consent.id, {}).values():
            scope = event.payload.get("scope")
            if scope:
                parts.append(
                    ScopedWithdrawal(
                        at=moment(event.occurred_at), **{k: frozenset(v) for k, v in scope.items()}
                    )
                )
            else:
                whole.append(moment(event.occurred_at))
        ends = [time for time in whole if time is not None]
        return replace(consent, withdrawn_at=min(ends, default=None), scoped_withdrawals=tuple(parts))

    def _events(self, subject_ref: str) -> list[MappedEvent]:
        return [self._facts[ref] for ref in self._of.get(subject_ref, ())]

    def _latest(self, subject_ref: str, *types: str) -> MappedEvent | None:
        found = [event for event in self._events(subject_ref) if event.schema.event_type in types]
        return max(found, key=lambda event: (event.occurred_at, event.source_version), default=None)

    def _subject(self, subject_ref: str, day: date) -> Subject:
        recorded = self._latest(subject_ref, "SubjectRecorded", "SubjectChanged")
        custody = self._latest(subject_ref, "CustodyChanged")
        family = subject_ref in self._members and recorded is None
        custodians = (
            self._adults(subject_ref, day) if family else custody.payload["custodians"] if custody else ()
        )
        return Subject(
            ref=subject_ref, birth_date=recorded.payload.get("birth_date") if recorded else None,
            capable=recorded.payload.get("capable") if recorded else None, custodians=tuple(custodians),
        )  # fmt: skip

    def _adults(self, case_ref: str, day: date) -> list[str]:
        """For a family all its adult members sign."""
        born = {
            ref: self._latest(ref, "SubjectRecorded", "SubjectChanged") for ref in self._members[case_ref]
        }
        return [ref for ref, event in born.items() if event and _adult(event.payload.get("birth_date"), day)]


def _latest_first(event: MappedEvent) -> int:
    return -event.source_version


def _adult(birth_date: date | None, day: date) -> bool:
    return birth_date is not None and age_on(day, birth_date) >= MAJORITY


def consent_of(event: MappedEvent) -> Consent:
    """The consent as the agency recorded it; what is not recorded does not count for it."""
    p = event.payload
    return Consent(
        id=p["id"], subject=event.subject_ref, granted_by=tuple(p.get("granted_by") or ()), sender=p["sender"],
        recipients=frozenset(p.get("recipients") or ()), recipient_workers=frozenset(p.get("recipient_workers") or ()),
        purposes=frozenset(p.get("purposes") or ()), categories=frozenset(p.get("categories") or ()),
        form=p.get("form") or "", explicit_special=p.get("explicit_special") is True,
        notices=frozenset(p.get("notices") or ()), text_version=p.get("text_version") or "",
        proof_hash=p.get("proof_hash") or "", granted_at=p["granted_at"], valid_until=p.get("valid_until"),
        withdrawn_at=p.get("withdrawn_at"),
    )  # fmt: skip


def _shape(consent: Consent) -> str:
    parts = sorted(
        (p.at, sorted(p.purposes), sorted(p.categories), sorted(p.recipients))
        for p in consent.scoped_withdrawals
    )
    names = (
        sorted(consent.recipients),
        sorted(consent.recipient_workers),
        sorted(consent.purposes),
        sorted(consent.categories),
    )
    return repr(
        (names, consent.form, consent.explicit_special, sorted(consent.notices), consent.granted_by, parts)
    )
