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

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_, update

from hub.domain.clock import micros
from hub.domain.consent import recorded_id
from hub.errors import DataError
from hub.isolation import isolated
from hub.parts import Parts
from hub.ports import KeyRef, Outgoing
from hub.store import quarantines, subjects
from hub.store.bulk import among, merge, values
from hub.store.tables import register_dirty, register_order, registered
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from hub.subjects.register_entries import (
    ENTRUSTED,
    ENTRY,
    JOINT,
    RegisterEntry,
    _entry,
    consent_entry,
    joint_entry,
    of_sender,
    tombstone,
)
from schemas import encode_single, topics

STAGE = "register"
ORDER = "order"
"""The header of a record that may be overtaken: the higher the number, the newer the word."""
_TRIES = 10
_NEXT = "CASE WHEN register_order.number >= excluded.number THEN register_order.number + 1 ELSE excluded.number END"
Name = tuple[str, str]  # subject key, consent id


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
    entries |= {(case, f"{JOINT} {case.split(':', 1)[1]}"): joint_entry(case, micros(now)) for case in joint}
    changed = {name: one for name, one in entries.items() if before.get(name) != one.said}
    gone = sorted(before.keys() - entries.keys())
    written = {name: one.record for name, one in changed.items()} | {name: tombstone(*name) for name in gone}
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
) -> dict[Name, RegisterEntry]:
    """The entry of every consent that its sender's gate may count on."""
    wanted = {
        key: KeyRef("proof", *key.split(":", 1)) for key, one in known.items() if of_sender(key, one, now)
    }
    keys = parts.keys.sealing(wanted.values())
    return {
        (key, recorded_id(ref.controller, consent.id)): consent_entry(
            parts, keys[ref], consent, known[key], signers, now
        )
        for key, ref in wanted.items()
        for consent in of_sender(key, known[key], now)
    }


def _joint(connection: Connection, names: Iterable[str]) -> list[str]:
    """Those of these families that are linked: both offices hold the joint form, so their custody, birth dates and
    objections matter to what either sends, and may be said. It tells of no consent, and of no person."""
    families = [name for name in names if subjects.is_family(name)]
    of = subjects.cases_of(connection, set(subjects.joint_cases(connection, families).values()))
    return sorted({case for cases in of.values() if len(cases) > 1 for case in cases}.intersection(families))
