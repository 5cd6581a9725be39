"""Proofs of consent whose retention is over: only this destroys a proof key (protocol rule 7).

The proofs of one joint case belong together: who signed for a child, and how old both were, proves the child's consent.
So they end together, when every consent of the case ended long enough ago and no record of it is left. Types and times
in clear tell in which cases that may be so; there the consents are opened, for only the fold knows what a withdrawal
took back (`hub.subjects.fold`).

A consent under an id that its agency had given to another one never stood: it ended when it was received. The one that
it was refused for stays as long as it is there, for else it would stand from then on. One that nobody can use, though
its key is there, is kept: a later release may read it. `hub.stages.unusable` tells of it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Row,
    Subquery,
    case,
    func,
    literal,
    select,
)

from hub import read_models, topology
from hub.domain.clock import micros
from hub.domain.consent import ENDING, Consent, consent_name
from hub.parts import Parts
from hub.ports import Forgotten, KeyRef
from hub.sealed.decode import envelope_of
from hub.store import erasures, subjects
from hub.store.bulk import among, values
from hub.store.retention import forget_links
from hub.store.tables import case_link, subject
from hub.subjects import birthdays
from hub.subjects.consent_index import open_rows
from hub.subjects.learning import learn
from projections.consent_register.queries import naming
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from schemas import decode_single

_GRANTS = "ConsentGranted"
_COLUMNS = (
    "event_id",
    "subject",
    "case_key",
    "event_type",
    "consent_id",
    "received_at",
    "valid_until",
)


class EndedProofs(NamedTuple):
    """`rows`: subject → how many rows of the register end with its proof key; `last` names the last joint case that was
    looked at, and is empty when no more come into question."""

    rows: Mapping[str, int]
    last: str


def ended_proofs(connection: Connection, parts: Parts, until: int, beyond: str, limit: int) -> EndedProofs:
    """The proofs that end with the first `limit` joint cases in question behind `beyond`. A person of several cases
    ends with the first of them, once all are over. Raises ServiceUnavailable."""
    live = subjects.live_generation(connection, "consent_register")
    page = _in_question(connection, live, until, beyond, limit)
    theirs = _register(connection, live, page)
    cases = _register(connection, live, {joint for joint, _ in theirs})
    over = _over(connection, parts, cases, until)
    joints: defaultdict[str, set[str]] = defaultdict(set)
    for joint, row in cases:
        joints[row.subject].add(joint)
    mine = {subject for subject, of in joints.items() if of <= over and min(of) in page}
    counted = Counter(row.subject for _, row in cases if row.subject in mine)
    busy = select(case_row.c.subject).where(among(connection, case_row.c.subject)).distinct()
    for key in connection.execute(busy, {"keys": values(connection, counted)}).scalars():
        del counted[key]
    for key in _refusing(connection, live, cases, counted):
        del counted[key]
    return EndedProofs(dict(sorted(counted.items())), page[-1] if len(page) == limit else "")


def _refusing(
    connection: Connection, live: int, register: Iterable[tuple[str, Row[Any]]], ending: Collection[str]
) -> set[str]:
    """Those of these subjects whose consent bears an id that its agency gave out again, to somebody who stays."""
    ids = {row.consent_id for _, row in register if row.subject in ending and row.event_type == _GRANTS}
    named: defaultdict[tuple[str, str | None], list[tuple[int, str, str]]] = defaultdict(list)
    for row in naming(connection, live, filter(None, ids)):
        if row.event_type == _GRANTS:
            given = envelope_of(decode_single(row.envelope)[1]).recorded_at, row.event_id, row.subject
            named[row.subject.split(":", 1)[0], row.consent_id].append(given)
    return {
        mine[2]
        for of in named.values()
        for mine, other in combinations(sorted(of), 2)
        if mine[2] in ending and other[2] not in ending
    }


def _in_question(connection: Connection, live: int, until: int, beyond: str, limit: int) -> list[str]:
    """The first joint cases behind `beyond` of which nothing but consents has come since `until`, in order, without
    those in which a consent must still stand: it has no end in time, nobody there and no person of it in another case
    has taken anything back, and its id was given out once. That leaves out nearly all, in one statement that groups the
    register and whose plan needs no statistics."""
    c = consent_row.c
    joint = func.coalesce(case_link.c.joint_case, c.case_key)
    grants = c.event_type == _GRANTS
    said = func.max(case((grants, literal(0, BigInteger)), else_=c.received_at))
    open_ = func.max(case((grants & (c.valid_until.is_(None) | (c.valid_until > until)), 1), else_=0))
    back, again = _took_back(live), _given_again(live)
    ended = c.event_type.in_(ENDING) | back.c.person.is_not(None) | again.c.consent_id.is_not(None)
    ending = func.max(case((ended, 1), else_=0))
    wanted = (
        select(joint)
        .select_from(
            consent_row.outerjoin(case_link, case_link.c.case_key == c.case_key)
            .outerjoin(subject, subject.c.key == c.subject)
            .outerjoin(back, back.c.person == subject.c.person)
            .outerjoin(again, again.c.consent_id == c.consent_id)
        )
        .where(c.generation == live, joint > beyond)
        .group_by(joint)
        .having((said <= until) & (open_ <= ending))
        .order_by(joint)
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def _took_back(live: int) -> Subquery:
    """The persons who took something back, in whichever case."""
    mine = consent_row.alias()
    return (
        select(subject.c.person)
        .select_from(mine.join(subject, subject.c.key == mine.c.subject))
        .where(mine.c.generation == live, mine.c.event_type.in_(ENDING))
        .distinct()
        .subquery()
    )


def _given_again(live: int) -> Subquery:
    """The ids that more than one grant bears."""
    mine = consent_row.alias()
    return (
        select(mine.c.consent_id)
        .where(mine.c.generation == live, mine.c.event_type == _GRANTS, mine.c.consent_id.is_not(None))
        .group_by(mine.c.consent_id)
        .having(func.count() > 1)
        .subquery()
    )


def _register(connection: Connection, live: int, joints: Iterable[str]) -> list[tuple[str, Row[Any]]]:
    """Every row about whoever is known in one of these joint cases, with the joint case that it belongs to."""
    cases = {case_key for of in subjects.cases_of(connection, joints).values() for case_key in of}
    rows = _rows(connection, live, consent_row.c.subject, subjects.members(connection, cases))
    joint = subjects.joint_cases(connection, {row.case_key for row in rows})
    return [(joint[row.case_key], row) for row in rows]


def _rows(connection: Connection, live: int, column: Column[Any], keys: Iterable[str]) -> Sequence[Row[Any]]:
    c = consent_row.c
    wanted = select(*(c[name] for name in _COLUMNS)).where(c.generation == live, among(connection, column))
    return connection.execute(wanted, {"keys": values(connection, keys)}).all()


def _over(
    connection: Connection, parts: Parts, register: Iterable[tuple[str, Row[Any]]], until: int
) -> set[str]:
    """The joint cases of which every consent had ended by then, and nothing was said since."""
    cases: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for joint, row in register:
        cases[joint].append(row)
    silent = {
        joint: [row for row in rows if _is_open(row, until)]
        for joint, rows in cases.items()
        if all(row.event_type == _GRANTS or row.received_at <= until for row in rows)
    }
    ended = _ended(connection, parts, [row for rows in silent.values() for row in rows], until)
    return {joint for joint, rows in silent.items() if all(row.event_id in ended for row in rows)}


def _is_open(row: Row[Any], until: int) -> bool:
    """Whether time alone has not ended this consent by then."""
    return row.event_type == _GRANTS and (row.valid_until is None or row.valid_until > until)


def _ended(connection: Connection, parts: Parts, grants: Sequence[Row[Any]], until: int) -> set[str]:
    """The event ids of those of these grants that had ended by then, by whoever's word, or never stood."""
    known = learn(connection, parts.keys, parts.knowledge, {row.subject for row in grants})
    consents = {one.id: one for knowledge in known.values() for one in knowledge.consents}
    held = {(key, one.id) for key, knowledge in known.items() for one in knowledge.consents}
    ended = {name for name, one in consents.items() if any(micros(end) <= until for end in _ends(one))}
    never = [row for row in grants if (row.subject, _name(row)) not in held and row.received_at <= until]
    found = {row.event_id for row in grants if _name(row) in ended}
    return found | _void(connection, parts, never) if never else found


