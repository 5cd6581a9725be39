"""Marks, views, the disclosure register and the retrieval log."""

import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, text, tuple_, update

from hub.adapters.store.bulk import among, merge, values
from hub.adapters.store.tables import dirty, disclosure, membership, meta, retrieval, view_state


class Mark(NamedTuple):
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
    def key(self) -> tuple[str, str, str, str]:
        return self.joint_case, self.recipient, self.role, self.worker

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


def marks(connection: Connection, limit: int) -> list[Mark]:
    """The urgent marks, then the oldest. They are not locked: whoever raises epochs locks persons first and marks after
    them, and who did it the other way round would wait for a withdrawal that waits for him."""
    wanted = select(*(dirty.c[name] for name in Mark._fields)).order_by(
        dirty.c.urgent.desc(), dirty.c.since, dirty.c.case_key
    )
    return [Mark(*row) for row in connection.execute(wanted.limit(limit))]


def one_at_a_time(connection: Connection, joint_cases: Iterable[str]) -> None:
    """Until the transaction ends nobody else prepares a view of these: each version of a view is given out once."""
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK_IN_ORDER, {"names": sorted(joint_cases)}).all()


_LOCK_IN_ORDER = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 18))"
    " FROM (SELECT name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name) AS ordered"
)


def clear(connection: Connection, done: Iterable[Mark]) -> None:
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


def newest(connection: Connection, joint_cases: Iterable[str]) -> dict[tuple[str, str, str, str], ViewRow]:
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


def put_back(connection: Connection, aborted: ViewRow, before: ViewRow | None) -> None:
    """Undo a view that was recorded and certainly not produced, unless a newer one has taken its place: the next one
    has its number, and the disclosure register names no release that was none."""
    mine = view_state.c.view_id == aborted.view_id
    gone = connection.execute(delete(view_state).where(mine).returning(view_state.c.view_id)).all()
    if gone and before is not None:
        connection.execute(insert(view_state).values(**before._asdict()))
    connection.execute(delete(disclosure).where(disclosure.c.view_id == aborted.view_id))


def save_disclosures(connection: Connection, rows: Sequence[DisclosureRow]) -> None:
    merge(connection, disclosure, rows, "(view_id, person, sender) DO NOTHING")


def delivered(connection: Connection, view_ids: Iterable[str], at: int) -> None:
    """The broker confirmed these views."""
    bound = {"keys": values(connection, view_ids)}
    connection.execute(
        update(view_state).where(among(connection, view_state.c.view_id)).values(state="delivered"), bound
    )
    connection.execute(
        update(disclosure).where(among(connection, disclosure.c.view_id)).values(delivered_at=at), bound
    )


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
    """The recipient's sink said what became of its view and of what it had before; of others' it says nothing."""
    v, d = view_state.c, disclosure.c
    mine = update(view_state).where(v.view_id == view_id, v.recipient == recipient)
    connection.execute(mine.values(state=answer))
    entries = update(disclosure).where(d.view_id == view_id, d.recipient == recipient)
    connection.execute(entries.values(confirmed_at=at, answer=answer))
    before = update(disclosure).where(d.ended_by == view_id, d.recipient == recipient)
    connection.execute(before.values(answered_at=at, ended_answer=answer))


def ending_before(connection: Connection, until: int) -> list[str]:
    """Joint cases of which a shown view runs out before `until`: renewed while the ground lasts."""
    v = view_state.c
    return list(
        connection.execute(select(v.joint_case).where(~v.removed, v.not_after < until).distinct()).scalars()
    )


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
