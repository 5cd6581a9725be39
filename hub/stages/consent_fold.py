"""Which consents a person gave, and what took them back: opened in memory, then folded (protocol rules 7 and 8).

A consent id is its agency's own. A withdrawal ends consents of the same subject, or that its author signed, and nobody
else's: by its agency's own number, or by office and number (`jc-a:1001`) where somebody brings the paper to another
office. The fold depends on no order. A grant that cannot be read grants nothing, of two grants with one id the smaller
(recorded_at, event_id) stands, whoever's they are; a withdrawal that cannot be read ends everything it could mean.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.domain.clock import moment
from hub.domain.consent import ENDING, Consent, ScopedWithdrawal, consent_name
from hub.domain.envelope import Envelope
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from hub.ports import KeyStore
from hub.stages.boxes import Content, content, keys_for
from hub.stages.decode import envelope_of
from projections.consent_register import queries
from projections.consent_register.queries import RegisterRow
from schemas import decode_single

_GRANTED = "ConsentGranted"
_NEEDED = frozenset({"sender", "granted_at"})  # what a grant cannot be judged without
_DIMENSIONS: Mapping[str, frozenset[str] | None] = {
    "purposes": CONSENT_PURPOSES,
    "categories": CATEGORIES,
    "recipients": None,
}


@dataclass(frozen=True, slots=True)
class Opened:
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
    def grants(self) -> bool:
        """Whether it is a grant that can be judged."""
        return (
            self.row.event_type == _GRANTED
            and self.row.consent_id is not None
            and self.fields.keys() >= _NEEDED
        )


@dataclass(frozen=True, slots=True)
class Index:
    """Opened rows by subject; grants by (agency, recorded id); what takes back by the person who says it, and by
    (agency, recorded id) where nobody can tell who does."""

    by_subject: Mapping[str, Sequence[Opened]]
    grants: Mapping[tuple[str, str], Sequence[Opened]]
    endings: Mapping[str, Sequence[Opened]]
    nobodys: Mapping[tuple[str, str], Sequence[Opened]]
    names: Mapping[str, str]
    agencies: frozenset[str]
    offices: Mapping[str, frozenset[str]]  # person → the offices that know them by a pseudonym

    @classmethod
    def of(
        cls,
        opened: Sequence[Opened],
        names: Mapping[str, str],
        agencies: frozenset[str],
        offices: Mapping[str, frozenset[str]],
    ) -> "Index":
        by_subject: defaultdict[str, list[Opened]] = defaultdict(list)
        grants: defaultdict[tuple[str, str], list[Opened]] = defaultdict(list)
        endings: defaultdict[str, list[Opened]] = defaultdict(list)
        nobodys: defaultdict[tuple[str, str], list[Opened]] = defaultdict(list)
        for one in opened:
            recorded = (one.controller, str(one.row.consent_id))
            by_subject[one.row.subject].append(one)
            if one.grants:
                grants[recorded].append(one)
            elif one.row.event_type in ENDING and _nobodys(one.row):
                nobodys[recorded].append(one)
            elif one.row.event_type in ENDING:
                endings[names.get(one.row.subject, one.row.subject)].append(one)
        return cls(by_subject, grants, endings, nobodys, names, agencies, offices)

    def person(self, key: str) -> str:
        return self.names.get(key, key)

    def name(self, controller: str, ref: str) -> str:
        return self.person(f"{controller}:{ref}")

    def signers(self, grant: Opened) -> tuple[str, ...]:
        return tuple(self.name(grant.controller, ref) for ref in grant.fields.get("granted_by", ()))

    def concerns(self, grant: Opened, who: str) -> bool:
        """Whether a consent is this person's to take back."""
        return who in (self.person(grant.row.subject), *self.signers(grant))


def _nobodys(row: RegisterRow) -> bool:
    """A broken withdrawal that names a consent and not who withdraws it."""
    return row.subject.endswith(":")


def open_rows(connection: Connection, keys: KeyStore, subject_keys: Iterable[str]) -> list[Opened]:
    """What may matter to the policy about these subjects: their own rows, what the signers of their consents said, and
    whatever bears the same consent ids."""
    generation, wanted = subjects.live_generation(connection, "consent_register"), set(subject_keys)
    opened = _open(keys, queries.about(connection, generation, wanted))
    signers = {
        f"{one.controller}:{ref}" for one in opened if one.grants for ref in one.fields.get("granted_by", ())
    } - wanted
    rows = queries.said_by(connection, generation, _all_names(connection, signers)) if signers else []
    ids = {row.consent_id for row in (*rows, *(one.row for one in opened)) if row.consent_id}
    if ids:
        named_same = queries.naming(connection, generation, ids)
        rows += [row for row in named_same if row.event_type == _GRANTED or _nobodys(row)]
    known = {one.row.event_id for one in opened}
    return opened + _open(keys, [row for row in rows if row.event_id not in known])


def open_grants(connection: Connection, keys: KeyStore, agency: str = "") -> list[Opened]:
    """Every grant that one agency recorded, or all did: for a question that somebody asks by hand."""
    generation = subjects.live_generation(connection, "consent_register")
    return [one for one in _open(keys, queries.granted(connection, generation, agency)) if one.grants]


def _all_names(connection: Connection, keys: set[str]) -> set[str]:
    same = subjects.aliases(connection, set(subjects.persons(connection, keys).values()))
    return keys.union(*same.values())


def _open(keys: KeyStore, rows: Iterable[RegisterRow]) -> list[Opened]:
    envelopes = {row.event_id: (row, _envelope(row.envelope)) for row in rows}
    found = keys_for(keys, "proof", [envelope for _, envelope in envelopes.values()])
    return [
        Opened(row, envelope.controller_id, envelope.recorded_at, content(envelope, "proof", found))
        for _, (row, envelope) in sorted(envelopes.items())
    ]


