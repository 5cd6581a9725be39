"""Links between agencies' persons and cases: rows of their own, resolved when reading (protocol rules 3 and 17)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from hub.store import subjects, views
from hub.store.bulk import among, merge, values
from hub.store.tables import case_link, former_person, membership, pairing, subject

_LINKING = 0x666272_17  # names the lock in the database; any number that nothing else uses


ANY_CASE = ""
"""Of a person whom the other agency named: whichever case theirs is, where there is one only."""


class Pair(NamedTuple):
    """One person named on a pairing sheet by one agency, or by two workers of another."""

    digest: str
    member: int
    subject: str
    case_key: str
    occurred_at: int


def pair(connection: Connection, found: Sequence[Pair]) -> set[str]:
    """Keep the pairings; where another agency named the same code, link. Returns the subjects whose links changed.

    One worker at a time: two that took the two halves of a sheet at once would each see its own only, and never link.
    """
    _lock(connection)
    merge(connection, pairing, _named_once(found), _OWN_CASE)
    _fill_cases(connection, {one.subject for one in found if one.case_key == ANY_CASE})
    return _join(connection, {one.digest for one in found})


def find_cases(connection: Connection, keys: set[str]) -> set[str]:
    """Join the cases of those of these subjects who were named before the hub knew their case. Returns the subjects
    whose links changed."""
    digests = _fill_cases(connection, keys)
    if not digests:
        return set()
    _lock(connection)
    return _join(connection, digests)


def _lock(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(_LINKING)))


_OWN_CASE = (
    "(digest, member, subject) DO UPDATE SET case_key = excluded.case_key, occurred_at = excluded.occurred_at"
    " WHERE pairing.case_key = '' AND excluded.case_key <> ''"
)


def _named_once(found: Sequence[Pair]) -> list[Pair]:
    """Of one person on one sheet what their own agency said, else the first."""
    once: dict[tuple[str, int, str], Pair] = {}
    for one in sorted(set(found), key=lambda one: (one.case_key == ANY_CASE, *one)):
        once.setdefault((one.digest, one.member, one.subject), one)
    return list(once.values())


def _fill_cases(connection: Connection, keys: set[str]) -> set[str]:
    """Give those who were named without a case the one that they have, if it is one. Returns the sheets concerned."""
    p, m = pairing.c, membership.c
    wanted = select(p.digest, p.subject).where(among(connection, p.subject), p.case_key == ANY_CASE)
    waiting = connection.execute(wanted, {"keys": values(connection, keys)}).all()
    if not waiting:
        return set()
    cases: defaultdict[str, set[str]] = defaultdict(set)
    wanted = select(m.subject, m.case_key).where(among(connection, m.subject))
    for key, case in connection.execute(wanted, {"keys": values(connection, {key for _, key in waiting})}):
        cases[key].add(case)
    filled = {(digest, key): case for digest, key in waiting if len(cases[key]) == 1 for case in cases[key]}
    for (digest, key), case in sorted(filled.items()):
        mine = update(pairing).where(p.digest == digest, p.subject == key, p.case_key == ANY_CASE)
        connection.execute(mine.values(case_key=case))
    return {digest for digest, _ in filled}


def _join(connection: Connection, digests: set[str]) -> set[str]:
    """Link persons and cases of these sheets, as far as two agencies are named on them."""
    wanted = (
        select(pairing)
        .where(among(connection, pairing.c.digest))
        .order_by(pairing.c.digest, pairing.c.subject)
    )
    rows = [Pair(*row) for row in connection.execute(wanted, {"keys": values(connection, sorted(digests))})]
    sheets: defaultdict[str, list[Pair]] = defaultdict(list)
    for row in rows:
        sheets[row.digest].append(row)
    both = {digest: sheet for digest, sheet in sheets.items() if _joins(sheet)}
    named = {f"j_{digest}": {one.case_key for one in sheet} - {ANY_CASE} for digest, sheet in both.items()}
    named = {name: cases for name, cases in named.items() if len(cases) > 1}
    refused = link_cases(connection, named)
    both = {digest: sheet for digest, sheet in both.items() if f"j_{digest}" not in refused}
    return link_persons(connection, _same_persons(both))


def names_of(connection: Connection, key: str) -> set[str]:
    """Every name under which this pseudonym may have been a person by a pairing sheet: a split takes the name away, and
    what was disclosed under it stays."""
    p, keys = pairing.c, {key}
    while True:
        sheets = select(p.digest, p.member).where(among(connection, p.subject))
        rows = connection.execute(sheets, {"keys": values(connection, keys)}).all()
        wanted = select(p.digest, p.member, p.subject).where(among(connection, p.digest))
        found = connection.execute(wanted, {"keys": values(connection, {row.digest for row in rows})}).all()
        places = {(row.digest, row.member) for row in rows}
        more = {row.subject for row in found if (row.digest, row.member) in places}
        if more <= keys:
            return {f"q_{digest}.{member}" for digest, member in places}
        keys |= more


def _joins(sheet: Sequence[Pair]) -> bool:
    """Whether persons of two agencies or more are named."""
    return len({_agency(one.subject) for one in sheet}) > 1


def _agency(key: str) -> str:
    return key.split(":", 1)[0]


def _same_persons(sheets: Mapping[str, Sequence[Pair]]) -> dict[str, dict[str, int]]:
    """person name → subject key → when it was said, for every member whom two agencies named."""
    same: dict[str, dict[str, int]] = {}
    for digest, sheet in sheets.items():
        for one in sheet:
            same.setdefault(f"q_{digest}.{one.member}", {})[one.subject] = one.occurred_at
    return {name: keys for name, keys in same.items() if 1 < len(keys) == len({_agency(key) for key in keys})}


def link_persons(connection: Connection, same: Mapping[str, Mapping[str, int]]) -> set[str]:
    """The subjects of each name mean one person, unless a later split says otherwise. Returns whose link changed."""
    known = subjects.states(connection, {key for keys in same.values() for key in keys})
    before = {key: state.person for key, state in known.items() if state.linked}
    persons = _united({name: set(keys) for name, keys in same.items()}, before)
    said = {key: max(keys[key] for keys in same.values() if key in keys) for key in persons}
    rows = [(key, person, True, False, said[key], 1) for key, person in sorted(persons.items())]
    merge(connection, subject, rows, _LATER)
    _rename(connection, before, persons)
    _note_refused(connection, persons)
    return {key for key, person in persons.items() if not (key in known and known[key].person == person)}


_LATER = (
    "(key) DO UPDATE SET person = excluded.person, linked = excluded.linked, split = excluded.split,"
    " changed_at = excluded.changed_at WHERE subject.changed_at <= excluded.changed_at"
)


def _rename(connection: Connection, before: Mapping[str, str], persons: Mapping[str, str]) -> None:
    """Others that were linked to one of these under a name that is given up follow."""
    moves = {
        (before[key], person) for key, person in persons.items() if key in before and before[key] != person
    }
    for old, new in sorted(moves):
        connection.execute(
            update(subject).where(subject.c.person == old, subject.c.linked).values(person=new)
        )


def _note_refused(connection: Connection, persons: Mapping[str, str]) -> None:
    """Of a link that was read after the split that ended it: until that one was received they were one person."""
    now = subjects.states(connection, persons)
    refused = {key for key, person in persons.items() if now[key].person != person}
    if not refused:
        return
    f = former_person.c
    splits = select(f.subject, f.until).where(among(connection, f.subject), f.person == f.subject)
    rows = {
        (key, persons[split.subject], split.until)
        for split in connection.execute(splits, {"keys": values(connection, refused)})
        for key, person in persons.items()
        if person == persons[split.subject]
    }
    _keep_former(connection, rows)


def _keep_former(connection: Connection, rows: Iterable[tuple[str, str, int]]) -> None:
    merge(connection, former_person, sorted(rows), "(subject, person, until) DO NOTHING")


def split_persons(connection: Connection, keys: Iterable[str], at: int, received: int) -> set[str]:
    """These pseudonyms and all that were the same person until now mean nobody else from `at` on, and leave every joint
    view, between whichever agencies, until linked again (fail closed). Returns whose link changed.

    What one of them had taken back before the split was `received` stays taken back for all of them
    (`subjects.former`)."""
    same = subjects.aliases(connection, set(subjects.persons(connection, keys := set(keys)).values()))
    parted = keys.union(*same.values())
    shared = {(key, person, received) for person, of in same.items() for key in of}
    _keep_former(connection, shared | {(key, key, received) for key in parted})
    rows = [(key, key, False, True, at, 1) for key in sorted(parted)]
    merge(connection, subject, rows, _LATER)
    return parted


def link_cases(connection: Connection, sheets: Mapping[str, set[str]]) -> set[str]:
    """The cases of each name are one joint case. Returns the names that were refused: an agency has one case of a
    family (rule 3), so what would join two of its cases joins nobody until a person has looked."""
    found = subjects.joint_cases(connection, {case for cases in sheets.values() for case in cases})
    before = {case: joint for case, joint in found.items() if joint != case}
    joint = _united(sheets, before)
    crowded = _crowded(connection, joint, before)
    refused = {name for name, cases in sheets.items() if crowded & {joint[case] for case in cases}}
    joint = {case: name for case, name in joint.items() if name not in crowded}
    merge(
        connection,
        case_link,
        sorted(joint.items()),
        "(case_key) DO UPDATE SET joint_case = excluded.joint_case",
    )
    moves = {(before[case], name) for case, name in joint.items() if case in before and before[case] != name}
    for old, new in sorted(moves):
        c = case_link.c
        connection.execute(update(case_link).where(c.joint_case == old).values(joint_case=new))
        views.carry(connection, old, new)
    return refused


def _crowded(connection: Connection, joint: Mapping[str, str], before: Mapping[str, str]) -> set[str]:
    """The joint cases that would hold two cases of one agency."""
    held = subjects.cases_of(connection, set(before.values()))
    every: defaultdict[str, set[str]] = defaultdict(set)
    for case, name in joint.items():
        every[name] |= {case, *held.get(before.get(case, ""), ())}
    return {name for name, cases in every.items() if len({_agency(case) for case in cases}) < len(cases)}


def _united(groups: Mapping[str, set[str]], before: Mapping[str, str]) -> dict[str, str]:
    """item → name, where groups that share an item or an earlier name become one, under the smallest earlier name, or
    of all if there is none: what was shown under a name keeps it, so that its versions go on rising (rule 19)."""
    used = set(before.values())
    name_of: dict[str, str] = {}

    def root(name: str) -> str:
        while name_of.setdefault(name, name) != name:
            name = name_of[name]
        return name

    def unite(one: str, other: str) -> None:
        first, second = sorted((root(one), root(other)), key=lambda name: (name not in used, name))
        name_of[second] = first

    home: dict[str, str] = {}
    for name, items in groups.items():
        for item in items:
            unite(name, home.setdefault(item, name))
            if item in before:
                unite(name, before[item])
    return {item: root(name) for item, name in home.items()}