def _void(connection: Connection, parts: Parts, grants: Sequence[Row[Any]]) -> set[str]:
    """Event ids of grants that do not stand and never will: refused, or under a destroyed key, as a crash leaves them
    (`end_proofs`)."""
    opened = open_rows(connection, parts.keys, {row.subject for row in grants})
    void = {one.row.event_id for one in opened if one.grants or one.content.state == "erased"}
    return void & {row.event_id for row in grants}


def _ends(consent: Consent) -> Iterator[datetime]:
    return (end for end in (consent.valid_until, consent.withdrawn_at) if end is not None)


def _name(row: Row[Any]) -> str:
    """The hub's name of the consent that this row grants."""
    return consent_name(row.subject.split(":", 1)[0], str(row.consent_id))


def end_proofs(connection: Connection, parts: Parts, doomed: Iterable[str]) -> None:
    """Destroy the keys, remove the rows and the links; the gate is told that the consents are no more."""
    keys = sorted(doomed)
    versions = {}
    for key in keys:
        agency, ref = key.split(":", 1)
        versions[key] = max(parts.keys.destroy(KeyRef("proof", agency, ref)).versions, default=0)
    erasures.mark_gone(connection, "proof", versions)
    read_models.forget(connection, parts, topology.CONSENTS.stage, list(map(Forgotten, keys)))
    birthdays.forget(connection, keys)
    forget_links(connection, keys)
    subjects.mark_register(connection, keys)
    parts.knowledge.forget(keys)
