"""Erasures that were asked for, how far they are, and which boxes make no row any more."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from hub.store.bulk import among, merge, values
from hub.store.tables import closed_case, disclosure, erased, erasure, erasure_answer, view_state

_FORGETTING = 0x666272_18  # names the lock in the database; any number that nothing else uses


class ErasureRequest(NamedTuple):
    """One request and how far it is; `id`: its event id in hex, or where another request bears that, one of its own.
    Times are microseconds since 1970 UTC."""

    id: str
    subject: str
    requested_at: int
    executed_at: int | None = None
    announced: bool = False
    completed_at: int | None = None
    certificate: str | None = None


def ask(connection: Connection, requests: Iterable[ErasureRequest]) -> None:
    """Remember these requests; one about the same subject and of the same moment as a known one is that."""
    for one in requests:
        same = (erasure.c.subject == one.subject) & (erasure.c.requested_at == one.requested_at)
        if connection.execute(select(exists().where(same))).scalar_one():
            continue
        taken = connection.execute(select(exists().where(erasure.c.id == one.id))).scalar_one()
        merge(connection, erasure, [one._replace(id=_own_id(one)) if taken else one], "(id) DO NOTHING")


def _own_id(one: ErasureRequest) -> str:
    return hashlib.sha256(f"{one.id} {one.subject} {one.requested_at}".encode()).hexdigest()[:32]


def any_open(connection: Connection) -> bool:
    """Whether anything is left to do of any erasure."""
    return bool(connection.execute(select(exists().where(erasure.c.completed_at.is_(None)))).scalar_one())


def to_execute(connection: Connection, limit: int = 50) -> list[ErasureRequest]:
    """The oldest requests that nobody has executed; locked until the transaction ends."""
    return _some(connection, erasure.c.executed_at.is_(None), limit)


def to_announce(connection: Connection, limit: int = 50) -> list[ErasureRequest]:
    """Executed, and not yet told to the log."""
    return _some(connection, erasure.c.executed_at.is_not(None) & ~erasure.c.announced, limit)


def to_complete(connection: Connection, limit: int = 1000) -> list[ErasureRequest]:
    """Announced, and still waiting for a recipient's answer."""
    return _some(connection, erasure.c.announced & erasure.c.completed_at.is_(None), limit)


def _some(connection: Connection, which: ColumnElement[bool], limit: int) -> list[ErasureRequest]:
    wanted = select(erasure).where(which).order_by(erasure.c.requested_at, erasure.c.id).limit(limit)
    return [ErasureRequest(*row) for row in connection.execute(wanted.with_for_update(skip_locked=True))]


def all_of(connection: Connection) -> list[ErasureRequest]:
    """Every erasure, the newest first."""
    wanted = select(erasure).order_by(erasure.c.requested_at.desc(), erasure.c.id)
    return [ErasureRequest(*row) for row in connection.execute(wanted)]


def find(connection: Connection, erasure_id: str) -> ErasureRequest | None:
    row = connection.execute(select(erasure).where(erasure.c.id == erasure_id)).first()
    return ErasureRequest(*row) if row else None


def executed(connection: Connection, erasure_id: str, at: int, certificate: str) -> None:
    one = update(erasure).where(erasure.c.id == erasure_id)
    connection.execute(one.values(executed_at=at, certificate=certificate))


def announced(connection: Connection, ids: Iterable[str]) -> None:
    bound = {"keys": values(connection, ids)}
    connection.execute(update(erasure).where(among(connection, erasure.c.id)).values(announced=True), bound)


def completed(connection: Connection, erasure_id: str, at: int) -> None:
    connection.execute(update(erasure).where(erasure.c.id == erasure_id).values(completed_at=at))


def lock_forgetting(connection: Connection) -> None:
    """Until the transaction ends nobody writes rows of a read model: else one could be written from a box while its
    person is erased, and stay. Taken before any person is locked."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(_FORGETTING)))


def tombstones(connection: Connection, kind: str, subjects: Iterable[str]) -> dict[str, int]:
    """subject → the newest key version of this kind whose boxes make no row any more. Until the transaction ends nobody
    else erases; writers of rows do not wait for each other."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_FORGETTING)))
    wanted = select(erased).where(erased.c.kind == kind, among(connection, erased.c.subject))
    bound = {"keys": values(connection, set(subjects))}
    return {row.subject: row.version for row in connection.execute(wanted, bound)}


