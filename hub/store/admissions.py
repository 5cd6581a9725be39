"""What admission decided, and what it holds for a person or for knowledge still to come."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from hub.store.bulk import add, among, merge, values
from hub.store.tables import decision, held, subject


class DecisionRow(NamedTuple):
    """One decision at admission; `rules` names those that dropped a field or the whole event."""

    event_id: str
    publication: int
    outcome: str
    rules: str
    policy_version: str
    epoch: int
    at: int
    topic: str
    partition: int
    offset: int


class HeldEvent(NamedTuple):
    """An event that waits, sealed as it came."""

    event_id: str
    publication: int
    subject: str
    epoch: int
    since: int
    reason: str
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"HeldRow({self.event_id}#{self.publication} {self.reason})"


def admitted(connection: Connection, event_ids: Iterable[str]) -> set[tuple[str, int]]:
    """Those of these events that were admitted before, as (event id, publication)."""
    d = decision.c
    wanted = select(d.event_id, d.publication).where(among(connection, d.event_id), d.outcome == "admitted")
    return set(map(tuple, connection.execute(wanted, {"keys": values(connection, event_ids)}).all()))


_NEWER = (
    "(event_id, publication) DO UPDATE SET outcome = excluded.outcome, rules = excluded.rules,"
    " policy_version = excluded.policy_version, epoch = excluded.epoch, at = excluded.at"
    " WHERE decision.outcome <> 'admitted'"
)


def save_decisions(connection: Connection, rows: Sequence[DecisionRow]) -> None:
    """An admission is never taken back; other decisions are replaced by newer ones."""
    add(connection, decision, rows, _NEWER)


def save_held(connection: Connection, rows: Sequence[HeldEvent]) -> None:
    merge(
        connection, held, list({row[:2]: row for row in rows}.values()), "(event_id, publication) DO NOTHING"
    )


def moved(connection: Connection, limit: int = 500) -> list[HeldEvent]:
    """Held events of whose person something became known since (the epoch rose), oldest first."""
    h = held.c
    wanted = (
        select(held)
        .join(subject, subject.c.key == h.subject)
        .where(subject.c.epoch > h.epoch)
        .order_by(h.since, h.event_id)
        .limit(limit)
        .with_for_update(of=held, skip_locked=True)
    )
    return [HeldEvent(*row) for row in connection.execute(wanted)]


def expired(connection: Connection, before: int, limit: int = 500) -> list[HeldEvent]:
    """Held events that nobody decided in time."""
    wanted = select(held).where(held.c.since < before).order_by(held.c.since).limit(limit)
    return [HeldEvent(*row) for row in connection.execute(wanted.with_for_update(skip_locked=True))]


def held_of(connection: Connection, key: str) -> list[HeldEvent]:
    """All that is held about this subject."""
    wanted = select(held).where(held.c.subject == key).order_by(held.c.since, held.c.event_id)
    return [HeldEvent(*row) for row in connection.execute(wanted.with_for_update())]


def withheld(row: HeldEvent, rule: str, policy_version: str, at: int) -> DecisionRow:
    """The decision with which a held event ends when nobody lets it in."""
    return DecisionRow(
        row.event_id,
        row.publication,
        "withheld",
        rule,
        policy_version,
        row.epoch,
        at,
        row.topic,
        row.partition,
        row.offset,
    )


def let_go(connection: Connection, rows: Iterable[HeldEvent]) -> None:
    """Remove from the held ones what was decided."""
    for row in rows:
        key = (held.c.event_id == row.event_id, held.c.publication == row.publication)
        connection.execute(delete(held).where(*key))
