"""Stage register: what each agency's gate must know of consents, written back to it (protocol rule 9).

An agency gets the consents whose sender it is, in its own pseudonyms, with the hub's verdict instead of the signers: it
learns nothing of who signed at the other office. An entry is written when it says something else and at no other time:
epochs rise with everything that happens in a household, which is not the agency's to count. A heartbeat tells the gate
that its register is up to date.

A worker that stood still may write an older word after a newer one. So each record bears a number that rose in a
transaction that found its persons as they were read: the gate takes the highest, in whatever order they stand. Each
entry has a number of its own, for one that all share would tell an agency how often others' entries change. A worker
that finds, once it has written, that a person has changed meanwhile marks them anew, so that the last record is the
newest word too.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, delete, select, tuple_, update

from hub.adapters.store import quarantines, subjects
from hub.adapters.store.bulk import among, merge, values
from hub.adapters.store.tables import register_dirty, register_order, registered
from hub.domain.clock import micros
from hub.domain.consent import Consent, ScopedWithdrawal, recorded_id
from hub.domain.seal import place, seal
from hub.errors import DataError
from hub.policy.grounds import signed
from hub.ports import Key, KeyRef, Outgoing
from hub.stages.driver import isolated
from hub.stages.knowledge import Knowledge
from hub.stages.learning import learn
from hub.stages.parts import Parts
from schemas import encode_single, record_schema, topics

STAGE = "register"
ENTRY = record_schema("register")
JOINT, ENTRUSTED = "joint", "A65"
ORDER = "order"
"""The header of a record that may be overtaken: the higher the number, the newer the word."""
_TRIES = 10
_NEXT = "CASE WHEN register_order.number >= excluded.number THEN register_order.number + 1 ELSE excluded.number END"
Name = tuple[str, str]  # subject key, consent id


class _Entry(NamedTuple):
    """An entry for the agency named first; `said` is the same as long as it says the same, whenever it is written."""

    record: tuple[str, Outgoing]
    said: str


class _Marked(NamedTuple):
    """A person whose entries may have changed, by the number of the mark that says so."""

    subject: str
    number: int


def write_register(parts: Parts, limit: int = 500) -> int:
    """Write the entries of changed persons; call again until it answers 0. A person whose entries cannot be made waits
    alone."""
    with parts.store.transaction() as connection:
        aside = len(quarantines.items(connection, STAGE))
        r = register_dirty.c
        wanted = select(r.subject, r.number).order_by(r.subject).limit(limit + aside)
        marked = [_Marked(*row) for row in connection.execute(wanted)]
    return sum(
        isolated(parts, STAGE, marked, partial(_write, parts), lambda m: m.subject, lambda m: m.number)
    )


def _write(parts: Parts, marked: Sequence[_Marked]) -> int:
    """Write the entries of these persons, made anew when one of them changes meanwhile. Raises DataError when that
    happens every time: whoever does not come to rest waits alone."""
    if any(_written(parts, marked) for _ in range(_TRIES)):
        return len(marked)
    raise DataError("persons changed each time while their entries were made", reason="changing", place=STAGE)


def _written(parts: Parts, marked: Sequence[_Marked]) -> bool:
    with parts.store.transaction() as connection:
        names = [one.subject for one in marked]
        known = learn(connection, parts.keys, parts.knowledge, names)
        before = _registered(connection, names)
        joint = _joint(connection, names)
        signers = subjects.aliases(connection, _confiders(known.values()))
    now = parts.clock.now()
    entries = _entries(parts, known, signers, now)
    entries |= {(case, f"{JOINT} {case.split(':', 1)[1]}"): _joint_entry(case, micros(now)) for case in joint}
    changed = {name: one for name, one in entries.items() if before.get(name) != one.said}
    gone = sorted(before.keys() - entries.keys())
    written = {name: one.record for name, one in changed.items()} | {name: _tombstone(*name) for name in gone}
    with parts.store.transaction() as connection:
        if _moved(connection, known):
            return False
        numbers = _numbers(connection, sorted(written), micros(now))
    _append(parts, [(to, _numbered(record, numbers[name])) for name, (to, record) in written.items()])
    with parts.store.transaction() as connection:
        _keep(connection, [(*name, one.said) for name, one in changed.items()], gone)
        _clear(connection, marked)
        _write_newer(connection, known)
    return True


def _moved(connection: Connection, read: Mapping[str, Knowledge]) -> list[str]:
    """Who has changed since they were read; the others change only when the transaction has ended."""
    now = subjects.states(connection, read, share=True)
    return [key for key, state in now.items() if state.epoch != read[key].epoch]


def _numbers(connection: Connection, names: Sequence[Name], at: int) -> Mapping[Name, int]:
    """The next number of each of these entries, from the time on."""
    merge(
        connection,
        register_order,
        [(*name, at) for name in names],
        f"(subject, consent_id) DO UPDATE SET number = {_NEXT}",
    )
    wanted = select(register_order).where(among(connection, register_order.c.subject))
    found = connection.execute(wanted, {"keys": values(connection, {subject for subject, _ in names})})
    return {(subject, consent): number for subject, consent, number in found}


def _numbered(record: Outgoing, order: int) -> Outgoing:
    return record._replace(headers=((ORDER, b"%d" % order),))


def _write_newer(connection: Connection, read: Mapping[str, Knowledge]) -> None:
    """Have the entries written anew of those who have changed since they were read: whoever wrote them meanwhile was
    overtaken by this older word."""
    if moved := _moved(connection, read):
        stale = update(registered).where(registered.c.subject.in_(moved))
        connection.execute(stale.values(said=""))
        subjects.mark_register(connection, moved)


def write_again(connection: Connection) -> None:
    """Forget what the registers said last, so that every entry is written anew: a restored log may have lost some."""
    connection.execute(update(registered).values(said=""))
    subjects.mark_register(connection, connection.execute(select(registered.c.subject).distinct()).scalars())


def _append(parts: Parts, entries: Sequence[tuple[str, Outgoing]]) -> None:
    for agency in sorted({agency for agency, _ in entries}):
        parts.log.append(topics()["register"].of(agency), [record for to, record in entries if to == agency])


def beat(parts: Parts) -> None:
    """Tell every gate that the register is complete up to now."""
    now = micros(parts.clock.now())
    for agency in sorted(parts.agencies):
        entry = encode_single(ENTRY, _entry("heartbeat", agency, now))
        parts.log.append(topics()["register"].of(agency), [Outgoing(b"heartbeat", entry)])


def _clear(connection: Connection, read: Sequence[tuple[str, int]]) -> None:
    r = register_dirty.c
    connection.execute(delete(register_dirty).where(tuple_(r.subject, r.number).in_(read)))


def _registered(connection: Connection, names: Sequence[str]) -> dict[Name, str]:
    wanted = select(registered).where(among(connection, registered.c.subject))
    found = connection.execute(wanted, {"keys": values(connection, names)})
    return {(key, consent): said for key, consent, said in found}


def _keep(connection: Connection, new: Sequence[tuple[str, str, str]], gone: Sequence[Name]) -> None:
    merge(connection, registered, sorted(new), "(subject, consent_id) DO UPDATE SET said = excluded.said")
    r = registered.c
    if gone:
        connection.execute(delete(registered).where(tuple_(r.subject, r.consent_id).in_(gone)))


def _confiders(known: Iterable[Knowledge]) -> set[str]:
    """Who alone signed a consent for entrusted data: the agency to whom they confided must know that it was they
    (§ 65 SGB VIII), and knows them."""
    signed_alone = (one for knowledge in known for one in knowledge.consents if ENTRUSTED in one.categories)
    return {one.granted_by[0] for one in signed_alone if len(set(one.granted_by)) == 1}


def _entries(
    parts: Parts, known: Mapping[str, Knowledge], signers: Mapping[str, Sequence[str]], now: datetime
) -> dict[Name, _Entry]:
    """The entry of every consent that its sender's gate may count on."""
    wanted = {
        key: KeyRef("proof", *key.split(":", 1)) for key, one in known.items() if _of_sender(key, one, now)
    }
    keys = parts.keys.sealing(wanted.values())
    return {
        (key, recorded_id(ref.controller, consent.id)): _consent_entry(
            parts, keys[ref], consent, known[key], signers, now
        )
        for key, ref in wanted.items()
        for consent in _of_sender(key, known[key], now)
    }


