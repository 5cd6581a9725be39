"""Proofs of consent whose retention is over: only this destroys a proof key (protocol rule 7).

The proofs of one joint case belong together: who signed for a child, and how old both were, proves the child's consent.
So they end together, when every consent of the case ended long enough ago and no record of it is left.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Row, case, delete, func, literal, select

from hub.adapters.store import erasures, subjects
from hub.adapters.store.bulk import among, values
from hub.adapters.store.retention import forget_links
from hub.domain.consent import ENDING
from hub.ports import KeyRef
from hub.stages import birthdays
from hub.stages.parts import Parts
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row

_GRANTS = "ConsentGranted"
_COLUMNS = (
    "subject",
    "case_key",
    "event_type",
    "consent_id",
    "occurred_at",
    "received_at",
    "valid_until",
    "scope",
)


class Ended(NamedTuple):
    """`rows`: subject → how many rows of the register end with its proof key; `last` names the last subject that was
    looked at, and is empty when there was none."""

    rows: Mapping[str, int]
    last: str


def ended_proofs(connection: Connection, until: int, beyond: str, limit: int) -> Ended:
    """What ends of the first `limit` subjects behind `beyond` about whom nothing was said since `until`."""
    live = subjects.live_generation(connection, "consent_register")
    page = _silent(connection, live, until, beyond, limit)
    own = _rows(connection, live, consent_row.c.subject, page)
    together = subjects.cases_of(
        connection, set(subjects.joint_cases(connection, {row.case_key for row in own}).values())
    )
    joint = {case_key: name for name, of in together.items() for case_key in of}
    about = {*page, *subjects.members(connection, joint)}
    rows = [row for row in _rows(connection, live, consent_row.c.subject, about) if row.case_key in joint]
    cases: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        cases[joint[row.case_key]].append(row)
    kept = {row.subject for of in cases.values() if not _over(of, _ends(of), until) for row in of}
    counted = Counter(row.subject for row in own if row.subject not in kept)
    busy = select(case_row.c.subject).where(among(connection, case_row.c.subject)).distinct()
    for key in connection.execute(busy, {"keys": values(connection, counted)}).scalars():
        del counted[key]
    return Ended(dict(sorted(counted.items())), page[-1] if page else "")


def _silent(connection: Connection, live: int, until: int, beyond: str, limit: int) -> list[str]:
    """The first subjects behind `beyond` of whom nothing but consents has come since `until`, in order: everybody else
    is kept for what was said."""
    c = consent_row.c
    said = func.max(case((c.event_type == _GRANTS, literal(0, BigInteger)), else_=c.received_at))
    wanted = (
        select(c.subject)
        .where(c.generation == live, c.subject > beyond)
        .group_by(c.subject)
        .having(said <= until)
        .order_by(c.subject)
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def _rows(connection: Connection, live: int, column: Column[Any], keys: Iterable[str]) -> Sequence[Row[Any]]:
    c = consent_row.c
    wanted = select(*(c[name] for name in _COLUMNS)).where(c.generation == live, among(connection, column))
    return connection.execute(wanted, {"keys": values(connection, keys)}).all()


def _ends(rows: Iterable[Row[Any]]) -> Mapping[str, int]:
    """consent → when it was withdrawn as a whole, at any agency that has the case."""
    ends: dict[str, int] = {}
    for row in rows:
        if row.event_type in ENDING and row.consent_id and row.scope is None:
            at = max(row.occurred_at, row.received_at)
            ends[row.consent_id] = min(at, ends.get(row.consent_id, at))
    return ends


def _over(rows: Iterable[Row[Any]], ends: Mapping[str, int], until: int) -> bool:
    """Whether every consent among these ended by then, and nothing was said since."""
    return all(_end(row, ends) <= until for row in rows)


def _end(row: Row[Any], ends: Mapping[str, int]) -> int:
    if row.event_type != _GRANTS:
        return int(row.received_at)
    found = [end for end in (row.valid_until, ends.get(row.consent_id)) if end is not None]
    return min(found, default=_NEVER)


_NEVER = 2**63 - 1


def end_proofs(connection: Connection, parts: Parts, doomed: Iterable[str]) -> None:
    """Destroy the keys, remove the rows and the links; the gate is told that the consents are no more."""
    keys = sorted(doomed)
    versions = {}
    for key in keys:
        agency, ref = key.split(":", 1)
        versions[key] = max(parts.keys.destroy(KeyRef("proof", agency, ref)).versions, default=0)
    erasures.mark_gone(connection, "proof", versions)
    theirs = delete(consent_row).where(among(connection, consent_row.c.subject))
    connection.execute(theirs, {"keys": values(connection, keys)})
    birthdays.forget(connection, keys)
    forget_links(connection, keys)
    subjects.mark_register(connection, keys)
    parts.knowledge.forget(keys)
