"""The rows of the consent register that matter to some persons: opened in memory, and found by whom they are about.

A person is who the links make them now. What narrows is heard from whoever was the same person when it was said: a
later split takes nothing back that was taken back before (`Index.former`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hub.domain.clock import micros, moment
from hub.domain.consent import ENDING
from hub.domain.envelope import Envelope
from hub.ports import KeyStore
from hub.sealed.boxes import Content, content, keys_for
from hub.sealed.decode import envelope_of
from hub.store import subjects
from projections.consent_register import queries
from projections.consent_register.queries import RegisterRow
from schemas import decode_single

_GRANTED = "ConsentGranted"
NEEDED = frozenset({"sender", "granted_at"})
"""Fields without which a grant cannot be judged."""
Recorded = tuple[str, str]
"""An agency, and an id under which it recorded a consent."""


@dataclass(frozen=True, slots=True)
class OpenedGrant:
    row: RegisterRow
    controller: str
    recorded_at: int
    content: Content

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.content.fields

    @property
    def number(self) -> str:
        """The id as the agency's paper has it."""
        named = self.fields.get("id" if self.row.event_type == _GRANTED else "consent_id")
        return str(named or self.row.consent_id)

    @property
    def ids(self) -> frozenset[str]:
        """What its agency calls the consent: the recorded id and the number on the paper."""
        return frozenset({str(self.row.consent_id), self.number})

    @property
    def grants(self) -> bool:
        """Whether it is a grant that can be judged."""
        return (
            self.row.event_type == _GRANTED
            and self.row.consent_id is not None
            and self.fields.keys() >= NEEDED
        )

    @property
    def ends(self) -> bool:
        return self.row.event_type in ENDING

    @property
    def signers(self) -> tuple[str, ...]:
        """The subject keys of who signed a grant."""
        return tuple(f"{self.controller}:{ref}" for ref in self.fields.get("granted_by") or ())

    @property
    def people(self) -> tuple[str, ...]:
        """The persons who may take a grant back: its subject, and those who signed it."""
        return (self.row.subject, *self.signers)

    @property
    def granted_at(self) -> int:
        return micros(self.fields["granted_at"])

    @property
    def given_until(self) -> int:
        """An ending that may mean any consent means those that had been given by then."""
        return max(self.row.occurred_at, self.row.received_at)


def first(one: OpenedGrant) -> tuple[int, str]:
    """Of two grants with one id the smaller stands (rule 7)."""
    return one.recorded_at, one.row.event_id


def effective(one: OpenedGrant) -> datetime:
    """A withdrawal or objection holds from when it was made, or received if that was earlier."""
    return moment(min(one.row.occurred_at, one.row.received_at))


@dataclass(frozen=True, slots=True)
class Said:
    """Endings, by what they name: the id at an agency, or a number alone; `unreadable` name no number."""

    own: Mapping[Recorded, Sequence[OpenedGrant]]
    numbers: Mapping[str, Sequence[OpenedGrant]]
    unreadable: Sequence[OpenedGrant]

    @classmethod
    def of(cls, endings: Iterable[OpenedGrant]) -> "Said":
        own: defaultdict[Recorded, list[OpenedGrant]] = defaultdict(list)
        numbers: defaultdict[str, list[OpenedGrant]] = defaultdict(list)
        unreadable: list[OpenedGrant] = []
        for one in endings:
            for name in one.ids:
                own[one.controller, name].append(one)
            numbers[one.number].append(one)
            if not one.fields:
                unreadable.append(one)
        return cls(own, numbers, unreadable)


@dataclass(frozen=True, slots=True)
class Index:
    """Opened rows by subject; grants by (agency, recorded id); endings by the person who says them and by the subject
    key under which it was said, and by (agency, id) where nobody can tell who does. `former`: subject key → whoever
    was the same person, until when."""

    by_subject: Mapping[str, Sequence[OpenedGrant]]
    grants: Mapping[Recorded, Sequence[OpenedGrant]]
    by_person: Mapping[str, Said]
    by_key: Mapping[str, Said]
    nobodys: Mapping[Recorded, Sequence[OpenedGrant]]
    names: Mapping[str, str]
    former: Mapping[str, Mapping[str, int]]
    agencies: frozenset[str] = frozenset()
    offices: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # person → the offices that know them by a pseudonym

    @classmethod
    def of(
        cls,
        opened: Sequence[OpenedGrant],
        names: Mapping[str, str],
        former: Mapping[str, Mapping[str, int]],
        known_since: Mapping[str, int],
        agencies: frozenset[str] = frozenset(),
        offices: Mapping[str, frozenset[str]] | None = None,
    ) -> "Index":
        by_subject: defaultdict[str, list[OpenedGrant]] = defaultdict(list)
        grants: defaultdict[Recorded, list[OpenedGrant]] = defaultdict(list)
        by_key: defaultdict[str, list[OpenedGrant]] = defaultdict(list)
        by_person: defaultdict[str, list[OpenedGrant]] = defaultdict(list)
        nobodys: defaultdict[Recorded, list[OpenedGrant]] = defaultdict(list)
        for one in opened:
            key = one.row.subject
            by_subject[key].append(one)
            if one.grants:
                grants[one.controller, str(one.row.consent_id)].append(one)
            elif one.ends:
                by_key[key].append(one)
                by_person[names.get(key, key)].append(one)
                for name in one.ids if nobodys_word(one.row, known_since) else ():
                    nobodys[one.controller, name].append(one)
        return cls(
            by_subject,
            grants,
            {person: Said.of(of) for person, of in by_person.items()},
            {key: Said.of(of) for key, of in by_key.items()},
            nobodys,
            names,
            former,
            agencies,
            offices or {},
        )

    def person(self, key: str) -> str:
        return self.names.get(key, key)

    def name(self, controller: str, ref: str) -> str:
        return self.person(f"{controller}:{ref}")

    def signers(self, grant: OpenedGrant) -> tuple[str, ...]:
        return tuple(map(self.person, grant.signers))

    def persons(self, grant: OpenedGrant) -> frozenset[str]:
        """The persons who may take a consent back."""
        return frozenset(map(self.person, grant.people))

    def taken(self, grant: OpenedGrant) -> bool:
        """Whether its agency had given the id to somebody else's consent before: this one is refused."""
        person = self.person(grant.row.subject)
        return any(
            self.person(one.row.subject) != person and first(one) < first(grant)
            for one in self.grants[grant.controller, str(grant.row.consent_id)]
        )