def _joint(connection: Connection, names: Iterable[str]) -> list[str]:
    """Those of these families that are linked: both offices hold the joint form, so their custody, birth dates and
    objections matter to what either sends, and may be said. It tells of no consent, and of no person."""
    families = [name for name in names if subjects.is_family(name)]
    of = subjects.cases_of(connection, set(subjects.joint_cases(connection, families).values()))
    return sorted({case for cases in of.values() if len(cases) > 1 for case in cases}.intersection(families))


def _joint_entry(case: str, now: int) -> _Entry:
    agency, ref = case.split(":", 1)
    entry = _entry(JOINT, agency, now) | {"subject_ref": ref}
    return _Entry((agency, Outgoing(f"{JOINT} {ref}".encode(), encode_single(ENTRY, entry))), JOINT)


def _tombstone(key: str, consent_id: str) -> tuple[str, Outgoing]:
    """A consent that is not this person's any more, as after a split: the gate forgets it."""
    return key.split(":", 1)[0], Outgoing(consent_id.encode(), b"")


def _of_sender(key: str, knowledge: Knowledge, at: datetime) -> list[Consent]:
    """The consents of the subject whose sender is its agency. After a split those alone that were taken back: the gate
    knows its own consents, and not what was said at another office against them."""
    agency = key.split(":", 1)[0]
    mine = [one for one in knowledge.consents_at(at) if one.sender == agency]
    return [one for one in mine if one.withdrawn_at or one.scoped_withdrawals or not knowledge.split]


