"""Marks, views, the disclosure register and the retrieval log."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql

from hub.store import subjects
from hub.store.bulk import among, merge, values
from hub.store.tables import (
    case_link,
    dirty,
    disclosure,
    membership,
    meta,
    quarantine_item,
    retrieval,
    view_claim,
    view_state,
)

DISCLOSE = "disclose"  # the stage under which a case waits in quarantine
LATE = "late"  # the answer of a sink to a view that was appended after its deadline


ViewKey = tuple[str, str, str, str]
"""Joint case, recipient, role, worker."""


class DirtyCase(NamedTuple):
    """A case to look at again; cleared only under the number that was read."""

    case_key: str
    number: int
    since: int
    urgent: bool = False
    withdrawn_at: int | None = None


class ViewRow(NamedTuple):
    """The newest view of (joint case, recipient, role, worker), sealed for the recipient; `worker` is empty where the
    view is the whole unit's."""

    joint_case: str
    recipient: str
    role: str
    worker: str
    view_id: str
    case_ref: str
    generation: int
    version: int
    state: str  # pending, delivered, or the sink's answer
    removed: bool
    content_mac: str
    as_of: int
    not_after: int
    epochs: str
    value: bytes

    @property
    def key(self) -> ViewKey:
        return self.joint_case, self.recipient, self.role, self.worker

    @property
    def rank(self) -> tuple[int, int]:
        """Which of two views of one key is the newer one."""
        return self.generation, self.version

    def __repr__(self) -> str:
        return f"ViewRow({self.view_id} {self.state})"


class DisclosureRow(NamedTuple):
    """One release of one person's data to one recipient."""

    view_id: str
    person: str
    sender: str
    recipient: str
    role: str
    joint_case: str
    purpose: str
    fields: str
    grounds: str
    policy_version: str
    epoch: int
    at: int
    delivered_at: int | None = None
    confirmed_at: int | None = None
    answer: str | None = None
    ended_by: str | None = None
    told_at: int | None = None
    ended_answer: str | None = None
    answered_at: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.view_id, self.person, self.sender


class Claim(NamedTuple):
    """Marked joint cases that one worker takes for a while, with all their marks; `number` is 0 where nobody shares."""

    number: int
    marks: Mapping[str, Sequence[DirtyCase]]


HELD_FOR = 300_000_000  # microseconds; then a case in quarantine is tried again by itself
CLAIM_LIFE = 15_000_000  # microseconds; then another worker takes what a dead one had claimed


def claim(connection: Connection, limit: int, now: int) -> Claim:
    """Take the joint cases of the urgent marks, then of the oldest, that no other worker is at work on.

    The marks stay free: whoever raises epochs locks persons first and marks after them. A claim holds as long as the
    mark that it was made for, so a withdrawal, which numbers it anew, never waits for a worker that stands still.
    """
    found = marks(connection, limit, now)
    joint = subjects.joint_cases(connection, [mark.case_key for mark in found])
    first = {joint[mark.case_key]: mark for mark in reversed(found)}
    number = 0
    if connection.dialect.name != "sqlite" and first:
        number = secrets.randbits(62) + 1
        mine = _claimed(connection, first, number, now)
        first = {name: mark for name, mark in first.items() if name in mine}
    cases = subjects.cases_of(connection, first)
    every = _marks_of(connection, [case for of in cases.values() for case in of])
    marked = {name: [every[case] for case in cases[name] if case in every] for name in reversed(first)}
    return Claim(number, {name: of for name, of in marked.items() if of})


def marks(connection: Connection, limit: int, now: int = 0) -> list[DirtyCase]:
    """The urgent marks that no worker has claimed, then the oldest; another worker passes over them until the
    transaction ends."""
    found: list[DirtyCase] = []
    for urgent_ones in (True, False):
        left = limit - len(found)
        if left:
            wanted = (
                _waiting_marks(now).where(dirty.c.urgent == urgent_ones).order_by(dirty.c.since).limit(left)
            )
            if connection.dialect.name != "sqlite":
                wanted = wanted.with_for_update(of=dirty, skip_locked=True)
            found += [DirtyCase(*row) for row in connection.execute(wanted)]
    return found


