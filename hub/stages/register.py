"""Stage register: what each agency's gate must know of consents, written back to it (protocol rule 9).

An agency gets the consents whose sender it is, in its own pseudonyms, with the hub's verdict instead of the signers: it
learns nothing of who signed at the other office. A heartbeat tells the gate that its register is up to date.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, delete, select, tuple_

from hub.adapters.store.bulk import among, merge, values
from hub.adapters.store.tables import register_dirty, registered
from hub.domain.clock import micros
from hub.domain.consent import Consent, ScopedWithdrawal
from hub.domain.seal import place, seal
from hub.policy.grounds import signed
from hub.ports import Key, KeyRef, Outgoing
from hub.stages.knowledge import Knowledge
from hub.stages.learning import learn
from hub.stages.parts import Parts
from schemas import encode_single, record_schema

ENTRY = record_schema("register")


def write_register(parts: Parts, limit: int = 500) -> int:
    """Write the entries of changed persons; call again until it answers 0."""
    with parts.store.transaction() as connection:
        marked = connection.execute(
            select(register_dirty)
            .order_by(register_dirty.c.subject)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if not marked:
            return 0
        names = [row.subject for row in marked]
        known = learn(connection, parts.keys, parts.knowledge, names)
        before = _registered(connection, names)
    now = parts.clock.now()
    named = {(key, consent.id) for key, one in known.items() for consent in _of_sender(key, one, now)}
    entries = _entries(parts, known, now) + [_tombstone(*gone) for gone in sorted(before - named)]
    for agency in sorted({agency for agency, _ in entries}):
        parts.log.append(f"agency.{agency}.register", [record for to, record in entries if to == agency])
    with parts.store.transaction() as connection:
        _keep(connection, named - before, before - named)
        _clear(connection, [(row.subject, row.number) for row in marked])
    return len(marked)


def beat(parts: Parts) -> None:
    """Tell every gate that the register is complete up to now."""
    now = micros(parts.clock.now())
    for agency in sorted(parts.agencies):
        entry = encode_single(ENTRY, _entry("heartbeat", agency, now))
        parts.log.append(f"agency.{agency}.register", [Outgoing(b"heartbeat", entry)])


def _clear(connection: Connection, read: Sequence[tuple[str, int]]) -> None:
    r = register_dirty.c
    connection.execute(delete(register_dirty).where(tuple_(r.subject, r.number).in_(read)))


def _registered(connection: Connection, names: Sequence[str]) -> set[tuple[str, str]]:
    wanted = select(registered).where(among(connection, registered.c.subject))
    return {
        (key, consent) for key, consent in connection.execute(wanted, {"keys": values(connection, names)})
    }


def _keep(connection: Connection, new: set[tuple[str, str]], gone: set[tuple[str, str]]) -> None:
    merge(connection, registered, sorted(new), "(subject, consent_id) DO NOTHING")
    r = registered.c
    if gone:
        connection.execute(delete(registered).where(tuple_(r.subject, r.consent_id).in_(sorted(gone))))


def _entries(parts: Parts, known: Mapping[str, Knowledge], now: datetime) -> list[tuple[str, Outgoing]]:
    """(agency, entry) of every consent that its gate may count on."""
    wanted = {
        key: KeyRef("proof", *key.split(":", 1)) for key, one in known.items() if _of_sender(key, one, now)
    }
    keys = parts.keys.sealing(wanted.values())
    return [
        (ref.controller, Outgoing(consent.id.encode(), _consent_entry(keys[ref], consent, known[key], now)))
        for key, ref in wanted.items()
        for consent in _of_sender(key, known[key], now)
    ]


def _tombstone(key: str, consent_id: str) -> tuple[str, Outgoing]:
    """A consent that is not this person's any more, as after a split: the gate forgets it."""
    return key.split(":", 1)[0], Outgoing(consent_id.encode(), b"")


def _of_sender(key: str, knowledge: Knowledge, at: datetime) -> list[Consent]:
    agency = key.split(":", 1)[0]
    return [] if knowledge.split else [one for one in knowledge.consents_at(at) if one.sender == agency]


def _consent_entry(key: Key, consent: Consent, knowledge: Knowledge, now: datetime) -> bytes:
    content = _content(consent, verdict=signed(consent, knowledge.subject(now), now))
    where = place("register", ENTRY.fingerprint, consent.id.encode(), key.ref.subject, "CT", key.version)
    box = seal(key.cipher, key.version, orjson.dumps(content), where)
    entry = _entry("consent", key.ref.controller, micros(now))
    return encode_single(
        ENTRY, entry | {"consent_id": consent.id, "subject_ref": key.ref.subject, "box": box}
    )


def _content(consent: Consent, *, verdict: bool) -> dict[str, Any]:
    """A consent without its signers."""
    return {
        "id": consent.id,
        "sender": consent.sender,
        "signed": verdict,
        "form": consent.form,
        "recipients": sorted(consent.recipients),
        "recipient_workers": sorted(consent.recipient_workers),
        "purposes": sorted(consent.purposes),
        "categories": sorted(consent.categories),
        "explicit_special": consent.explicit_special,
        "notices": sorted(consent.notices),
        "text_version": consent.text_version,
        "proof_hash": consent.proof_hash,
        "granted_at": consent.granted_at.isoformat(),
        "valid_until": _iso(consent.valid_until),
        "withdrawn_at": _iso(consent.withdrawn_at),
        "scoped_withdrawals": [_scope(s) for s in consent.scoped_withdrawals],
    }


def _scope(part: ScopedWithdrawal) -> dict[str, Any]:
    return {
        "at": part.at.isoformat(),
        "purposes": sorted(part.purposes),
        "categories": sorted(part.categories),
        "recipients": sorted(part.recipients),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _entry(kind: str, agency: str, at: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "agency": agency,
        "at": at,
        "consent_id": None,
        "subject_ref": None,
        "key_version": None,
        "box": None,
    }


def key_entries(parts: Parts, refs: Iterable[KeyRef]) -> None:
    """Name the new key version of persons whose box key was fenced, so that the connector publishes again (rule 4)."""
    now = micros(parts.clock.now())
    for ref, key in parts.keys.sealing(refs).items():
        entry = _entry("key", ref.controller, now) | {"subject_ref": ref.subject, "key_version": key.version}
        record = Outgoing(f"key {ref.subject}".encode(), encode_single(ENTRY, entry))
        parts.log.append(f"agency.{ref.controller}.register", [record])
