"""What the policy must know of a person at a moment: consents, birth date, capacity, custody, objections.

Read from the sealed consent register, opened in memory, folded, and kept only as long as the person's epoch stands
(protocol rules 7, 8, 10). A grant that cannot be read grants nothing; a withdrawal whose scope cannot be read
withdraws everything; of two grants with one id the smaller (recorded_at, event_id) stands.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.domain.clock import berlin_day, berlin_midnight, moment
from hub.domain.consent import Consent, ScopedWithdrawal
from hub.domain.envelope import Envelope
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES, Subject
from hub.policy.gate import Verdict
from hub.policy.grounds import age_on
from hub.ports import KeyStore
from hub.stages.boxes import Content, content, keys_for
from projections.consent_register import queries
from projections.consent_register.queries import RegisterRow
from schemas import decode_single

_WITHDRAWING = frozenset({"ConsentWithdrawn", "ConsentExpired"})
_RECORDING = frozenset({"SubjectRecorded", "SubjectChanged"})
_NEEDED = frozenset({"sender", "granted_at"})  # what a grant cannot be judged without
_DIMENSIONS: Mapping[str, frozenset[str] | None] = {
    "purposes": CONSENT_PURPOSES,
    "categories": CATEGORIES,
    "recipients": None,
}
ADULT = 18


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The control state of one person or family, in the hub's own names of persons."""

    person: str
    epoch: int
    family: bool = False
    recorded: bool = False  # a birth date is known
    birth_date: date | None = field(default=None, repr=False)
    capable: bool | None = field(default=None, repr=False)
    custodians: tuple[str, ...] = field(default=(), repr=False)
    members: tuple[tuple[str, date | None], ...] = field(default=(), repr=False)  # of a family
    consents: tuple[Consent, ...] = ()
    objections: tuple[datetime, ...] = ()
    linked: bool = False
    split: bool = False
    verdicts: dict[object, tuple[Verdict, datetime]] = field(default_factory=dict, repr=False, compare=False)

    def verdict(self, asked: object, at: datetime, judge: Callable[[], Verdict]) -> Verdict:
        """What was judged of this person before, as long as neither the epoch nor time alone can have changed it."""
        found = self.verdicts.get(asked)
        if found is None or at >= found[1]:
            found = self.verdicts[asked] = judge(), self.steady_until(at)
        return found[0]

    def steady_until(self, at: datetime) -> datetime:
        """The next moment at which time alone may change what the policy says: a consent begins or ends, a day does."""
        moments = [berlin_midnight(berlin_day(at) + timedelta(days=1)), *self.objections]
        for consent in self.consents:
            moments += [consent.granted_at, *(part.at for part in consent.scoped_withdrawals)]
            moments += [end for end in (consent.valid_until, consent.withdrawn_at) if end]
        return min(moment for moment in moments if moment > at)

    def subject(self, at: datetime) -> Subject:
        """The subject of a policy request; a family's custodians are its adult members."""
        custodians = self.custodians
        if self.family:
            day = berlin_day(at)
            custodians = tuple(
                who for who, born in self.members if born is None or age_on(day, born) >= ADULT
            )
        return Subject(
            ref=self.person, birth_date=self.birth_date, capable=self.capable, custodians=custodians
        )

    def objected(self, at: datetime) -> bool:
        """§ 76 SGB X: from then on, for all records, earlier ones too; one that is known holds, whatever clocks say."""
        return any(min(since, at) <= at for since in self.objections)

    def consents_at(self, at: datetime) -> tuple[Consent, ...]:
        """The consents as the hub may use them at `at`, its own time: what is known to be withdrawn is withdrawn, even
        when the agency's clock and the broker's both run ahead of the hub's."""
        return tuple(_ended_by(consent, at) for consent in self.consents)


def _ended_by(consent: Consent, at: datetime) -> Consent:
    parts = tuple(replace(part, at=min(part.at, at)) for part in consent.scoped_withdrawals)
    if consent.withdrawn_at is None and not parts:
        return consent
    whole = min(consent.withdrawn_at, at) if consent.withdrawn_at else None
    return replace(consent, withdrawn_at=whole, scoped_withdrawals=parts)