def _waiting_marks(now: int) -> Select[Any]:
    """Marks that are neither claimed nor in quarantine, under their number."""
    joint = func.coalesce(case_link.c.joint_case, dirty.c.case_key)
    standing, c, q = dirty.alias("standing"), view_claim.c, quarantine_item.c
    claimed = exists().where(
        c.joint_case == joint,
        c.until.between(now, now + CLAIM_LIFE),
        standing.c.case_key == c.case_key,
        standing.c.number == c.number,
    )
    held = exists().where(
        q.stage == DISCLOSE,
        q.item == dirty.c.case_key,
        q.number == dirty.c.number,
        q.at.between(now - HELD_FOR, now),
    )
    return (
        select(*(dirty.c[name] for name in DirtyCase._fields))
        .select_from(dirty.outerjoin(case_link, case_link.c.case_key == dirty.c.case_key))
        .where(~claimed, ~held)
    )


def _marks_of(connection: Connection, cases: Iterable[str]) -> dict[str, DirtyCase]:
    wanted = select(*(dirty.c[name] for name in DirtyCase._fields)).where(among(connection, dirty.c.case_key))
    rows = connection.execute(wanted, {"keys": values(connection, cases)})
    return {row.case_key: DirtyCase(*row) for row in rows}


def _claimed(connection: Connection, first: Mapping[str, DirtyCase], number: int, now: int) -> set[str]:
    """The joint cases that no other worker has claimed since their marks were looked at."""
    until = now + CLAIM_LIFE
    rows = [
        {
            "joint_case": name,
            "claim": number,
            "case_key": mark.case_key,
            "number": mark.number,
            "until": until,
        }
        for name, mark in sorted(first.items())
    ]
    adding = postgresql.insert(view_claim).values(rows)
    standing, c = dirty.alias("standing"), view_claim.c
    key: ColumnElement[str] = literal_column("view_claim.case_key")
    read: ColumnElement[int] = literal_column("view_claim.number")
    holds = exists().where(standing.c.case_key == key, standing.c.number == read)
    taking = adding.on_conflict_do_update(
        index_elements=[c.joint_case],
        set_={name: adding.excluded[name] for name in ("claim", "case_key", "number", "until")},
        where=~(c.until.between(now, until) & holds),
    ).returning(c.joint_case)
    return set(connection.execute(taking).scalars())


def release_claim(connection: Connection, claimed: Claim) -> None:
    """What is still marked is free for every worker."""
    connection.execute(delete(view_claim).where(view_claim.c.claim == claimed.number))


