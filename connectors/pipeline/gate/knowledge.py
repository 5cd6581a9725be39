"""What the agency's gate knows: own consents and control data, and the hub's register. In memory only.

The request to the policy is built the same way for every consent: whether it is signed was decided before (from the
register where the hub has judged it, from the agency's own control data where it has not), and the subject is described
so that this verdict is what counts. Only for entrusted data (§ 65 SGB VIII) the confider's own name stays.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime

from connectors.pipeline.gate.register import Register
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import berlin_day, moment
from hub.domain.consent import NARROWING, Consent, ScopedWithdrawal, objects_76, recorded_id
from hub.domain.identifiers import Naming
from hub.policy.control import ControlData, Custody, Statement
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES, Subject
from hub.policy.grounds import signed

SIGNED = "signed"
ENTRUSTED = "A65"
RECORDING = frozenset({"SubjectRecorded", "SubjectChanged"})


class GateKnowledge:
    """Own control events by record, and the register; asked by subject."""

    def __init__(self, agency: str, key: Naming, register: Register) -> None:
        self._agency, self._key, self.register = agency, key, register
        self._facts: dict[bytes, MappedEvent] = {}
        self._of: dict[str, set[bytes]] = defaultdict(set)
        self._grants: dict[bytes, MappedEvent] = {}
        self._withdrawals: dict[str, dict[bytes, MappedEvent]] = defaultdict(dict)
        self._members: dict[str, set[str]] = defaultdict(set)  # case → subjects
        self.objectors: frozenset[str] = frozenset()  # also those whose row is there no longer

    def learn(self, events: Iterable[MappedEvent], *, complete: bool) -> frozenset[str]:
        """Take control events in (`complete`: instead of all known, but for what narrows); the subjects concerned."""
        events = list(events)
        before = set(self._of) if complete else set()
        if complete:
            events = [*filter(_stays, self._facts.values()), *events]
            self._facts, self._of = {}, defaultdict(set)
        for event in events:
            held = self._facts.get(event.record_ref)
            if held is None or held.source_version <= event.source_version:
                self._facts[event.record_ref] = event
                self._of[event.subject_ref].add(event.record_ref)
        self._index(self._facts.values() if complete else events, complete=complete)
        return frozenset(before | {event.subject_ref for event in events})

    def forget(self, record_refs: Iterable[bytes]) -> frozenset[str]:
        """Rows that are gone: what they said is known no longer, unless it narrows."""
        known = (ref for ref in record_refs if (event := self._facts.get(ref)) and not _stays(event))
        gone = [self._facts.pop(ref) for ref in dict.fromkeys(known)]
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
                self._grants[event.record_ref] = event
            elif event.schema.event_type == "ConsentWithdrawn":
                number = recorded_id(self._agency, event.payload["consent_id"])
                self._withdrawals[number][event.record_ref] = event

    def granted_by_another(self, consent: str, record_ref: bytes) -> bool:
        """Whether another record than this one grants the consent of this pseudonym: the paper is there."""
        others = (event for ref, event in self._grants.items() if ref != record_ref)
        return any(
            event.key.consent(recorded_id(self._agency, event.payload["id"])) == consent for event in others
        )

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
        return subject_ref in self.objectors or any(
            event.schema.event_type == "ObjectionRaised"
            and objects_76(str(event.payload.get("norm") or "76"))
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

    def moments(self, subject_ref: str) -> Iterator[datetime]:
        """When time alone changes what is known of the subject: a consent begins or ends, a control record about it
        (or about a member of the family) begins to hold, somebody comes of age."""
        for consent in self._known(subject_ref):
            yield consent.granted_at
            yield from filter(None, (consent.valid_until, consent.withdrawn_at))
            yield from (part.at for part in consent.scoped_withdrawals)
        for person in {subject_ref, *self._members.get(subject_ref, ())}:
            yield from self._control(person).moments()

    def members(self, cases: Iterable[str]) -> frozenset[str]:
        """The subjects of whom control data of these cases tell, the families themselves included."""
        names = set(cases)
        return frozenset(names.union(*(self._members.get(case, ()) for case in names)))

    def judged(self, at: datetime) -> Iterable[tuple[Consent, bool]]:
        """Every consent whose sender is this agency, and whether all signed it who must at `at`."""
        for subject_ref in sorted(self.subjects()):
            yield from self._judged(subject_ref, at)

    def _judged(self, subject_ref: str, at: datetime) -> Iterable[tuple[Consent, bool]]:
        subject = self._subject(subject_ref, at)
        for consent in self._known(subject_ref):
            entry = self.register.consents.get(consent.id)
            yield consent, entry.signed if entry else signed(consent, subject, at)

    def _known(self, subject_ref: str) -> Iterable[Consent]:
        """Own consents, by their pseudonyms, and registered ones; as the hub has taken them where it has."""
        registered = {entry.consent.id: entry.consent for entry in self.register.about(subject_ref)}
        own = {one.id: one for one in self._own(subject_ref, registered)}
        for consent_id in sorted(own.keys() | registered.keys()):
            base = registered.get(consent_id) or own[consent_id]
            if consent_id in own:  # who signed it, this agency's record knows best
                mine = own[consent_id]
                base = replace(
                    base, granted_by=mine.granted_by, number=mine.number, recorded_by=mine.recorded_by
                )
            if base.sender == self._agency:
                yield self._with_withdrawals(base, registered.get(consent_id), own)

    def _own(self, subject_ref: str, registered: Mapping[str, Consent]) -> Iterable[Consent]:
        """What the agency recorded: of one number the first stands (rule 7). One that was published before numbers were
        sealed keeps the id under which the hub knows it."""
        grants = {
            event.payload["id"]: event
            for event in sorted(self._events(subject_ref), key=_latest_first)
            if event.schema.event_type == "ConsentGranted"
        }
        for number, event in grants.items():
            token = event.key.consent(number)
            told = registered.get(number)
            plain = token not in registered and told is not None and told.recorded_by in ("", self._agency)
            yield replace(consent_of(event), id=number if plain else token, recorded_by=self._agency)

    def _with_withdrawals(
        self, consent: Consent, registered: Consent | None, own: Mapping[str, Consent]
    ) -> Consent:
        """What the agency recorded and what the hub knows, the earlier moment of both."""
        whole = [consent.withdrawn_at, registered.withdrawn_at if registered else None]
        parts = list(registered.scoped_withdrawals if registered else consent.scoped_withdrawals)
        for event in self._said_of(consent, own):
            scope = _scope(event)
            if scope:
                parts.append(scope)
            else:
                whole.append(moment(event.occurred_at))
        ends = [time for time in whole if time is not None]
        return replace(consent, withdrawn_at=min(ends, default=None), scoped_withdrawals=tuple(parts))

    def _said_of(self, consent: Consent, own: Mapping[str, Consent]) -> list[MappedEvent]:
        """The withdrawals of this consent that the agency recorded: said by its subject or by who signed it, by the
        agency's own number or by office and number; of its own consents also by somebody of whom it recorded nothing
        else."""
        numbers = [f"{consent.recorded_by}:{consent.number}"]
        mine = consent.id in own
        if mine or consent.number not in {one.number for one in own.values()}:
            numbers.append(consent.number)
        authors = {consent.subject, *consent.granted_by}
        said = (event for number in numbers for event in self._withdrawals.get(number, {}).values())
        return [
            event
            for event in said
            if event.subject_ref in authors or (mine and not self._is_known(event.subject_ref))
        ]

    def _is_known(self, subject_ref: str) -> bool:
        return any(event.schema.event_type not in NARROWING for event in self._events(subject_ref))

    def _events(self, subject_ref: str) -> list[MappedEvent]:
        return [self._facts[ref] for ref in self._of.get(subject_ref, ())]

    def _control(self, subject_ref: str) -> ControlData:
        return control_data(self._agency, self._events(subject_ref))

    def _subject(self, subject_ref: str, at: datetime) -> Subject:
        control = self._control(subject_ref)
        if not (subject_ref in self._members and not control.capacities):
            return control.subject(subject_ref, at)
        return Subject(
            ref=subject_ref, birth_date=None, capable=None, custodians=tuple(self._adults(subject_ref, at))
        )

    def _adults(self, case_ref: str, at: datetime) -> list[str]:
        """For a family all its adult members sign."""
        members = ((ref, self._control(ref)) for ref in sorted(self._members[case_ref]))
        return [ref for ref, control in members if control.births and control.adult(berlin_day(at), at)]


def control_data(office: str, events: Iterable[MappedEvent]) -> ControlData:
    """What one office's control records about a person state, each from its own date on."""
    births: list[Statement[date | None]] = []
    capacities: list[Statement[bool | None]] = []
    custody: list[Custody] = []
    for event in events:
        kind, since, said = event.schema.event_type, moment(event.occurred_at), event.payload
        if kind in RECORDING:
            if said.get("birth_date"):
                births.append(Statement(office, since, said["birth_date"]))
            capacities.append(Statement(office, since, said.get("capable")))
        elif kind == "CustodyChanged":
            custody.append(Statement(office, since, tuple(said.get("custodians") or ())))
    return ControlData(tuple(births), tuple(capacities), tuple(custody))


