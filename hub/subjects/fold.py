"""The fold of the sealed consent register: from a person's rows, opened in memory, to consents and control data (rules
7 and 8).

It does not depend on the order in which events came. A consent id is its agency's own. A withdrawal ends consents of
the same subject, or that its author signed, and nobody else's: by its agency's own number, or by office and number
(`jc-a:1001`) where somebody brings the paper to another office. A grant that cannot be read grants nothing. Of two
grants with one id the smaller (recorded_at, event_id) stands, whoever's they are. A withdrawal that cannot be read ends
everything it could mean. The cost grows with the consents and withdrawals of a person, not with their product.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate

import orjson
from sqlalchemy import Connection

from hub.domain.clock import moment
from hub.domain.consent import Consent, ScopedWithdrawal, consent_name, objects_76
from hub.policy.control import ControlData, Statement
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from hub.ports import KeyStore
from hub.subjects.consent_index import (
    Index,
    OpenedGrant,
    Recorded,
    Said,
    all_names,
    effective,
    first,
    index_of,
    open_rows,
)
from hub.subjects.knowledge import Knowledge
from projections.consent_register.queries import RegisterRow

_DIMENSIONS: Mapping[str, frozenset[str] | None] = {
    "purposes": CONSENT_PURPOSES,
    "categories": CATEGORIES,
    "recipients": None,
}


def consents_of(mine: Sequence[OpenedGrant], index: Index) -> Iterator[tuple[Consent, str]]:
    """Each consent of one person, and the agency that recorded it."""
    endings = Endings(mine, index)
    for grant in sorted(endings.standing, key=lambda one: (str(one.row.consent_id), one.controller)):
        yield _consent(grant, endings.of(grant), index), grant.controller


def taken_back(
    connection: Connection, keys: KeyStore, subject_key: str
) -> list[tuple[str, list[RegisterRow]]]:
    """The name of each consent of this person, and the rows that took it back."""
    same = all_names(connection, {subject_key})
    opened = open_rows(connection, keys, same)
    endings = Endings([one for one in opened if one.row.subject in same], index_of(connection, opened))
    return [
        (
            consent_name(grant.controller, str(grant.row.consent_id)),
            [one.row for one in endings.of(grant)],
        )
        for grant in endings.standing
    ]


class Endings:
    """The records that take back the consents of one person, whose rows are `mine`."""

    def __init__(self, mine: Sequence[OpenedGrant], index: Index) -> None:
        self._index = index
        self._grants = [one for one in mine if one.grants]
        self.standing = _standing(self._grants, index)
        held = {one.row.event_id for one in self.standing}
        self._refused = {one.row.event_id for one in self._grants if one.row.event_id not in held}
        self._own_ids = frozenset[str]().union(*(one.ids for one in self._grants))
        self._earliest: dict[tuple[Recorded, str], int | None] = {}
        self._wide: dict[tuple[int, int | None], _Wide] = {}

    def of(self, grant: OpenedGrant) -> list[OpenedGrant]:
        """The endings of a consent that stands: said by its subject or by who signed it, while they were the same
        person, or by its agency without saying by whom. Of several that cannot be read and take back the same the
        first to take effect."""
        found: dict[str, OpenedGrant] = {}
        own = [(grant.controller, name) for name in grant.ids]
        for recorded in own:
            found |= _by_id(self._index.nobodys.get(recorded, ()))
        for said, until in self._authors(grant):
            named = [one for recorded in own for one in said.own.get(recorded, ())]
            named += [one for recorded in own for one in said.numbers.get(":".join(recorded), ())]
            named += [
                one
                for _, number in own
                for one in said.numbers.get(number, ())
                if one.controller != grant.controller and not self._has_own(one)
            ]
            found |= _by_id(one for one in named if until is None or one.row.received_at <= until)
            found |= _by_id(self._unreadable(said, until).of(grant.granted_at))
        return list(found.values())

    def _authors(self, grant: OpenedGrant) -> Iterator[tuple[Said, int | None]]:
        """What they said who may take the consent back; of former names of theirs, what was received until then."""
        for person in self._index.persons(grant):
            if said := self._index.by_person.get(person):
                yield said, None
        for key in grant.people:
            for other, until in self._index.former.get(key, {}).items():
                if said := self._index.by_key.get(other):
                    yield said, until

    def _unreadable(self, said: Said, until: int | None) -> "_Wide":
        """The reach of an author's records that name no consent that anybody knows: each may mean every consent."""
        kept = self._wide.get((id(said), until))
        if kept is None:
            meant = [
                one
                for one in said.unreadable
                if (until is None or one.row.received_at <= until) and not self._known(one)
            ]
            kept = self._wide[id(said), until] = _Wide(meant)
        return kept

    def _known(self, end: OpenedGrant) -> bool:
        """Whether any consent bears the id of a withdrawal whose content cannot be read."""
        return end.row.consent_id in self._own_ids or self._has_own(end)

    def _has_own(self, end: OpenedGrant) -> bool:
        """Whether its agency had a consent of its author under the id that it names: then that one is meant."""
        author = self._index.person(end.row.subject)
        named = end.controller, str(end.row.consent_id)
        if (named, author) not in self._earliest:
            given = (
                one.granted_at
                for one in self._index.grants.get(named, ())
                if author in self._index.persons(one) and one.row.event_id not in self._refused
            )
            self._earliest[named, author] = min(given, default=None)
        earliest = self._earliest[named, author]
        return earliest is not None and earliest <= end.given_until


