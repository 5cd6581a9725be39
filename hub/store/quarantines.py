"""Quarantine and what waits behind it: places and reasons, never bytes (the log keeps those)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from hub.ports import RecordPosition
from hub.store.bulk import among, merge, values
from hub.store.tables import parked, quarantine, quarantine_drop, quarantine_item


class QuarantinedRecord(NamedTuple):
    """A record that could not be taken, and the lane (topic and record key, hashed) that waits behind it."""

    place: RecordPosition
    lane: str
    reason: str


def put(connection: Connection, stage: str, found: Iterable[QuarantinedRecord], at: int) -> None:
    rows = [(stage, *one.place, one.lane, one.reason, at, False) for one in found]
    merge(
        connection,
        quarantine,
        rows,
        "(stage, topic, partition, offset) DO NOTHING".replace("offset", '"offset"'),
    )


def park(connection: Connection, stage: str, found: Iterable[tuple[RecordPosition, str]]) -> None:
    """Later records of a quarantined lane, in order."""
    rows = [(stage, *place, lane) for place, lane in found]
    merge(connection, parked, rows, "DO NOTHING")


def lanes(connection: Connection, stage: str) -> set[str]:
    """The lanes that wait."""
    q = quarantine.c
    wanted = select(q.lane).where(q.stage == stage, ~q.released).distinct()
    return set(connection.execute(wanted).scalars())


def without_prefix(connection: Connection, stage: str, prefix: str, since: int) -> list[QuarantinedRecord]:
    """Records of a stage that were quarantined since then (microseconds since 1970 UTC) and whose reason does not begin
    so, in order of their places."""
    q = quarantine.c
    wanted = select(q.topic, q.partition, q.offset, q.lane, q.reason).where(
        q.stage == stage, q.at >= since, ~q.reason.startswith(prefix, autoescape=True)
    )
    rows = connection.execute(wanted.order_by(q.topic, q.partition, q.offset))
    return [QuarantinedRecord(RecordPosition(*row[:3]), row.lane, row.reason) for row in rows]


def rename(connection: Connection, stage: str, found: QuarantinedRecord, reason: str) -> bool:
    """Give the record another reason; False when somebody else has done so meanwhile."""
    q, place = quarantine.c, found.place
    at = (q.stage == stage, q.topic == place.topic, q.partition == place.partition, q.offset == place.offset)
    changed = connection.execute(
        update(quarantine).where(*at, q.reason == found.reason).values(reason=reason)
    )
    return changed.rowcount == 1


def released(connection: Connection, stage: str) -> set[RecordPosition]:
    """The bad records behind which nothing waits any more."""
    q = quarantine.c
    wanted = select(q.topic, q.partition, q.offset).where(q.stage == stage, q.released)
    return {RecordPosition(*row) for row in connection.execute(wanted)}


def waiting_places(connection: Connection, stage: str) -> set[RecordPosition]:
    """The bad records behind which something may wait."""
    q = quarantine.c
    wanted = select(q.topic, q.partition, q.offset).where(q.stage == stage, ~q.released)
    return {RecordPosition(*row) for row in connection.execute(wanted)}


def places_of(connection: Connection, stage: str, reason: str) -> set[RecordPosition]:
    """The records that stand or stood in quarantine for reasons that begin so."""
    q = quarantine.c
    wanted = select(q.topic, q.partition, q.offset).where(
        q.stage == stage, q.reason.startswith(reason, autoescape=True)
    )
    return {RecordPosition(*row) for row in connection.execute(wanted)}


class WaitingLane(NamedTuple):
    """One lane that waits: the records that could not be taken, oldest first, and how many stand behind them."""

    stage: str
    lane: str
    bad: Sequence[tuple[RecordPosition, str, int]]  # place, reason, microseconds since 1970 UTC
    parked: int


def waiting(connection: Connection) -> list[WaitingLane]:
    """Every lane that waits, in order of stage and age."""
    q, p = quarantine.c, parked.c
    behind = {
        (row.stage, row.lane): int(row.number)
        for row in connection.execute(
            select(p.stage, p.lane, func.count().label("number")).group_by(p.stage, p.lane)
        )
    }
    found: dict[tuple[str, str], list[tuple[RecordPosition, str, int]]] = {}
    wanted = select(quarantine).where(~q.released).order_by(q.stage, q.at, q.offset)
    for row in connection.execute(wanted):
        place = RecordPosition(row.topic, row.partition, row.offset)
        found.setdefault((row.stage, row.lane), []).append((place, row.reason, row.at))
    return [WaitingLane(*key, bad, behind.get(key, 0)) for key, bad in found.items()]


def of_lane(
    connection: Connection, stage: str, lane: str
) -> tuple[list[RecordPosition], list[RecordPosition]]:
    """Where the bad records of a waiting lane stand, and the parked ones, each in order."""
    found = []
    for table, more in ((quarantine, (~quarantine.c.released,)), (parked, ())):
        t = table.c
        wanted = select(t.topic, t.partition, t.offset).where(t.stage == stage, t.lane == lane, *more)
        found.append([RecordPosition(*row) for row in connection.execute(wanted.order_by(t.offset))])
    return found[0], found[1]


def reasons(
    connection: Connection, stage: str, places: Sequence[RecordPosition]
) -> dict[RecordPosition, str]:
    """Why each of these records stands in quarantine."""
    q = quarantine.c
    wanted = select(q.topic, q.partition, q.offset, q.reason).where(q.stage == stage, ~q.released)
    found = {RecordPosition(*row[:3]): str(row.reason) for row in connection.execute(wanted)}
    return {place: found.get(place, "") for place in places}


def release(
    connection: Connection, stage: str, bad: Iterable[RecordPosition], taken: Iterable[RecordPosition]
) -> None:
    """The lane goes on: bad records stay on the books as released, and those taken wait no more."""
    q, p = quarantine.c, parked.c
    for place in bad:
        at = (q.stage == stage, q.topic == place.topic, q.partition == place.partition)
        connection.execute(update(quarantine).where(*at, q.offset == place.offset).values(released=True))
    for place in taken:
        at = (p.stage == stage, p.topic == place.topic, p.partition == place.partition)
        connection.execute(delete(parked).where(*at, p.offset == place.offset))


def remove(connection: Connection, stage: str, places: Iterable[RecordPosition]) -> None:
    """They were taken after all, and nothing waited behind them."""
    q = quarantine.c
    for place in places:
        at = (q.stage == stage, q.topic == place.topic, q.partition == place.partition)
        connection.execute(delete(quarantine).where(*at, q.offset == place.offset))


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(topic, reason) → how many stand in quarantine."""
    q = quarantine.c
    wanted = select(q.topic, q.reason, func.count()).where(~q.released).group_by(q.topic, q.reason)
    return {(str(topic), str(reason)): int(number) for topic, reason, number in connection.execute(wanted)}