class KnowledgeCache:
    """Opened control states by (subject, epoch), the least recently used leave first. The stages of one worker share it
    between their threads."""

    def __init__(self, size: int = 20_000) -> None:
        self._size, self._kept, self._lock = size, OrderedDict[str, Knowledge](), Lock()

    def get(self, subject: str, epoch: int) -> Knowledge | None:
        with self._lock:
            found = self._kept.get(subject)
            if found is None or found.epoch != epoch:
                return None
            self._kept.move_to_end(subject)
            return found

    def put(self, subject: str, knowledge: Knowledge) -> None:
        with self._lock:
            self._kept[subject] = knowledge
            self._kept.move_to_end(subject)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def learn(
    connection: Connection,
    keys: KeyStore,
    cache: KnowledgeCache,
    wanted: Iterable[str],
    *,
    lock: bool = False,
) -> dict[str, Knowledge]:
    """The control state of these subjects as the open transaction sees it; with `lock`, their epochs cannot rise until
    it ends. Subjects that the hub has never heard of answer with an empty state of epoch 0."""
    names = sorted(set(wanted))
    states = subjects.states(connection, names, share=lock)
    known: dict[str, Knowledge] = {}
    missing: list[subjects.State] = []
    for name in names:
        state = states.get(name) or subjects.stranger(name)
        cached = cache.get(name, state.epoch) if state.epoch else None
        if cached is None:
            missing.append(state)
        else:
            known[name] = cached
    if missing:
        for name, knowledge in _load(connection, keys, missing).items():
            known[name] = knowledge
            cache.put(name, knowledge)
    return known


def _load(connection: Connection, keys: KeyStore, states: Sequence[subjects.State]) -> dict[str, Knowledge]:
    households = subjects.households(
        connection, [state.key for state in states if subjects.is_family(state.key)]
    )
    members = {member for household in households.values() for member in household}
    everyone = subjects.states(connection, members) | {state.key: state for state in states}
    aliases = subjects.aliases(connection, {state.person for state in everyone.values()})
    opened = _open(connection, keys, {key for of in aliases.values() for key in of} | set(everyone))
    index = _Index.of(opened, subjects.persons(connection, _named(opened)))
    facts = {
        key: _facts(key, {key, *aliases.get(state.person, ())}, index) for key, state in everyone.items()
    }
    result = {}
    for state in states:
        mine = facts[state.key]
        family = subjects.is_family(state.key)
        born = [
            (everyone[key].person, facts[key].birth_date)
            for key in households.get(state.key, ())
            if key in everyone
        ]
        result[state.key] = replace(
            mine,
            person=state.person,
            epoch=state.epoch,
            family=family,
            linked=state.linked and len(aliases.get(state.person, ())) > 1,
            split=state.split,
            members=tuple(sorted(set(born), key=str)) if family else (),
            consents=tuple(replace(consent, subject=state.person) for consent in mine.consents),
        )
    return result


@dataclass(frozen=True, slots=True)
class _Opened:
    row: RegisterRow
    controller: str
    recorded_at: int
    content: Content

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.content.fields


@dataclass(frozen=True, slots=True)
class _Index:
    by_subject: Mapping[str, Sequence[_Opened]]
    endings: Mapping[str, Sequence[_Opened]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, opened: Sequence[_Opened], names: Mapping[str, str]) -> "_Index":
        by_subject: defaultdict[str, list[_Opened]] = defaultdict(list)
        endings: defaultdict[str, list[_Opened]] = defaultdict(list)
        for one in opened:
            by_subject[one.row.subject].append(one)
            if one.row.event_type in _WITHDRAWING and one.row.consent_id:
                endings[one.row.consent_id].append(one)
        return cls(by_subject, endings, names)

    def name(self, controller: str, ref: str) -> str:
        key = f"{controller}:{ref}"
        return self.names.get(key, key)


def _open(connection: Connection, keys: KeyStore, subject_keys: Iterable[str]) -> list[_Opened]:
    generation = subjects.live_generation(connection, "consent_register")
    rows = {row.event_id: row for row in queries.about(connection, generation, subject_keys)}
    ids = {row.consent_id for row in rows.values() if row.consent_id}
    rows |= {row.event_id: row for row in queries.naming(connection, generation, ids)} if ids else {}
    envelopes = {event_id: _envelope(row.envelope) for event_id, row in rows.items()}
    found = keys_for(keys, "proof", envelopes.values())
    return [
        _Opened(row, envelope.controller_id, envelope.recorded_at, content(envelope, "proof", found))
        for event_id, row in sorted(rows.items())
        for envelope in (envelopes[event_id],)
    ]


def _envelope(value: bytes) -> Envelope:
    return Envelope(**decode_single(value)[1])


def _named(opened: Iterable[_Opened]) -> set[str]:
    """Every subject key that signers and custodians name."""
    return {
        f"{one.controller}:{ref}"
        for one in opened
        for ref in (*one.fields.get("granted_by", ()), *one.fields.get("custodians", ()))
    }


