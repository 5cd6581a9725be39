"""Links between agencies' persons and cases: rows of their own, resolved when reading (protocol rules 3 and 17)."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from hub.adapters.store import subjects
from hub.adapters.store.bulk import among, merge, values
from hub.adapters.store.tables import case_link, pairing, subject


class Pair(NamedTuple):
    """One person named on a pairing sheet by one agency."""

    digest: str
    member: int
    subject: str
    case_key: str
    occurred_at: int


def pair(connection: Connection, found: Pair) -> list[str]:
    """Keep the pairing; when another agency named the same code, link. Returns the subjects whose links changed."""
    merge(connection, pairing, [found], "DO NOTHING")
    p = pairing.c
    wanted = select(p.member, p.subject, p.case_key).where(p.digest == found.digest)
    rows = connection.execute(wanted).all()
    agencies = {row.subject.split(":", 1)[0] for row in rows}
    if len(agencies) < 2:
        return []
    link_cases(connection, {row.case_key for row in rows}, f"j_{found.digest}")
    same = {row.subject for row in rows if row.member == found.member}
    if len(same) < 2:
        return [found.subject]
    link_persons(connection, same, f"q_{found.digest}.{found.member}", found.occurred_at)
    return sorted(same)


def link_persons(connection: Connection, keys: Iterable[str], name: str, at: int) -> None:
    """These pseudonyms mean one person from `at` on, unless a later split says otherwise."""
    names = set(keys)
    known = subjects.states(connection, names)
    before = {state.person for state in known.values() if state.linked}
    person = min({name, *before})
    s = subject.c
    joined = update(subject).where(among(connection, s.key), s.changed_at <= at)
    connection.execute(
        joined.values(person=person, linked=True, split=False, changed_at=at),
        {"keys": values(connection, names)},
    )
    merged = update(subject).where(among(connection, s.person), s.linked).values(person=person)
    connection.execute(merged, {"keys": values(connection, before)})


def split_persons(connection: Connection, keys: Iterable[str], at: int) -> None:
    """These pseudonyms mean nobody else from `at` on, and leave every joint view until linked again (fail closed)."""
    s = subject.c
    for key in sorted(set(keys)):
        parted = update(subject).where(s.key == key, s.changed_at <= at)
        connection.execute(parted.values(person=key, linked=False, split=True, changed_at=at))


def link_cases(connection: Connection, cases: Iterable[str], name: str) -> None:
    """These cases are one joint case."""
    names = set(cases)
    before = set(subjects.joint_cases(connection, names).values()) - names
    joint = min({name, *before})
    merge(
        connection,
        case_link,
        [(case, joint) for case in sorted(names)],
        "(case_key) DO UPDATE SET joint_case = excluded.joint_case",
    )
    merged = update(case_link).where(among(connection, case_link.c.joint_case)).values(joint_case=joint)
    connection.execute(merged, {"keys": values(connection, before)})
