"""Persons, families and cases: whom the hub takes a pseudonym to be, and the epoch of what it knows of them."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, union, update

from hub.store.bulk import among, merge, values
from hub.store.tables import (
    case_link,
    coming_of_age,
    dirty,
    ending,
    former_person,
    generation,
    membership,
    register_dirty,
    subject,
)

_DO_NOTHING = "DO NOTHING"


class SubjectState(NamedTuple):
    """A subject's row: `person` is the hub's name for whom two linked pseudonyms mean."""

    key: str
    person: str
    linked: bool
    split: bool
    epoch: int


def stranger(key: str) -> SubjectState:
    """A subject that the hub has never heard of: itself, with nothing known."""
    return SubjectState(key, key, linked=False, split=False, epoch=0)


def is_family(key: str) -> bool:
    """A family's own subject ref is its case ref."""
    return key.split(":", 1)[1].startswith("f_")


def states(connection: Connection, keys: Iterable[str], *, share: bool = False) -> dict[str, SubjectState]:
    """The rows of these subjects; with `share` locked against a rise of their epoch, in a fixed order (rule 18)."""
    s = subject.c
    wanted = (
        select(s.key, s.person, s.linked, s.split, s.epoch).where(among(connection, s.key)).order_by(s.key)
    )
    if share:
        wanted = wanted.with_for_update(read=True)
    rows = connection.execute(wanted, {"keys": values(connection, keys)}).all()
    return {row[0]: SubjectState._make(row) for row in rows}


def aliases(connection: Connection, persons_: Iterable[str]) -> dict[str, list[str]]:
    """person → all subject keys that mean this person."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    wanted = (
        select(subject.c.person, subject.c.key)
        .where(among(connection, subject.c.person))
        .order_by(subject.c.key)
    )
    for person, key in connection.execute(wanted, {"keys": values(connection, persons_)}).all():
        found[person].append(key)
    return dict(found)


def former(connection: Connection, keys: Iterable[str]) -> dict[str, dict[str, int]]:
    """subject key → every other key that was the same person once, until when (microseconds since 1970 UTC): the moment
    at which the split that took them apart was received."""
    f, wanted = former_person.c, set(keys)
    mine = select(f.subject, f.person, f.until).where(among(connection, f.subject))
    groups = connection.execute(mine, {"keys": values(connection, wanted)}).all()
    if not groups:
        return {}
    theirs = select(f.subject, f.person, f.until).where(among(connection, f.person))
    held: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for row in connection.execute(theirs, {"keys": values(connection, {row.person for row in groups})}):
        held[row.person, row.until].add(row.subject)
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in groups:
        for other in held[row.person, row.until] - {row.subject}:
            found[row.subject][other] = max(row.until, found[row.subject].get(other, row.until))
    return dict(found)


def persons(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """subject key → person; keys without a row are absent and mean themselves."""
    return {key: state.person for key, state in states(connection, keys).items()}


def joint_cases(connection: Connection, cases: Iterable[str]) -> dict[str, str]:
    """case key → joint case; a case that is not linked is its own."""
    names = list(cases)
    wanted = select(case_link.c.case_key, case_link.c.joint_case).where(
        among(connection, case_link.c.case_key)
    )
    linked: dict[str, str] = {
        row.case_key: row.joint_case
        for row in connection.execute(wanted, {"keys": values(connection, names)}).all()
    }
    return {name: linked.get(name, name) for name in names}


def cases_of(connection: Connection, joint: Iterable[str]) -> dict[str, list[str]]:
    """joint case → the agencies' cases in it."""
    names = list(joint)
    found: defaultdict[str, list[str]] = defaultdict(list)
    wanted = (
        select(case_link.c.joint_case, case_link.c.case_key)
        .where(among(connection, case_link.c.joint_case))
        .order_by(case_link.c.case_key)
    )
    for joint_case, case_key in connection.execute(wanted, {"keys": values(connection, names)}).all():
        found[joint_case].append(case_key)
    return {name: found.get(name, [name]) for name in names}