def nobodys_word(row: RegisterRow, known_since: Mapping[str, int]) -> bool:
    """Whether nobody can tell who says this: a broken withdrawal that names a consent alone, or one about a subject of
    whom its agency had said nothing else when it was received. An agency ends its own consent all the same."""
    since = known_since.get(row.subject)
    return row.subject.endswith(":") or since is None or since > row.received_at


def open_rows(connection: Connection, keys: KeyStore, subject_keys: Iterable[str]) -> list[OpenedGrant]:
    """What may matter to the policy about these subjects: their own rows, what the signers of their consents said,
    what narrows and was said by who was the same person before a split, and whatever bears the same consent ids."""
    generation, wanted = subjects.live_generation(connection, "consent_register"), set(subject_keys)
    opened = _open(keys, queries.about(connection, generation, wanted))
    signers = {key for one in opened if one.grants for key in one.signers}
    others = (
        all_names(connection, signers).union(*subjects.former(connection, wanted | signers).values()) - wanted
    )
    rows = queries.said_by(connection, generation, others) if others else []
    ids = {row.consent_id for row in (*rows, *(one.row for one in opened)) if row.consent_id}
    if ids:
        rows += _of_nobody(connection, generation, ids)
    known = {one.row.event_id for one in opened}
    return opened + _open(keys, [row for row in rows if row.event_id not in known])


def _of_nobody(connection: Connection, generation: int, ids: Iterable[str]) -> list[RegisterRow]:
    """The grants that bear these ids, and the endings of which nobody can tell who says them."""
    rows = queries.naming(connection, generation, ids)
    endings = [row for row in rows if row.event_type in ENDING]
    known = queries.known_since(connection, generation, {row.subject for row in endings}) if endings else {}
    return [row for row in rows if row.event_type == _GRANTED] + [
        row for row in endings if nobodys_word(row, known)
    ]


def open_grants(connection: Connection, keys: KeyStore, agency: str = "") -> list[OpenedGrant]:
    """Every grant that one agency recorded, or all did: for a question that somebody asks by hand."""
    generation = subjects.live_generation(connection, "consent_register")
    return [one for one in _open(keys, queries.granted(connection, generation, agency)) if one.grants]


def open_naming(
    connection: Connection, keys: KeyStore, row_ids: Iterable[str]
) -> tuple[list[RegisterRow], list[OpenedGrant]]:
    """These rows, and the opened grants that bear their consent ids."""
    generation = subjects.live_generation(connection, "consent_register")
    rows = queries.by_id(connection, generation, row_ids)
    same = queries.naming(connection, generation, {row.consent_id for row in rows if row.consent_id})
    return rows, _open(keys, [row for row in same if row.event_type == _GRANTED])


def index_of(
    connection: Connection, opened: Sequence[OpenedGrant], agencies: frozenset[str] = frozenset()
) -> Index:
    """These rows, with the links of everybody whom they name."""
    generation, everybody = subjects.live_generation(connection, "consent_register"), _named(opened)
    names = subjects.persons(connection, everybody)
    endings = {one.row.subject for one in opened if one.ends}
    return Index.of(
        opened,
        names,
        subjects.former(connection, everybody),
        queries.known_since(connection, generation, endings) if endings else {},
        agencies,
        _offices(connection, names.values()),
    )


def _offices(connection: Connection, persons: Iterable[str]) -> dict[str, frozenset[str]]:
    """person → the offices that know them by a pseudonym."""
    found = subjects.aliases(connection, set(persons))
    return {person: frozenset(key.split(":", 1)[0] for key in keys) for person, keys in found.items()}


def _named(opened: Iterable[OpenedGrant]) -> set[str]:
    """Every subject key that rows are about and that signers and custodians name."""
    return {
        key
        for one in opened
        for key in (*one.people, *(f"{one.controller}:{ref}" for ref in one.fields.get("custodians") or ()))
    }


def all_names(connection: Connection, keys: set[str]) -> set[str]:
    """These subject keys and all others of the same persons."""
    same = subjects.aliases(connection, set(subjects.persons(connection, keys).values()))
    return keys.union(*same.values())


def _open(keys: KeyStore, rows: Iterable[RegisterRow]) -> list[OpenedGrant]:
    envelopes = {row.event_id: (row, _envelope(row.envelope)) for row in rows}
    found = keys_for(keys, "proof", [envelope for _, envelope in envelopes.values()])
    return [
        OpenedGrant(row, envelope.controller_id, envelope.recorded_at, content(envelope, "proof", found))
        for _, (row, envelope) in sorted(envelopes.items())
    ]


def _envelope(value: bytes) -> Envelope:
    return envelope_of(decode_single(value)[1])