def _consent_entry(
    parts: Parts,
    key: Key,
    consent: Consent,
    knowledge: Knowledge,
    signers: Mapping[str, Sequence[str]],
    now: datetime,
) -> _Entry:
    verdict = signed(consent, knowledge.subject(now), now)
    confider = _confider(consent, key.ref.controller, signers)
    content = orjson.dumps(_content(consent, verdict=verdict) | ({"confider": confider} if confider else {}))
    name = recorded_id(key.ref.controller, consent.id)
    where = place("register", ENTRY.fingerprint, name.encode(), key.ref.subject, "CT", key.version)
    entry = _entry("consent", key.ref.controller, micros(now)) | {
        "consent_id": name,
        "subject_ref": key.ref.subject,
        "box": seal(key.cipher, key.version, content, where),
    }
    said = hmac.new(parts.secret, where + content, hashlib.sha256).hexdigest()[:32]
    return _Entry((key.ref.controller, Outgoing(name.encode(), encode_single(ENTRY, entry))), said)


def _confider(consent: Consent, agency: str, signers: Mapping[str, Sequence[str]]) -> str | None:
    """The agency's own name of who alone signed for entrusted data."""
    if ENTRUSTED not in consent.categories or len(set(consent.granted_by)) != 1:
        return None
    own = (
        key for key in signers.get(consent.granted_by[0], consent.granted_by) if key.startswith(f"{agency}:")
    )
    found = next(own, None)
    return found.split(":", 1)[1] if found else None


def _content(consent: Consent, *, verdict: bool) -> dict[str, Any]:
    """A consent without its signers."""
    return {
        "id": consent.number,
        "recorded_by": consent.recorded_by,
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


def erased_entry(subject: str, at: int) -> tuple[str, Outgoing]:
    """(agency, entry): what its gate must not publish again, of what there was until `at`, before a later consent."""
    agency, ref = subject.split(":", 1)
    entry = _entry("erased", agency, at) | {"subject_ref": ref}
    return agency, Outgoing(f"erased {ref}".encode(), encode_single(ENTRY, entry))


def key_entries(parts: Parts, refs: Iterable[KeyRef]) -> None:
    """Name the new key version of persons whose box key was fenced, so that the connector publishes again (rule 4)."""
    now = micros(parts.clock.now())
    for ref, key in parts.keys.sealing(refs).items():
        entry = _entry("key", ref.controller, now) | {"subject_ref": ref.subject, "key_version": key.version}
        record = Outgoing(f"key {ref.subject}".encode(), encode_single(ENTRY, entry))
        parts.log.append(topics()["register"].of(ref.controller), [record])