def households(connection: Connection, families: Iterable[str]) -> dict[str, list[str]]:
    """family subject → the persons known in its case and the cases linked to it."""
    names = list(families)
    joint = joint_cases(connection, names)
    linked = cases_of(connection, set(joint.values()))
    of_case: defaultdict[str, list[str]] = defaultdict(list)
    wanted = select(membership.c.case_key, membership.c.subject).where(
        among(connection, membership.c.case_key)
    )
    every = {case for cases in linked.values() for case in cases}
    for case_key, key in connection.execute(wanted, {"keys": values(connection, every)}).all():
        of_case[case_key].append(key)
    return {
        name: sorted({key for case in linked[joint[name]] for key in of_case[case] if not is_family(key)})
        for name in names
    }


def members(connection: Connection, cases: Iterable[str]) -> set[str]:
    """Everybody who is known in one of these cases, the families themselves included."""
    wanted = select(membership.c.subject).where(among(connection, membership.c.case_key)).distinct()
    return set(connection.execute(wanted, {"keys": values(connection, cases)}).scalars())


def cases_of_subject(connection: Connection, key: str) -> list[str]:
    """The cases in which this subject is known."""
    wanted = select(membership.c.case_key).where(membership.c.subject == key).order_by(membership.c.case_key)
    return list(connection.execute(wanted).scalars())


def newcomers(connection: Connection, members: Iterable[tuple[str, str]]) -> set[str]:
    """The subjects of those of these (subject, case) pairs that the hub has not heard of."""
    pairs = set(members)
    wanted = select(membership.c.subject, membership.c.case_key).where(
        among(connection, membership.c.subject)
    )
    bound = {"keys": values(connection, {key for key, _ in pairs})}
    return {key for key, _ in pairs - set(map(tuple, connection.execute(wanted, bound).all()))}


def register(connection: Connection, members: Iterable[tuple[str, str]]) -> None:
    """Make sure that these (subject, case) pairs have their rows: persons, families, membership."""
    pairs = set(members)
    pairs |= {(case_key, case_key) for _, case_key in pairs}
    pairs -= _registered(connection, {key for key, _ in pairs})
    rows = [(key, key, False, False, 0, 1) for key in sorted({key for key, _ in pairs})]
    merge(connection, subject, rows, _DO_NOTHING)
    merge(connection, membership, sorted(pairs), _DO_NOTHING)


def _registered(connection: Connection, keys: set[str]) -> set[tuple[str, str]]:
    """The pairs that these subjects have: most are known, and looking is cheaper than writing in vain."""
    wanted = select(membership).where(among(connection, membership.c.subject))
    return set(map(tuple, connection.execute(wanted, {"keys": values(connection, keys)}).all()))