def one_at_a_time(connection: Connection, joint_cases: Iterable[str]) -> None:
    """Until the transaction ends nobody else prepares a view of these: each version of a view is given out once."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK_IN_ORDER, {"names": sorted(joint_cases)}).all()


_LOCK_IN_ORDER = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 18))"
    " FROM (SELECT name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name) AS ordered"
)


def clear(connection: Connection, done: Iterable[DirtyCase]) -> None:
    """Remove these marks where they still carry the number that was read, and no other."""
    read = [(mark.case_key, mark.number) for mark in done]
    if read:
        connection.execute(delete(dirty).where(tuple_(dirty.c.case_key, dirty.c.number).in_(read)))


def urgent(connection: Connection) -> bool:
    """Whether a case waits that must not wait."""
    return bool(connection.execute(select(exists().where(dirty.c.urgent))).scalar_one())


def waiting(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(dirty)).scalar_one())


def members(connection: Connection, cases: Iterable[str]) -> dict[str, list[str]]:
    """case → all subjects that it concerns."""
    found: dict[str, list[str]] = {}
    m = membership.c
    wanted = (
        select(m.case_key, m.subject).where(among(connection, m.case_key)).order_by(m.case_key, m.subject)
    )
    for case_key, key in connection.execute(wanted, {"keys": values(connection, cases)}):
        found.setdefault(case_key, []).append(key)
    return found


def newest(connection: Connection, joint_cases: Iterable[str]) -> dict[ViewKey, ViewRow]:
    """The newest view of every recipient, role and named worker of these joint cases."""
    wanted = select(view_state).where(among(connection, view_state.c.joint_case))
    rows = [ViewRow(*row) for row in connection.execute(wanted, {"keys": values(connection, joint_cases)})]
    return {row.key: row for row in rows}


def carry(connection: Connection, old: str, new: str) -> None:
    """A joint case became part of another: its views go with it. Those of which the other has one of its own stay under
    the old name, which is no case any more, and are marked: the next round removes them."""
    v, other = view_state.c, view_state.alias("other").c
    taken = exists().where(
        other.joint_case == new,
        other.recipient == v.recipient,
        other.role == v.role,
        other.worker == v.worker,
    )
    connection.execute(update(view_state).where(v.joint_case == old, ~taken).values(joint_case=new))
    left = select(v.joint_case, func.max(v.as_of)).where(v.joint_case == old).group_by(v.joint_case)
    for name, at in connection.execute(left).all():
        row = (name, secrets.randbits(62), at, True, None)
        merge(
            connection,
            dirty,
            [row],
            "(case_key) DO UPDATE SET number = excluded.number, urgent = excluded.urgent",
        )


_NEWEST = (
    "(joint_case, recipient, role, worker) DO UPDATE SET view_id = excluded.view_id, case_ref = excluded.case_ref,"
    " generation = excluded.generation, version = excluded.version, state = excluded.state, removed = excluded.removed,"
    " content_mac = excluded.content_mac, as_of = excluded.as_of, not_after = excluded.not_after,"
    " epochs = excluded.epochs, value = excluded.value"
    " WHERE (view_state.generation, view_state.version) < (excluded.generation, excluded.version)"
)


def save_views(connection: Connection, rows: Sequence[ViewRow]) -> None:
    merge(connection, view_state, rows, _NEWEST)


def versions(
    connection: Connection, joint_cases: Iterable[str]
) -> dict[ViewKey, tuple[str, tuple[int, int]]]:
    """(joint case, recipient, role, worker) → id and rank of the newest view."""
    v = view_state.c
    wanted = select(v.joint_case, v.recipient, v.role, v.worker, v.view_id, v.generation, v.version).where(
        among(connection, v.joint_case)
    )
    rows = connection.execute(wanted, {"keys": values(connection, joint_cases)})
    return {tuple(row[:4]): (row.view_id, (row.generation, row.version)) for row in rows}


def replaced(connection: Connection, rows: Sequence[ViewRow]) -> set[str]:
    """The joint cases of those of these views that are the newest no more: another worker has gone on with them."""
    found = versions(connection, {row.joint_case for row in rows})
    return {row.joint_case for row in rows if found.get(row.key) != (row.view_id, row.rank)}


def registered_as(
    connection: Connection, view_ids: Iterable[str]
) -> dict[str, set[tuple[str, str, str, str, str]]]:
    """View → what the disclosure register says that it shows: person, sender, fields, grounds, policy version."""
    d = disclosure.c
    wanted = select(d.view_id, d.person, d.sender, d.fields, d.grounds, d.policy_version).where(
        among(connection, d.view_id)
    )
    found: dict[str, set[tuple[str, str, str, str, str]]] = {}
    for view_id, *said in connection.execute(wanted, {"keys": values(connection, view_ids)}):
        found.setdefault(view_id, set()).add(tuple(said))
    return found


def put_back(connection: Connection, aborted: ViewRow, before: ViewRow | None) -> None:
    """Undo a view that was recorded and certainly not produced, unless a newer one has taken its place: the next one
    has its number, and the disclosure register names no release that was none."""
    v = view_state.c
    mine = (v.view_id == aborted.view_id, v.generation == aborted.generation, v.version == aborted.version)
    gone = connection.execute(delete(view_state).where(*mine).returning(v.view_id)).all()
    if gone and before is not None:
        connection.execute(insert(view_state).values(**before._asdict()))
    if before is None or before.view_id != aborted.view_id:
        connection.execute(delete(disclosure).where(disclosure.c.view_id == aborted.view_id))


def save_disclosures(connection: Connection, rows: Sequence[DisclosureRow]) -> None:
    merge(connection, disclosure, rows, "(view_id, person, sender) DO NOTHING")


def delivered(connection: Connection, view_ids: Iterable[str], at: int) -> None:
    """The broker confirmed these views; a release that is renewed was delivered when it first was."""
    bound = {"keys": values(connection, view_ids)}
    connection.execute(
        update(view_state).where(among(connection, view_state.c.view_id)).values(state="delivered"), bound
    )
    first = (among(connection, disclosure.c.view_id), disclosure.c.delivered_at.is_(None))
    connection.execute(update(disclosure).where(*first).values(delivered_at=at), bound)


def ended(connection: Connection, replaced: Iterable[tuple[str, str]], at: int) -> None:
    """(earlier view, the one that took its place) of views that were delivered: what the recipient had, it had till
    now, and it was told at `at`."""
    pairs = [{"old": old, "new": new, "told": at} for old, new in replaced]
    if pairs:
        connection.execute(_ENDED, pairs)


_ENDED = (
    update(disclosure)
    .where(disclosure.c.view_id == bindparam("old"), disclosure.c.ended_by.is_(None))
    .values(ended_by=bindparam("new"), told_at=bindparam("told"))
)


def confirmed(connection: Connection, recipient: str, view_id: str, answer: str, at: int) -> None:
    """The recipient's sink said what became of its view and of what it had before; of others' it says nothing. A view
    that came too late is shown to nobody, so its case is looked at again."""
    v, d = view_state.c, disclosure.c
    mine = update(view_state).where(v.view_id == view_id, v.recipient == recipient)
    connection.execute(mine.values(state=answer))
    entries = update(disclosure).where(d.view_id == view_id, d.recipient == recipient)
    connection.execute(entries.values(confirmed_at=at, answer=answer))
    before = update(disclosure).where(d.ended_by == view_id, d.recipient == recipient)
    connection.execute(before.values(answered_at=at, ended_answer=answer))
    if answer == LATE:
        late = select(v.joint_case, v.as_of).where(v.view_id == view_id, v.recipient == recipient)
        for joint_case, as_of in connection.execute(late).all():
            subjects.mark_dirty(connection, subjects.cases_of(connection, [joint_case])[joint_case], as_of)


def ending_before(connection: Connection, until: int, beyond: str, limit: int) -> list[str]:
    """The first joint cases behind `beyond` of which a shown view runs out before `until`, in order: they are renewed
    while the ground lasts."""
    v = view_state.c
    wanted = (
        select(v.joint_case)
        .where(~v.removed, v.not_after < until, v.joint_case > beyond)
        .distinct()
        .order_by(v.joint_case)
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def log_retrieval(
    connection: Connection,
    joint_case: str,
    recipient: str,
    role: str,
    worker: str | None,
    purpose: str,
    policy_version: str,
    at: int,
) -> None:
    """Every look is logged in the transaction that reads (R13); retrieval logs have their own, shorter life."""
    connection.execute(
        insert(retrieval).values(
            joint_case=joint_case,
            recipient=recipient,
            role=role,
            worker=worker,
            purpose=purpose,
            policy_version=policy_version,
            at=at,
        )
    )


def restore_generation(connection: Connection) -> int:
    """Rises with every restore, so that versions of views rise even then (rule 19)."""
    found = connection.execute(select(meta.c.value).where(meta.c.name == "restore_generation")).scalar()
    return int(found or 1)


def counts(connection: Connection) -> dict[str, int]:
    """Views shown now, disclosures, joint cases with a view."""
    v = view_state.c
    shown = select(func.count()).where(~v.removed)
    cases = select(func.count(v.joint_case.distinct()))
    released = select(func.count()).select_from(disclosure)
    return {
        "views": int(connection.execute(shown).scalar_one()),
        "joint_cases": int(connection.execute(cases).scalar_one()),
        "disclosures": int(connection.execute(released).scalar_one()),
    }
