"""The agency's own records of a family as they stand now, read the way its connector reads them, and sent nowhere.

What the signing table shows comes from the same mapping and the same present state (protocol rule 12) as what is
published later. The source is opened beside a running connector, to look only.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from connectors.contract import NothingKept, Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.knowledge import RECORDING, consent_of, control_data
from connectors.pipeline.gate.present_state import present_state
from connectors.pipeline.mapping.lookups import LookupIndex
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.publish.keyring import Keys, first_of
from connectors.pipeline.run.pipeline import key_hash, looking_names, source_to_look_at
from connectors.pipeline.state.state import State
from hub.domain.clock import moment
from hub.domain.consent import Consent, ScopedWithdrawal
from hub.policy.control import ControlData, Custody
from hub.policy.facts import Subject
from hub.policy.grounds import MAJORITY, age_on, signers

_NAMED = frozenset({"PersonRegistered", "PersonChanged"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person of the household as this agency knows them. `custodians` None: not known here. `control`: what the
    agency's own system states about who signs, from which date on."""

    id: str = field(repr=False)
    ref: str
    name: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    capable: bool | None = field(repr=False)
    custodians: tuple[str, ...] | None = field(repr=False)
    control: ControlData = field(default=ControlData(), repr=False)

    def with_custody(self, lists: Iterable[Custody], at: datetime) -> "Member":
        """With what the desk has recorded besides."""
        control = replace(self.control, custody=(*self.control.custody, *lists))
        held = control.subject(self.ref, at).custodians if control.custody_lists(at) else None
        return replace(self, control=control, custodians=held)

    def subject(self, assumed: Iterable[str] = ()) -> Subject:
        """For the policy; where custody is not known here, those who signed are taken for the custodians."""
        held = self.custodians if self.custodians is not None else tuple(assumed)
        return Subject(ref=self.ref, birth_date=self.birth_date, capable=self.capable, custodians=held)

    def must_sign(self, day: date) -> frozenset[str] | None:
        """Refs of all who must sign for this person; None when that is not known here (R06)."""
        return signers(self.subject(), day)

    def adult(self, day: date) -> bool:
        return self.birth_date is not None and age_on(day, self.birth_date) >= MAJORITY


@dataclass(frozen=True, slots=True)
class Household:
    """A family's case: members in order of age, their present records, and the consents of the agency's own system."""

    id: str = field(repr=False)
    ref: str
    members: tuple[Member, ...] = field(repr=False)
    records: tuple[MappedEvent, ...] = field(repr=False)
    consents: tuple[Consent, ...] = field(repr=False)

    def member(self, ref: str) -> Member | None:
        return next((one for one in self.members if one.ref == ref), None)