def concerned(connection: Connection, keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """All subjects and cases that a change about these subjects may touch: their other pseudonyms, and the households
    of all their cases, which a split leaves joined. Coarse on purpose: an epoch that rises in vain costs a look, one
    that does not costs trust."""
    names = set(keys)
    same = aliases(connection, set(persons(connection, names).values()))
    names |= {key for of in same.values() for key in of}
    wanted = select(membership.c.case_key).where(among(connection, membership.c.subject))
    cases = set(connection.execute(wanted, {"keys": values(connection, names)}).scalars())
    linked = cases_of(connection, set(joint_cases(connection, cases).values()))
    cases |= {case for of in linked.values() for case in of}
    wanted = select(membership.c.subject).where(among(connection, membership.c.case_key))
    names |= set(connection.execute(wanted, {"keys": values(connection, cases)}).scalars())
    return sorted(names), sorted(cases)


def raise_epochs(
    connection: Connection, keys: Iterable[str], at: int, withdrawn_at: int | None = None
) -> int:
    """Raise the epoch of everybody concerned and mark their cases and register entries (rule 10). Returns how many.

    `withdrawn_at`: when the withdrawal that is behind it was received, for the time to its effect.
    """
    names, cases = _locked(connection, set(keys))
    bound = {"keys": values(connection, names)}
    connection.execute(
        update(subject).where(among(connection, subject.c.key)).values(epoch=subject.c.epoch + 1), bound
    )
    mark_dirty(connection, cases, at, urgent=True, withdrawn_at=withdrawn_at)
    mark_register(connection, names)
    return len(names)


def raise_all(connection: Connection, at: int, beyond: str = "", limit: int | None = None) -> list[str]:
    """Raise the epochs of the first `limit` subjects behind `beyond` and mark their cases: all is decided anew, page by
    page (rule 10). Returns the subjects, in order.

    The marks are ordinary ones, so that no withdrawal queues behind them.
    """
    page = select(subject.c.key).where(subject.c.key > beyond).order_by(subject.c.key).limit(limit)
    keys = list(connection.execute(page.with_for_update()).scalars())
    bound = {"keys": values(connection, keys)}
    mine = among(connection, subject.c.key)
    connection.execute(update(subject).where(mine).values(epoch=subject.c.epoch + 1), bound)
    cases = select(membership.c.case_key).where(among(connection, membership.c.subject)).distinct()
    mark_dirty(connection, connection.execute(cases, bound).scalars(), at)
    mark_register(connection, keys)
    return keys


class Birthdays(NamedTuple):
    """Keyed hashes of days, for each age at which somebody comes of age."""

    fifteenth: Sequence[str]
    eighteenth: Sequence[str]


def coming_of_age_on(connection: Connection, days: Birthdays, beyond: str, limit: int) -> list[str]:
    """The first subjects behind `beyond` who come of age on one of these days, in order."""
    c = coming_of_age.c
    found = union(
        *(
            select(c.subject).where(among(connection, c[name], name), c.subject > beyond)
            for name in Birthdays._fields
        )
    ).subquery()
    wanted = select(found.c.subject).order_by(found.c.subject).limit(limit)
    bound = {name: values(connection, of) for name, of in days._asdict().items()}
    return list(connection.execute(wanted, bound).scalars())


def _locked(connection: Connection, keys: set[str]) -> tuple[list[str], list[str]]:
    """Everybody concerned, locked in a fixed order, and their cases. Whom a link joined to them while we waited for the
    lock is concerned as well, so it is asked until nobody joins."""
    names, cases = concerned(connection, keys)
    wanted = select(subject.c.key).where(among(connection, subject.c.key)).order_by(subject.c.key)
    while True:
        connection.execute(wanted.with_for_update(), {"keys": values(connection, names)}).all()
        before = names
        names, cases = concerned(connection, keys)
        if connection.dialect.name == "sqlite" or set(names) <= set(before):
            return names, cases


def mark_dirty(
    connection: Connection,
    cases: Iterable[str],
    at: int,
    *,
    urgent: bool = False,
    withdrawn_at: int | None = None,
) -> None:
    """Number a mark on each case; whoever clears it must have read this number (rule 18). An `urgent` one goes first:
    a withdrawal does not queue behind a month end."""
    number = secrets.randbits(62)
    rows = [(case, number, at, urgent, withdrawn_at) for case in sorted(set(cases))]
    merge(connection, dirty, rows, _AGAIN)


_AGAIN = (
    "(case_key) DO UPDATE SET number = excluded.number, urgent = dirty.urgent OR excluded.urgent,"
    " withdrawn_at = COALESCE(dirty.withdrawn_at, excluded.withdrawn_at)"
)


def mark_register(connection: Connection, keys: Iterable[str]) -> None:
    number = secrets.randbits(62)
    rows = [(key, number) for key in sorted(set(keys))]
    merge(connection, register_dirty, rows, "(subject) DO UPDATE SET number = excluded.number")


def mark_ending(connection: Connection, keys: Iterable[str]) -> None:
    """Their last ground may have ended: whoever looks does so after this transaction, even after a crash (rule 5)."""
    number = secrets.randbits(62)
    rows = [(key, number) for key in sorted(set(keys))]
    merge(connection, ending, rows, "(subject) DO UPDATE SET number = excluded.number")


def endings(connection: Connection, limit: int = 500) -> list[tuple[str, int]]:
    """Persons to look at, with the numbers of their marks; locked until the transaction ends."""
    wanted = select(ending.c.subject, ending.c.number).order_by(ending.c.subject).limit(limit)
    return [(row.subject, row.number) for row in connection.execute(wanted.with_for_update(skip_locked=True))]


def clear_endings(connection: Connection, read: Iterable[tuple[str, int]]) -> None:
    for key, number in read:
        connection.execute(delete(ending).where(ending.c.subject == key, ending.c.number == number))


def live_generation(connection: Connection, projection: str) -> int:
    """Which set of rows of a read model is shown."""
    found = connection.execute(
        select(generation.c.live).where(generation.c.projection == projection)
    ).scalar()
    return 1 if found is None else int(found)
