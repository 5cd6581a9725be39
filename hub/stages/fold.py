"""From the rows of the sealed consent register to what is known of a person: opened in memory, then folded.

The fold does not depend on the order in which events came (protocol rules 7 and 8). A grant that cannot be read grants
nothing; a withdrawal whose scope cannot be read withdraws everything; of two grants with one id the smaller
(recorded_at, event_id) stands.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.domain.clock import moment
from hub.domain.consent import Consent, ScopedWithdrawal, objects_76
from hub.domain.envelope import Envelope
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

    @classmethod
    def of(
        cls, opened: Sequence[Opened], names: Mapping[str, str], agencies: frozenset[str] = frozenset()
    ) -> "Index":
        by_subject: defaultdict[str, list[Opened]] = defaultdict(list)
        endings: defaultdict[str, list[Opened]] = defaultdict(list)
        for one in opened:
            by_subject[one.row.subject].append(one)
            if one.row.event_type in _WITHDRAWING and one.row.consent_id:
                endings[one.row.consent_id].append(one)
        return cls(by_subject, endings, names, agencies)

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
        for ref in (*one.fields.get("granted_by", ()), *one.fields.get("custodians", ()))
    }


def facts_of(key: str, aliases: Iterable[str], index: Index) -> Knowledge:
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
        consents=tuple(
            _signed_as_recorded(one, by, mine, custody, index) for one, by in _consents(mine, index)
        ),
        objections=tuple(sorted(_effective(one) for one in mine if _objects_76(one))),
    )


def _newest(mine: Iterable[Opened], types: frozenset[str]) -> list[Opened]:
    """The newest version of each record of these types."""
    newest: dict[str, Opened] = {}
    for one in mine:
        if one.row.event_type not in types or not one.fields:
            continue
        held = newest.get(one.row.record_ref)
        if held is None or _version(held) < _version(one):
            newest[one.row.record_ref] = one
    return list(newest.values())


def _version(one: Opened) -> tuple[int, int]:
    return one.row.source_version, one.row.publication


def _when(one: Opened) -> tuple[int, int, str]:
    return one.row.occurred_at, one.row.source_version, one.row.event_id


def _effective(one: Opened) -> datetime:
    """A withdrawal or objection holds from when it was made, or received if that was earlier."""
    return moment(min(one.row.occurred_at, one.row.received_at))


def _objects_76(one: Opened) -> bool:
    """An objection whose norm cannot be read counts (fail closed)."""
    return one.row.event_type == "ObjectionRaised" and objects_76(str(one.fields.get("norm", "76")))


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


def _signed_as_recorded(
    consent: Consent, controller: str, mine: Iterable[Opened], custody: Opened | None, index: Index
) -> Consent:
    """Where several agencies tell of the same custody, each in its own names, who signed for all custodians in the
    recording agency's names signed for all: a custodian who was split is still the one whom that agency means."""
    held = {
        one.controller: [index.name(one.controller, ref) for ref in one.fields.get("custodians", ())]
        for one in mine
        if one.row.event_type == "CustodyChanged"
        and custody
        and one.row.occurred_at == custody.row.occurred_at
    }
    own = held.get(controller)
    if not own or not set(own) <= set(consent.granted_by):
        return consent
    everyone = dict.fromkeys((*consent.granted_by, *(name for names in held.values() for name in names)))
    return replace(consent, granted_by=tuple(everyone))


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
