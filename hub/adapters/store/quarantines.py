"""Quarantine and what waits behind it: places and reasons, never bytes (the log keeps those)."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from hub.adapters.store.bulk import merge
from hub.adapters.store.tables import parked, quarantine
from hub.ports import Place


class Quarantined(NamedTuple):
    """A record that could not be taken, and the lane (topic and record key, hashed) that waits behind it."""

    place: Place
    lane: str
    reason: str


def put(connection: Connection, stage: str, found: Iterable[Quarantined], at: int) -> None:
    rows = [(stage, *one.place, one.lane, one.reason, at, False) for one in found]
    merge(
        connection,
        quarantine,
        rows,
        "(stage, topic, partition, offset) DO NOTHING".replace("offset", '"offset"'),
    )


def park(connection: Connection, stage: str, found: Iterable[tuple[Place, str]]) -> None:
    """Later records of a quarantined lane, in order."""
    rows = [(stage, *place, lane) for place, lane in found]
    merge(connection, parked, rows, "DO NOTHING")


def lanes(connection: Connection, stage: str, *, released: bool = False) -> set[str]:
    """The lanes that wait, or those that were let go on."""
    q = quarantine.c
    wanted = select(q.lane).where(q.stage == stage, q.released == released).distinct()
    return set(connection.execute(wanted).scalars())


def release(connection: Connection, stage: str, lane: str) -> list[Place]:
    """Let a lane go on: the quarantined record stays where it is, the parked ones are returned in order."""
    q, p = quarantine.c, parked.c
    connection.execute(update(quarantine).where(q.stage == stage, q.lane == lane).values(released=True))
    waiting = (
        select(p.topic, p.partition, p.offset).where(p.stage == stage, p.lane == lane).order_by(p.offset)
    )
    places = [Place(*row) for row in connection.execute(waiting)]
    connection.execute(delete(parked).where(p.stage == stage, p.lane == lane))
    return places


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(topic, reason) → how many stand in quarantine."""
    q = quarantine.c
    wanted = select(q.topic, q.reason, func.count()).where(~q.released).group_by(q.topic, q.reason)
    return {(str(topic), str(reason)): int(number) for topic, reason, number in connection.execute(wanted)}