class OwnRecords:
    """One agency's records. Open it, ask, and close it: it keeps nobody's data."""

    def __init__(self, config: ConnectorConfig, keys: Keys) -> None:
        """Raises ConfigurationError, where keys and table of pseudonyms do not belong together too."""
        local, self._opened = first_of(keys), ExitStack()
        self._key = key = self._opened.enter_context(looking_names(config, keys))
        self._state = State(config.state, key_hash(local), alone=False)
        self._source = source_to_look_at(config, self._state, local)
        self._mapper = Mapper.of(config, key)
        self._lookups = LookupIndex(config.lookups)
        self._control = [name for name, stream in config.streams.items() if stream.control]

    def close(self) -> None:
        self._source.close()
        self._state.close()
        self._opened.close()

    def household(self, case: str, now: datetime) -> Household | None:
        """The family of this case (its pseudonym or the agency's own number); None when nobody is known in it."""
        about = self._cases()
        case_id = case if case in about else next((id_ for id_ in about if self._key.case(id_) == case), "")
        if case_id not in about:
            return None
        events = [event for event in self._events(about[case_id]) if event.case_id == case_id]
        members = tuple(_members(events, now))
        present = present_state((event for event in events if not event.control), now)
        return Household(case_id, self._key.case(case_id), members, tuple(present), tuple(_consents(events)))

    def control(self) -> list[MappedEvent]:
        """What the agency's own system says of who may be spoken of, and by which consents."""
        rows = list(self._source.control([*dict.fromkeys((*self._lookups.streams, *self._control))]).rows)
        self._lookups.take(rows, complete=True)
        told = [row for row in rows if row.stream in self._control and not row.gone]
        return [event for row in told for event in self._mapped(row, control_only=True)]

    def _cases(self) -> Mapping[str, set[str]]:
        """Case → persons, from the control data: whoever may be spoken of is in them."""
        cases: defaultdict[str, set[str]] = defaultdict(set)
        for event in self.control():
            cases[event.case_id].add(event.subject_id)
        return cases

    def _events(self, persons: Iterable[str]) -> list[MappedEvent]:
        try:
            rows = list(self._source.subjects(set(persons)))
        except NothingKept:
            rows = []
        return [event for row in rows if not row.gone for event in self._mapped(row)]

    def _mapped(self, row: Row, *, control_only: bool = False) -> Iterator[MappedEvent]:
        for event in self._mapper.events(row, self._lookups.tables, control_only=control_only):
            if isinstance(event, MappedEvent):
                yield event


def _members(events: Sequence[MappedEvent], now: datetime) -> Iterator[Member]:
    """Everybody with a birth date on file; the oldest first."""
    about: defaultdict[str, list[MappedEvent]] = defaultdict(list)
    for event in events:
        about[event.subject_ref].append(event)
    found = [_member(ref, mine, now) for ref, mine in about.items()]
    yield from sorted((one for one in found if one), key=lambda one: (one.birth_date or date.max, one.ref))


def _member(ref: str, events: Sequence[MappedEvent], now: datetime) -> Member | None:
    recorded, named = _latest(events, RECORDING), _latest(events, _NAMED)
    if recorded is None or ref == recorded.case_ref:
        return None
    control = control_data("", events)
    subject = control.subject(ref, now)
    names = str(named.payload.get("names", "")) if named else ""
    last, _, first = names.partition(",")
    return Member(
        id=recorded.subject_id,
        ref=ref,
        name=f"{first.strip()} {last.strip()}".strip() or recorded.subject_id,
        birth_date=subject.birth_date,
        capable=subject.capable,
        custodians=subject.custodians if control.custody_lists(now) else None,
        control=control,
    )


def _latest(events: Iterable[MappedEvent], types: frozenset[str]) -> MappedEvent | None:
    mine = (event for event in events if event.schema.event_type in types)
    return max(mine, key=lambda event: (event.occurred_at, event.source_version), default=None)


def _consents(events: Sequence[MappedEvent]) -> Iterator[Consent]:
    """The consents that the agency's own system recorded, as far as it ended them."""
    for grant in events:
        if grant.schema.event_type == "ConsentGranted":
            found = consent_of(grant)
            ends = [
                event
                for event in events
                if event.schema.event_type == "ConsentWithdrawn" and event.payload["consent_id"] == found.id
            ]
            yield ended(
                found, [(moment(event.occurred_at), event.payload.get("scope") or {}) for event in ends]
            )


def ended(consent: Consent, ends: Iterable[tuple[datetime, Mapping[str, Sequence[str]]]]) -> Consent:
    """A consent with its withdrawals, whole ones (no scope) and those of a part."""
    ends = list(ends)
    whole = [at for at, scope in ends if not any(scope.values())]
    parts = tuple(
        ScopedWithdrawal(at=at, **{name: frozenset(codes) for name, codes in scope.items()})
        for at, scope in sorted(ends, key=lambda end: end[0])
        if any(scope.values())
    )
    if consent.withdrawn_at:
        whole.append(consent.withdrawn_at)
    return replace(consent, withdrawn_at=min(whole, default=None), scoped_withdrawals=parts)