def _facts(key: str, aliases: Iterable[str], index: _Index) -> Knowledge:
    mine = [one for alias in sorted(aliases) for one in index.by_subject.get(alias, ())]
    recorded = _newest(mine, _RECORDING)
    born = [one.fields["birth_date"] for one in recorded if one.fields.get("birth_date")]
    capable = max((one for one in recorded if "capable" in one.fields), key=_when, default=None)
    custody = max(
        (one for one in mine if one.row.event_type == "CustodyChanged" and one.fields),
        key=_when,
        default=None,
    )
    holders = custody.fields.get("custodians", ()) if custody else ()
    return Knowledge(
        person=key,
        epoch=0,
        recorded=bool(born),
        birth_date=max(born, default=None),
        capable=capable.fields["capable"] if capable else None,
        custodians=tuple(index.name(custody.controller, ref) for ref in holders) if custody else (),
        consents=tuple(_consents(mine, index)),
        objections=tuple(sorted(_effective(one) for one in mine if _objects_76(one))),
    )


def _newest(mine: Iterable[_Opened], types: frozenset[str]) -> list[_Opened]:
    """The newest version of each record of these types."""
    newest: dict[str, _Opened] = {}
    for one in mine:
        if one.row.event_type not in types or not one.fields:
            continue
        held = newest.get(one.row.record_ref)
        if held is None or _version(held) < _version(one):
            newest[one.row.record_ref] = one
    return list(newest.values())


def _version(one: _Opened) -> tuple[int, int]:
    return one.row.source_version, one.row.publication


def _when(one: _Opened) -> tuple[int, int, str]:
    return one.row.occurred_at, one.row.source_version, one.row.event_id


def _effective(one: _Opened) -> datetime:
    """A withdrawal or objection holds from when it was made, or received if that was earlier."""
    return moment(min(one.row.occurred_at, one.row.received_at))


def _objects_76(one: _Opened) -> bool:
    """An objection whose norm cannot be read counts (fail closed)."""
    return one.row.event_type == "ObjectionRaised" and "76" in str(one.fields.get("norm", "76"))


def _consents(mine: Iterable[_Opened], index: _Index) -> Iterable[Consent]:
    grants: dict[str, _Opened] = {}
    for one in mine:
        if one.row.event_type == "ConsentGranted" and one.row.consent_id and one.fields.keys() >= _NEEDED:
            held = grants.get(one.row.consent_id)
            if held is None or _first(one) < _first(held):
                grants[one.row.consent_id] = one
    for consent_id, grant in sorted(grants.items()):
        yield _consent(grant, index.endings.get(consent_id, ()), index)


def _first(one: _Opened) -> tuple[int, str]:
    return one.recorded_at, one.row.event_id


def _consent(grant: _Opened, endings: Sequence[_Opened], index: _Index) -> Consent:
    fields, whole, parts = grant.fields, [], []
    for end in endings:
        at = _effective(end)
        scope = _scope(end.row.scope, at)
        if scope is None:
            whole.append(at)
        else:
            parts.append(scope)
    if fields.get("withdrawn_at"):
        whole.append(fields["withdrawn_at"])
    return Consent(
        id=str(grant.row.consent_id),
        subject="",
        granted_by=tuple(index.name(grant.controller, ref) for ref in fields.get("granted_by", ())),
        sender=fields["sender"],
        recipients=frozenset(fields.get("recipients", ())),
        recipient_workers=frozenset(fields.get("recipient_workers", ())),
        purposes=frozenset(fields.get("purposes", ())),
        categories=frozenset(fields.get("categories", ())),
        form=fields.get("form", ""),
        explicit_special=bool(fields.get("explicit_special", False)),
        notices=frozenset(fields.get("notices", ())),
        text_version=fields.get("text_version", ""),
        proof_hash=fields.get("proof_hash", ""),
        granted_at=fields["granted_at"],
        valid_until=fields.get("valid_until"),
        withdrawn_at=min(whole, default=None),
        scoped_withdrawals=tuple(sorted(parts, key=lambda part: part.at)),
    )


def _scope(text: str | None, at: datetime) -> ScopedWithdrawal | None:
    """The part that is withdrawn; None = everything, also when the scope cannot be read."""
    if text is None:
        return None
    try:
        raw = orjson.loads(text)
        parts = {name: _codes(raw.get(name), known) for name, known in _DIMENSIONS.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
        return None
    return ScopedWithdrawal(at=at, **parts) if any(parts.values()) else None


def _codes(raw: object, known: frozenset[str] | None) -> frozenset[str]:
    """A list of codes; raises ValueError for anything else, which would withdraw less than was meant."""
    if raw is None:
        return frozenset()
    if not isinstance(raw, list) or not all(isinstance(code, str) for code in raw):
        raise ValueError
    if known is not None and not known.issuperset(raw):
        raise ValueError
    return frozenset(raw)