def _stays(event: MappedEvent) -> bool:
    """A withdrawal and an objection hold, whatever becomes of their row."""
    return event.schema.event_type in NARROWING


def _latest_first(event: MappedEvent) -> int:
    return -event.source_version


def _scope(event: MappedEvent) -> ScopedWithdrawal | None:
    """The part that a recorded withdrawal takes back, or None for all of it; a dimension that holds anything unknown is
    withdrawn wholly."""
    scope = event.payload.get("scope") or {}
    dimensions = {name: frozenset(codes or ()) for name, codes in scope.items()}
    for name, known in (("purposes", CONSENT_PURPOSES), ("categories", CATEGORIES)):
        if not dimensions.get(name, frozenset()) <= known:
            dimensions[name] = frozenset()
    return ScopedWithdrawal(at=moment(event.occurred_at), **dimensions) if any(dimensions.values()) else None


def consent_of(event: MappedEvent) -> Consent:
    """The consent as the agency recorded it; what is not recorded does not count for it."""
    p = event.payload
    return Consent(
        id=p["id"],
        subject=event.subject_ref,
        granted_by=tuple(p.get("granted_by") or ()),
        sender=p["sender"],
        recipients=frozenset(p.get("recipients") or ()),
        recipient_workers=frozenset(p.get("recipient_workers") or ()),
        purposes=frozenset(p.get("purposes") or ()),
        categories=frozenset(p.get("categories") or ()),
        form=p.get("form") or "",
        explicit_special=p.get("explicit_special") is True,
        notices=frozenset(p.get("notices") or ()),
        text_version=p.get("text_version") or "",
        proof_hash=p.get("proof_hash") or "",
        granted_at=p["granted_at"],
        valid_until=p.get("valid_until"),
        withdrawn_at=p.get("withdrawn_at"),
        number=p["id"],
    )


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
