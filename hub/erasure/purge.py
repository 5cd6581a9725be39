"""Taking away what is left of a person once no ground is: keys, rows of the read models, events on hold.

The same goes for cases that were closed long enough ago (rule 5). A joint case is closed when its end was recorded, or
when every agency that told of it has closed its own, and nobody has opened one since; the period runs from the last
thing that was recorded of it. Types and times stand in clear, so no box is opened.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from hub import read_models, topology
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.erasure.completion import who_is
from hub.parts import Parts
from hub.policy.retention import Retention, cutoff
from hub.ports import Certificate, Forgotten, KeyRef, RecordVersion
from hub.sealed.decode import envelope_of
from hub.store import admissions, erasures, subjects
from hub.store.bulk import among, values
from hub.store.tables import erased
from hub.subjects.tombstones import dark, over
from hub.views.record import subject_at
from projections.joint_case.tables import case_row
from schemas import decode_single


def destroy_keys(parts: Parts, subject: str, names: Iterable[str], same: Sequence[str]) -> list[Certificate]:
    """Fence, destroy, evict: the key of the boxes, and those under which others were shown what was in them. `names`
    are the hub's for the person: a link may have given another one since; `same`: all its subject keys."""
    sender, ref = subject.split(":", 1)
    refs = {KeyRef("box", sender, ref)}
    for recipient in parts.agencies.keys() - {sender}:
        refs |= {
            KeyRef("view", recipient, subject_at(parts.secret, recipient, name, same), sender)
            for name in names
        }
    return [parts.keys.destroy(ref) for ref in sorted(refs)]


def newest_box(proofs: Iterable[Certificate]) -> int:
    """The newest version of the boxes' key among the destroyed ones; 0 when there never was one."""
    return max((v for proof in proofs if proof.ref.kind == "box" for v in proof.versions), default=0)


def purge(parts: Parts, versions: Mapping[str, int]) -> int:
    """Remove the rows of these subjects up to these key versions; how many the joint case had."""
    if not versions:
        return 0
    with parts.store.transaction() as connection:
        erasures.lock_forgetting(connection)
        return remove_rows(connection, parts, versions)[case_row.name]


def remove_rows(connection: Connection, parts: Parts, versions: Mapping[str, int]) -> Counter[str]:
    """Remove what is dark of these subjects (subject → newest destroyed key version) from every read model of the
    event store; how many rows each lost."""
    gone = [one for key, version in sorted(versions.items()) for one in _dark(connection, key, version)]
    return read_models.forget(connection, parts, topology.PROJECT.stage, gone)


def _dark(connection: Connection, subject: str, version: int) -> Iterator[Forgotten]:
    """The records whose boxes nobody can open any more. The joint case tells: it keeps each as it came."""
    for row in connection.execute(select(case_row).where(case_row.c.subject == subject)).all():
        if dark(envelope_of(decode_single(row.envelope)[1]), version):
            yield Forgotten(subject, version_of(row))


def version_of(row: Row[Any]) -> RecordVersion:
    """Which version of which record a row of the joint case holds."""
    return RecordVersion(row.controller, row.record_ref, row.source_version, row.publication)


def gone_with_rows(connection: Connection, beyond: str, limit: int) -> list[tuple[str, int]]:
    """The first subjects behind `beyond` with rows and a destroyed key, in order, with its newest version."""
    left = select(case_row.c.subject).where(case_row.c.subject == erased.c.subject)
    wanted = (
        select(erased.c.subject, erased.c.version)
        .where(erased.c.kind == "box", erased.c.subject > beyond, left.exists())
        .order_by(erased.c.subject)
        .limit(limit)
    )
    return [(row.subject, row.version) for row in connection.execute(wanted)]


def remove_held(connection: Connection, parts: Parts, subject: str, version: int, rule: str) -> int:
    """Events that wait for a decision end as withheld."""
    rows = [
        row
        for row in admissions.held_of(connection, subject)
        if dark(envelope_of(decode_single(row.value)[1]), version)
    ]
    at, policy = micros(parts.clock.now()), parts.gate.policy.version
    admissions.save_decisions(connection, [admissions.withheld(row, rule, policy, at) for row in rows])
    admissions.let_go(connection, rows)
    return len(rows)


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