def mark_gone(connection: Connection, kind: str, versions: Mapping[str, int]) -> None:
    """From now on boxes of these subjects under these key versions, and older ones, make no row."""
    rows = [(kind, key, version) for key, version in sorted(versions.items()) if version > 0]
    newer = "(kind, subject) DO UPDATE SET version = excluded.version WHERE erased.version < excluded.version"
    merge(connection, erased, rows, newer)


def closed(connection: Connection, cases: Iterable[str]) -> dict[str, dict[str, int]]:
    """case → category ("" for all) → until when what was recorded makes no row any more."""
    wanted = select(closed_case).where(among(connection, closed_case.c.case_key))
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(wanted, {"keys": values(connection, set(cases))}):
        found.setdefault(row.case_key, {})[row.category] = row.until
    return found


def close(connection: Connection, cases: Iterable[str], category: str, until: int) -> None:
    """From now on what was recorded until then of these cases makes no row."""
    rows = [(case, category, until) for case in sorted(set(cases))]
    newer = (
        "(case_key, category) DO UPDATE SET until = excluded.until WHERE closed_case.until < excluded.until"
    )
    merge(connection, closed_case, rows, newer)


class RecipientAnswer(NamedTuple):
    """What a recipient had of a person, and what it has said since. `state`: pending, delivered, or its answer;
    `shows` whether its newest view still names the release."""

    recipient: str
    role: str
    first_at: int
    last_at: int
    state: str
    told_at: int | None
    shows: bool


def recipients(
    connection: Connection, persons: Sequence[str], sender: str, joint_cases: Sequence[str], until: int
) -> list[RecipientAnswer]:
    """Everybody to whom something of this sender about these persons was released until then."""
    d = disclosure.c
    mine = (d.person.in_(persons), d.sender == sender, d.at <= until)
    released = connection.execute(
        select(d.recipient, d.role, func.min(d.at), func.max(d.at))
        .where(*mine)
        .group_by(d.recipient, d.role)
        .order_by(d.recipient, d.role)
    ).all()
    ids = select(d.view_id).where(*mine)
    v = view_state.c
    found = []
    for recipient, role, first, last in released:
        wanted = select(v.state, v.as_of, v.view_id.in_(ids).label("shows")).where(
            v.recipient == recipient, v.role == role, v.view_id.in_(ids) | v.joint_case.in_(joint_cases)
        )
        rows = connection.execute(wanted).all()
        found.append(_told(recipient, role, first, last, rows))
    return found


_WAITING = ("pending", "delivered", "waiting", "late")


def _told(recipient: str, role: str, first: int, last: int, rows: Sequence[object]) -> RecipientAnswer:
    """The answer that is furthest from being one stands for all cases of the person."""
    ranked = sorted(rows, key=lambda row: (not row.shows, row.state not in _WAITING, row.as_of))  # type: ignore[attr-defined]
    if not ranked:
        return RecipientAnswer(recipient, role, first, last, "deleted", None, shows=False)
    worst = ranked[0]
    told = None if worst.shows else int(worst.as_of)  # type: ignore[attr-defined]
    return RecipientAnswer(recipient, role, first, last, str(worst.state), told, bool(worst.shows))  # type: ignore[attr-defined]


def answer(connection: Connection, erasure_id: str, recipient: str, text: str, at: int) -> None:
    """What a recipient said by another way than its sink."""
    again = "(erasure, recipient) DO UPDATE SET answer = excluded.answer, at = excluded.at"
    merge(connection, erasure_answer, [(erasure_id, recipient, text, at)], again)


def answers(connection: Connection, erasure_id: str) -> dict[str, tuple[str, int]]:
    """recipient → (answer, when)."""
    e = erasure_answer.c
    wanted = select(e.recipient, e.answer, e.at).where(e.erasure == erasure_id)
    return {row.recipient: (row.answer, row.at) for row in connection.execute(wanted)}