def _envelope(value: bytes) -> Envelope:
    return envelope_of(decode_single(value)[1])


def named(opened: Iterable[Opened]) -> set[str]:
    """Every subject key that rows are about and that signers and custodians name."""
    return {
        key
        for one in opened
        for key in (
            one.row.subject,
            *(
                f"{one.controller}:{ref}"
                for ref in (*(one.fields.get("granted_by") or ()), *(one.fields.get("custodians") or ()))
            ),
        )
    }


def effective(one: Opened) -> datetime:
    """A withdrawal or objection holds from when it was made, or received if that was earlier."""
    return moment(min(one.row.occurred_at, one.row.received_at))


def consents_of(mine: Sequence[Opened], index: Index) -> Iterable[tuple[Consent, str]]:
    """Each consent of one person, and the agency that recorded it."""
    standing = _standing(mine, index)
    refused = _refused(mine, standing)
    for grant in sorted(standing, key=lambda one: (str(one.row.consent_id), one.controller)):
        yield _consent(grant, _endings(grant, mine, index, refused), index), grant.controller


def _refused(mine: Sequence[Opened], standing: Sequence[Opened]) -> frozenset[str]:
    """The event ids of grants that hold no id."""
    held = {one.row.event_id for one in standing}
    return frozenset(one.row.event_id for one in mine if one.grants and one.row.event_id not in held)


def _standing(mine: Sequence[Opened], index: Index) -> list[Opened]:
    """The grants of one person that hold their ids. A number that another office recorded for the same sender is the
    same paper, told again."""
    standing: list[Opened] = []
    taken: set[tuple[str, ...]] = set()
    for one in sorted((one for one in mine if one.grants), key=_first):
        recorded, sender = (one.controller, str(one.row.consent_id)), str(one.fields["sender"])
        ids: set[tuple[str, ...]] = {recorded, (one.controller, one.number), ("of", sender, one.number)}
        if not ids & taken and not _taken(one, index):
            standing.append(one)
        taken |= ids
    return standing


def taken_back(
    connection: Connection, keys: KeyStore, subject_key: str
) -> list[tuple[str, list[RegisterRow]]]:
    """The name of each consent of this person, and the rows that took it back."""
    same = _all_names(connection, {subject_key})
    opened = open_rows(connection, keys, same)
    index = Index.of(opened, subjects.persons(connection, named(opened)), frozenset(), {})
    mine = [one for one in opened if one.row.subject in same]
    standing = _standing(mine, index)
    refused = _refused(mine, standing)
    return [
        (
            consent_name(grant.controller, str(grant.row.consent_id)),
            [one.row for one in _endings(grant, mine, index, refused)],
        )
        for grant in standing
    ]


def _taken(grant: Opened, index: Index) -> bool:
    """Whether its agency had given the id to somebody else's consent before: this one is refused."""
    person = index.person(grant.row.subject)
    return any(
        index.person(one.row.subject) != person and _first(one) < _first(grant)
        for one in index.grants[grant.controller, str(grant.row.consent_id)]
    )


def _first(one: Opened) -> tuple[int, str]:
    return one.recorded_at, one.row.event_id


def _endings(grant: Opened, mine: Sequence[Opened], index: Index, refused: frozenset[str]) -> list[Opened]:
    """What takes this consent back: said by its subject or by who signed it."""
    authors = {index.person(grant.row.subject), *index.signers(grant)}
    said = [one for author in authors for one in index.endings.get(author, ())]
    nobodys = index.nobodys.get((grant.controller, str(grant.row.consent_id)), ())
    return [*nobodys, *(one for one in said if _means(one, grant, mine, index, refused))]


def _means(end: Opened, grant: Opened, mine: Sequence[Opened], index: Index, refused: frozenset[str]) -> bool:
    """Whether a withdrawal means this consent of its author."""
    own = {str(grant.row.consent_id), grant.number}
    if end.controller == grant.controller and (end.row.consent_id in own or end.number in own):
        return True
    if end.number in {f"{grant.controller}:{one}" for one in own}:
        return True
    if end.controller != grant.controller and end.number in own:
        return not _has_own(end, index, refused)
    return not end.fields and not _known(end, mine, index, refused) and _given_by(grant, end)


def _has_own(end: Opened, index: Index, refused: frozenset[str]) -> bool:
    """Whether its agency had a consent of its author under the id that it names: then that one is meant."""
    author = index.person(end.row.subject)
    recorded = index.grants.get((end.controller, str(end.row.consent_id)), ())
    return any(
        index.concerns(one, author) and _given_by(one, end) and one.row.event_id not in refused
        for one in recorded
    )


def _known(end: Opened, mine: Sequence[Opened], index: Index, refused: frozenset[str]) -> bool:
    """Whether any consent bears the id of a withdrawal whose content cannot be read. If none does, it may mean each."""
    own = {name for one in mine if one.grants for name in (one.row.consent_id, one.number)}
    return end.row.consent_id in own or _has_own(end, index, refused)


def _given_by(grant: Opened, end: Opened) -> bool:
    """Whether the consent had been given when it was taken back."""
    return bool(grant.fields["granted_at"] <= moment(max(end.row.occurred_at, end.row.received_at)))


def _consent(grant: Opened, endings: Sequence[Opened], index: Index) -> Consent:
    fields, whole, parts = grant.fields, [], []
    for end in endings:
        at = effective(end)
        scope = withdrawn_scope(end.row.scope, at, index.agencies)
        if scope is None:
            whole.append(at)
        else:
            parts.append(scope)
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
        scoped_withdrawals=tuple(sorted(parts, key=lambda part: part.at)),
    )


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