class Item(NamedTuple):
    """Work that is no record and failed alone: a case of disclose, a person of a timer, an erasure. `number` is that
    of the mark that failed; work with a newer mark is tried again."""

    stage: str
    item: str
    reason: str
    at: int  # microseconds since 1970 UTC
    number: int = 0


def put_item(connection: Connection, item: Item) -> None:
    clause = (
        "(stage, item) DO UPDATE SET reason = excluded.reason, at = excluded.at, number = excluded.number"
    )
    merge(connection, quarantine_item, [item], clause)


def add_items(connection: Connection, found: Sequence[Item]) -> None:
    """Those that do not stand there yet."""
    merge(connection, quarantine_item, found, "DO NOTHING")


def items(connection: Connection, stage: str | None = None, reason: str | None = None) -> list[Item]:
    """Quarantined items, of one stage and for one reason or of all, oldest first."""
    q = quarantine_item.c
    wanted = select(quarantine_item).order_by(q.stage, q.at, q.item)
    wanted = wanted if stage is None else wanted.where(q.stage == stage)
    rows = connection.execute(wanted if reason is None else wanted.where(q.reason == reason))
    return [Item(*row) for row in rows]


def remove_items(connection: Connection, stage: str, names: Iterable[str]) -> None:
    """They went well, or are to be tried again."""
    q, bound = quarantine_item.c, {"keys": values(connection, names)}
    connection.execute(delete(quarantine_item).where(q.stage == stage, among(connection, q.item)), bound)


class DroppedRecord(NamedTuple):
    """A quarantined record that an operator gave up; `cause` is why it was quarantined."""

    stage: str
    place: RecordPosition
    cause: str
    reason: str
    operator: str
    at: int  # microseconds since 1970 UTC


def drop(connection: Connection, found: Iterable[DroppedRecord]) -> None:
    rows = [(one.stage, *one.place, one.cause, one.reason, one.operator, one.at) for one in found]
    merge(connection, quarantine_drop, rows, "DO NOTHING")


def dropped(connection: Connection, stage: str) -> dict[RecordPosition, DroppedRecord]:
    """The records of a stage that operators gave up."""
    q = quarantine_drop.c
    rows = connection.execute(select(quarantine_drop).where(q.stage == stage))
    return {
        (place := RecordPosition(*row[1:4])): DroppedRecord(
            row.stage, place, row.cause, row.reason, row.operator, row.at
        )
        for row in rows
    }
