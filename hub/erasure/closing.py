"""Cases that were closed long enough ago: their records go, and the keys of whoever has none left (rule 5).

A joint case is closed when its end was recorded, or when every agency that told of it has closed its own, and nobody
has opened one since. The period runs from the last thing that was recorded of it. Types and times stand in clear, so no
box is opened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from hub import read_models, topology
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.erasure.completion import who_is
from hub.erasure.purge import destroy_keys, newest_box, version_of
from hub.parts import Parts
from hub.policy.retention import Retention, cutoff
from hub.ports import Forgotten
from hub.sealed.decode import envelope_of
from hub.store import erasures, subjects
from hub.store.bulk import among, values
from hub.subjects.tombstones import over
from projections.joint_case.tables import case_row
from schemas import decode_single

_OPENS, _CLOSES, _ENDS = "CaseOpened", "CaseClosed", "JointCaseEnded"
_STATE = "case_closed"


class Doomed(NamedTuple):
    """A row of the joint case that is kept no more, and the categories of its content."""

    gone: Forgotten
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Closing:
    """Closed cases with the marks that end their records, and the rows that end now; `last` names the last case that
    was looked at, and is empty when there was none."""

    marks: Mapping[str, Mapping[str, int]]  # case → category ("" for all) → until
    rows: Sequence[Doomed]
    last: str


def closing(connection: Connection, retention: Retention, now: datetime, beyond: str, limit: int) -> Closing:
    """What the retention of closed cases ends at `now`, of the first `limit` closed cases behind `beyond`."""
    categories = {"", *(category for one in retention if one.state == _STATE for category in one.categories)}
    until = {c: micros(cutoff(retention, _STATE, now, frozenset({c} - {""}))) for c in categories}
    page = _told_closed(connection, beyond, limit)
    closed = _closed(connection, page, max(until.values()))
    marks = {
        case: {category: at for category, end in until.items() if at <= end} for case, at in closed.items()
    }
    return Closing(marks, list(_rows(connection, marks)), page[-1] if page else "")


def _told_closed(connection: Connection, beyond: str, limit: int) -> list[str]:
    """The first cases behind `beyond` whose end an agency has told, in order."""
    c, live = case_row.c, subjects.live_generation(connection, "joint_case")
    told = c.event_type.in_((_CLOSES, _ENDS))
    wanted = select(c.case_key).where(c.generation == live, told, c.case_key > beyond)
    return list(connection.execute(wanted.distinct().order_by(c.case_key).limit(limit)).scalars())


def _closed(connection: Connection, page: Sequence[str], until: int) -> dict[str, int]:
    """case → when the last thing was recorded of its joint case, for those of the page's joint cases that have been
    closed since `until`. A joint case belongs to the page of the first of its cases whose end was told."""
    live = subjects.live_generation(connection, "joint_case")
    together = subjects.cases_of(connection, set(subjects.joint_cases(connection, page).values()))
    cases = {case for name in together.values() for case in name}
    last = _last(connection, live, cases)
    recorded = _recorded(connection, live, cases)
    mine, found = set(page), dict[str, int]()
    for members in together.values():
        first = min(case for case in members if last.get(case, {}).keys() & {_CLOSES, _ENDS})
        spoken = [case for case in members if case in recorded]
        end = max((recorded[case] for case in spoken), default=until + 1)
        if first in mine and end <= until and _is_closed(spoken, last):
            found |= dict.fromkeys(spoken, end)
    return found


def _last(connection: Connection, live: int, cases: Iterable[str]) -> Mapping[str, Mapping[str, int]]:
    """case → when each kind of beginning and end was last told."""
    c = case_row.c
    wanted = (
        select(c.case_key, c.event_type, func.max(c.occurred_at).label("at"))
        .where(
            c.generation == live, among(connection, c.case_key), c.event_type.in_((_OPENS, _CLOSES, _ENDS))
        )
        .group_by(c.case_key, c.event_type)
    )
    last: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(wanted, {"keys": values(connection, cases)}):
        last[row.case_key][row.event_type] = row.at
    return last


def _recorded(connection: Connection, live: int, cases: Iterable[str]) -> dict[str, int]:
    """case → when the last thing was recorded of it."""
    c = case_row.c
    wanted = (
        select(c.case_key, func.max(c.recorded_at).label("at"))
        .where(c.generation == live, among(connection, c.case_key))
        .group_by(c.case_key)
    )
    found = connection.execute(wanted, {"keys": values(connection, cases)})
    return {row.case_key: row.at for row in found}


def _is_closed(cases: Sequence[str], last: Mapping[str, Mapping[str, int]]) -> bool:
    told = [last.get(case, {}) for case in cases]
    opened = max((one.get(_OPENS, -1) for one in told), default=-1)
    if any(one.get(_ENDS, -2) > opened for one in told):
        return True
    return all(one.get(_CLOSES, -2) > one.get(_OPENS, -1) for one in told)


def _rows(connection: Connection, marks: Mapping[str, Mapping[str, int]]) -> Iterable[Doomed]:
    c = case_row.c
    for case, until in sorted(marks.items()):
        for row in connection.execute(select(case_row).where(c.case_key == case)).all():
            envelope: Envelope = envelope_of(decode_single(row.envelope)[1])
            if over(until, row.recorded_at, lambda envelope=envelope: envelope):  # type: ignore[misc]
                categories = frozenset(envelope.fields.values())
                yield Doomed(Forgotten(row.subject, version_of(row)), categories)


def end_closed(connection: Connection, parts: Parts, found: Closing) -> None:
    """Remove the rows, and destroy the keys of those of whom none is left; their views are looked at again."""
    for case, until in found.marks.items():
        for category, at in until.items():
            erasures.close(connection, [case], category, at)
    gone = [row.gone for row in found.rows]
    read_models.forget(connection, parts, topology.PROJECT.stage, gone)
    left = sorted({one.subject for one in gone})
    subjects.raise_epochs(connection, left, micros(parts.clock.now()))
    erasures.mark_gone(connection, "box", {key: _end_person(connection, parts, key) for key in left})


def _end_person(connection: Connection, parts: Parts, key: str) -> int:
    c = case_row.c
    if connection.execute(select(func.count()).where(c.subject == key)).scalar_one():
        return 0
    who = who_is(connection, key)
    return newest_box(destroy_keys(parts, key, (who.person, key), who.same))