class _Wide:
    """Endings that take back whatever their author had given; of those with one scope the first to take effect, by when
    a consent had been given."""

    def __init__(self, endings: Iterable[OpenedGrant]) -> None:
        by_scope: defaultdict[str | None, list[OpenedGrant]] = defaultdict(list)
        for one in sorted(endings, key=lambda one: -one.given_until):
            by_scope[one.row.scope].append(one)
        self._scopes = [
            ([-one.given_until for one in of], list(accumulate(of, _earlier))) for of in by_scope.values()
        ]

    def of(self, granted_at: int) -> Iterator[OpenedGrant]:
        """Those that a consent given then falls under."""
        for until, earliest in self._scopes:
            if count := bisect_right(until, -granted_at):
                yield earliest[count - 1]


def _earlier(one: OpenedGrant, other: OpenedGrant) -> OpenedGrant:
    return min(one, other, key=lambda end: (effective(end), end.row.event_id))


def _by_id(endings: Iterable[OpenedGrant]) -> dict[str, OpenedGrant]:
    return {one.row.event_id: one for one in endings}


def _standing(grants: Iterable[OpenedGrant], index: Index) -> list[OpenedGrant]:
    """The grants of one person that hold their ids."""
    standing: list[OpenedGrant] = []
    taken: set[Recorded] = set()
    for one in sorted(grants, key=first):
        ids = {(one.controller, name) for name in one.ids}
        if not ids & taken and not index.taken(one):
            standing.append(one)
        taken |= ids
    return standing


def _consent(grant: OpenedGrant, endings: Sequence[OpenedGrant], index: Index) -> Consent:
    fields = grant.fields
    whole, parts = _narrowed(endings, index.agencies)
    ends = [fields[name] for name in ("valid_until", "withdrawn_at") if fields.get(name)]  # said beforehand
    return Consent(
        id=consent_name(grant.controller, str(grant.row.consent_id)),
        number=grant.number,
        recorded_by=grant.controller,
        subject="",
        granted_by=index.signers(grant),
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
        valid_until=min(ends, default=None),
        withdrawn_at=min(whole, default=None),
        scoped_withdrawals=parts,
    )


def _narrowed(
    endings: Iterable[OpenedGrant], agencies: frozenset[str]
) -> tuple[list[datetime], tuple[ScopedWithdrawal, ...]]:
    """When they take back the whole, and which parts: each part once, from the first time on."""
    whole: list[datetime] = []
    parts: dict[tuple[frozenset[str], ...], ScopedWithdrawal] = {}
    for end in sorted(endings, key=lambda end: (effective(end), end.row.event_id)):
        at = effective(end)
        part = withdrawn_scope(end.row.scope, at, agencies)
        if part is None:
            whole.append(at)
        else:
            parts.setdefault((part.purposes, part.categories, part.recipients), part)
    return whole, tuple(parts.values())


def withdrawn_scope(text: str | None, at: datetime, agencies: frozenset[str]) -> ScopedWithdrawal | None:
    """The part that is withdrawn; None = everything, also when the scope cannot be read. A dimension that holds
    anything that the hub does not know is withdrawn wholly."""
    if text is None:
        return None
    try:
        raw = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(raw, dict):
        return None
    parts = {name: _codes(raw.get(name), known or agencies) for name, known in _DIMENSIONS.items()}
    return ScopedWithdrawal(at=at, **parts) if any(parts.values()) else None


