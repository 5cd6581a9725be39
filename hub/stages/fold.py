"""From the rows of the sealed consent register to what is known of a person: opened in memory, then folded.

The fold does not depend on the order in which events came (protocol rules 7 and 8). A grant that cannot be read grants
nothing; a withdrawal whose scope cannot be read withdraws everything; of two grants with one id the smaller
(recorded_at, event_id) stands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.domain.clock import moment
from hub.domain.consent import Consent, ScopedWithdrawal, objects_76
from hub.domain.envelope import Envelope
from hub.policy.control import ControlData, Statement
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from hub.ports import KeyStore
from hub.stages.boxes import Content, content, keys_for
from hub.stages.decode import envelope_of
from hub.stages.knowledge import Knowledge
from projections.consent_register import queries
from projections.consent_register.queries import RegisterRow
from schemas import decode_single

_WITHDRAWING = frozenset(queries.ENDING)
_RECORDING = frozenset({"SubjectRecorded", "SubjectChanged"})
_CUSTODY = frozenset({"CustodyChanged"})
_OBJECTING = frozenset({"ObjectionRaised"})
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


@dataclass(frozen=True, slots=True)
class Index:
    by_subject: Mapping[str, Sequence[Opened]]
    endings: Mapping[str, Sequence[Opened]]
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
        endings: defaultdict[str, list[Opened]] = defaultdict(list)
        for one in opened:
            by_subject[one.row.subject].append(one)
            if one.row.event_type in _WITHDRAWING and one.row.consent_id:
                endings[one.row.consent_id].append(one)
        return cls(by_subject, endings, names, agencies, offices)

    def name(self, controller: str, ref: str) -> str:
        key = f"{controller}:{ref}"
        return self.names.get(key, key)


def open_rows(connection: Connection, keys: KeyStore, subject_keys: Iterable[str]) -> list[Opened]:
    generation = subjects.live_generation(connection, "consent_register")
    rows = {row.event_id: row for row in queries.about(connection, generation, subject_keys)}
    ids = {row.consent_id for row in rows.values() if row.consent_id}
    rows |= {row.event_id: row for row in queries.ending(connection, generation, ids)} if ids else {}
    envelopes = {event_id: _envelope(row.envelope) for event_id, row in rows.items()}
    found = keys_for(keys, "proof", envelopes.values())
    return [
        Opened(row, envelope.controller_id, envelope.recorded_at, content(envelope, "proof", found))
        for event_id, row in sorted(rows.items())
        for envelope in (envelopes[event_id],)
    ]


def _envelope(value: bytes) -> Envelope:
    return envelope_of(decode_single(value)[1])


def named(opened: Iterable[Opened]) -> set[str]:
    """Every subject key that signers and custodians name."""
    return {
        f"{one.controller}:{ref}"
        for one in opened
        for ref in (*(one.fields.get("granted_by") or ()), *(one.fields.get("custodians") or ()))
    }


def facts_of(key: str, aliases: Iterable[str], index: Index) -> Knowledge:
    mine = [one for alias in sorted(aliases) for one in index.by_subject.get(alias, ())]
    granted = list(_consents(mine, index))
    control = _control(mine, index)
    held = {name for one in control.custody for name in one.value}
    return Knowledge(
        person=key,
        epoch=0,
        control=control,
        consents=tuple(consent for consent, _ in granted),
        recorded_at={consent.id: office for consent, office in granted},
        offices={name: index.offices[name] for name in held if name in index.offices},
        objections=tuple(sorted(_effective(one) for one in _newest(mine, _OBJECTING) if _objects_76(one))),
    )


def _control(mine: Iterable[Opened], index: Index) -> ControlData:
    """What the newest version of each record states, from its own date on. A version without any field takes the
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


def _newest(mine: Iterable[Opened], types: frozenset[str]) -> list[Opened]:
    """The newest version of each record of these types, readable or not."""
    newest: dict[tuple[str, str], Opened] = {}
    for one in mine:
        if one.row.event_type in types:
            record = one.controller, one.row.record_ref
            held = newest.get(record)
            if held is None or _version(held) < _version(one):
                newest[record] = one
    return [newest[record] for record in sorted(newest)]


def _version(one: Opened) -> tuple[int, int, str]:
    return one.row.source_version, one.row.publication, one.row.event_id


def _effective(one: Opened) -> datetime:
    """A withdrawal or objection holds from when it was made, or received if that was earlier."""
    return moment(min(one.row.occurred_at, one.row.received_at))


def _objects_76(one: Opened) -> bool:
    """An objection whose norm cannot be read counts (fail closed)."""
    return objects_76(str(one.fields.get("norm") or "76"))


def _consents(mine: Sequence[Opened], index: Index) -> Iterable[tuple[Consent, str]]:
    """Each consent, and the agency that recorded it."""
    grants: dict[str, Opened] = {}
    for one in mine:
        if one.row.event_type == "ConsentGranted" and one.row.consent_id and one.fields.keys() >= _NEEDED:
            held = grants.get(one.row.consent_id)
            if held is None or _first(one) < _first(held):
                grants[one.row.consent_id] = one
    for consent_id, grant in sorted(grants.items()):
        endings = [*index.endings.get(consent_id, ()), *_of_person(mine, grant)]
        yield _consent(grant, endings, index), grant.controller


def _of_person(mine: Iterable[Opened], grant: Opened) -> list[Opened]:
    """Broken withdrawals that name nobody's consent: they end all that the person had signed by then."""
    return [
        one
        for one in mine
        if one.row.event_type in _WITHDRAWING
        and one.row.consent_id is None
        and grant.fields["granted_at"] <= moment(max(one.row.occurred_at, one.row.received_at))
    ]


def _first(one: Opened) -> tuple[int, str]:
    return one.recorded_at, one.row.event_id


def _consent(grant: Opened, endings: Sequence[Opened], index: Index) -> Consent:
    fields, whole, parts = grant.fields, [], []
    for end in endings:
        at = _effective(end)
        scope = withdrawn_scope(end.row.scope, at, index.agencies)
        if scope is None:
            whole.append(at)
        else:
            parts.append(scope)
    ends = [fields[name] for name in ("valid_until", "withdrawn_at") if fields.get(name)]  # said beforehand
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