def _codes(raw: object, known: frozenset[str]) -> frozenset[str]:
    """The codes of one dimension; none, which means all of it, unless every one of them is known."""
    fits = isinstance(raw, list) and all(isinstance(code, str) and code in known for code in raw)
    return frozenset(raw) if fits and isinstance(raw, list) else frozenset()


_RECORDING = frozenset({"SubjectRecorded", "SubjectChanged"})
_CUSTODY = frozenset({"CustodyChanged"})
_OBJECTING = frozenset({"ObjectionRaised"})


def facts_of(key: str, aliases: Iterable[str], index: Index) -> Knowledge:
    same = sorted(aliases)
    mine = [one for alias in same for one in index.by_subject.get(alias, ())]
    objections = _objections([*mine, *_said_before_a_split(same, index)])
    granted = list(consents_of(mine, index))
    control = _control(mine, index)
    held = {name for one in control.custody for name in one.value}
    return Knowledge(
        person=key,
        epoch=0,
        control=control,
        consents=tuple(consent for consent, _ in granted),
        recorded_at={consent.id: office for consent, office in granted},
        offices={name: index.offices[name] for name in held if name in index.offices},
        objections=tuple(sorted(effective(one) for one in objections if _objects_76(one))),
    )


def _said_before_a_split(same: Sequence[str], index: Index) -> Iterable[OpenedGrant]:
    """Records about subjects that were the same person at the time: a split takes no objection back."""
    found = {
        one.row.event_id: one
        for key in same
        for other, until in index.former.get(key, {}).items()
        for one in index.by_subject.get(other, ())
        if other not in same and one.row.received_at <= until
    }
    return found.values()


def _control(mine: Iterable[OpenedGrant], index: Index) -> ControlData:
    """The statement of each record's newest version, from its own date on. A version without any field takes the
    record back; one that cannot be read narrows."""
    mine = list(mine)
    births: list[Statement[date | None]] = []
    capacities: list[Statement[bool | None]] = []
    for one in _newest(mine, _RECORDING):
        since = moment(one.row.occurred_at)
        readable = one.content.state == "open"
        if not readable or one.fields.get("birth_date"):
            births.append(Statement(one.controller, since, one.fields.get("birth_date")))
        if not readable or one.fields:
            capable = one.fields.get("capable") if readable else False
            capacities.append(Statement(one.controller, since, capable))
    custody = [
        Statement(
            one.controller,
            moment(one.row.occurred_at),
            tuple(index.name(one.controller, ref) for ref in one.fields.get("custodians") or ()),
        )
        for one in _newest(mine, _CUSTODY)
        if one.fields or one.content.state != "open"
    ]
    return ControlData(tuple(births), tuple(capacities), tuple(custody))


def _newest(mine: Iterable[OpenedGrant], types: frozenset[str]) -> list[OpenedGrant]:
    """The newest version of each record of these types, readable or not."""
    newest: dict[tuple[str, str], OpenedGrant] = {}
    for one in mine:
        if one.row.event_type in types:
            record = one.controller, one.row.record_ref
            held = newest.get(record)
            if held is None or _version(held) < _version(one):
                newest[record] = one
    return [newest[record] for record in sorted(newest)]


def _objections(mine: Iterable[OpenedGrant]) -> list[OpenedGrant]:
    """Every publication of each record's newest version: none takes back an objection that another one states. A
    publication that nobody can open counts where none can be read."""
    said: dict[tuple[str, str], dict[int, list[OpenedGrant]]] = {}
    for one in mine:
        if one.row.event_type in _OBJECTING:
            versions = said.setdefault((one.controller, one.row.record_ref), {})
            versions.setdefault(one.row.source_version, []).append(one)
    newest = [versions[max(versions)] for _, versions in sorted(said.items())]
    return [one for of in newest for one in [each for each in of if each.content.state == "open"] or of]


def _version(one: OpenedGrant) -> tuple[int, int, str]:
    return one.row.source_version, one.row.publication, one.row.event_id


def _objects_76(one: OpenedGrant) -> bool:
    """An objection whose norm cannot be read counts (fail closed)."""
    return objects_76(str(one.fields.get("norm") or "76"))
