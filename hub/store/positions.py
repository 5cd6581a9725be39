"""Positions: how far each stage has read, kept with what it did (protocol rule 13)."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, func, select

from hub.errors import LogIsOlder, OffsetGap, StoreIsOlder, TopicRecreated
from hub.ports import EventLog, TopicState
from hub.store.bulk import merge
from hub.store.engine import Store
from hub.store.tables import position

_REMEDY = "see docs/how-to/after-a-restore.md; nothing was changed"


def load(connection: Connection, stage: str, topic: str) -> dict[int, tuple[str, int]]:
    """partition → (topic id, next offset) of one stage and topic."""
    wanted = select(position.c.partition, position.c.topic_id, position.c.next_offset).where(
        position.c.stage == stage, position.c.topic == topic
    )
    return {row.partition: (row.topic_id, row.next_offset) for row in connection.execute(wanted)}


def all_of(connection: Connection, *stages: str) -> dict[tuple[str, str], dict[int, tuple[str, int]]]:
    """(stage, topic) → partition → (topic id, next offset) of all that these stages have read, in one statement."""
    found: dict[tuple[str, str], dict[int, tuple[str, int]]] = {}
    for row in connection.execute(select(position).where(position.c.stage.in_(stages))):
        found.setdefault((row.stage, row.topic), {})[row.partition] = row.topic_id, row.next_offset
    return found


def total(connection: Connection, stages: Sequence[str]) -> int:
    """How many records these stages have behind them: it rises while they work."""
    wanted = select(func.coalesce(func.sum(position.c.next_offset), 0)).where(position.c.stage.in_(stages))
    return int(connection.execute(wanted).scalar_one())


def lock(connection: Connection, stage: str, topic: str, topic_id: str, partition: int) -> int:
    """The next offset of one partition, locked until the transaction ends: two workers never apply the same record."""
    merge(
        connection, position, [(stage, topic, partition, topic_id, 0)], "(stage, topic, partition) DO NOTHING"
    )
    wanted = (
        select(position.c.next_offset, position.c.topic_id)
        .where(position.c.stage == stage, position.c.topic == topic, position.c.partition == partition)
        .with_for_update()
    )
    row = connection.execute(wanted).one()
    if row.topic_id != topic_id:
        raise TopicRecreated(
            "the topic is not the one that was read", place=f"{topic}/{partition}", remedy=_REMEDY
        )
    return int(row.next_offset)


def save(connection: Connection, stage: str, topic: str, topic_id: str, offsets: Mapping[int, int]) -> None:
    """Store partition → next offset; a position never goes back."""
    rows = [(stage, topic, partition, topic_id, offset) for partition, offset in sorted(offsets.items())]
    clause = (
        "(stage, topic, partition) DO UPDATE SET next_offset = excluded.next_offset"
        " WHERE position.next_offset < excluded.next_offset"
    )
    merge(connection, position, rows, clause)


def reset(connection: Connection, stage: str, state: TopicState, offsets: Mapping[int, int]) -> None:
    """Set positions outright, also backwards: only for an operator who lets a stopped hub go on."""
    connection.execute(delete(position).where(position.c.stage == stage, position.c.topic == state.name))
    save(connection, stage, state.name, state.topic_id, offsets)


def check(state: TopicState, stored: Mapping[int, tuple[str, int]], committed: Mapping[int, int]) -> None:
    """Refuse to go on where going on would lose or resurrect: gap, older store, older log, recreated topic."""
    for partition, first in state.first.items():
        topic_id, following = stored.get(partition, (state.topic_id, 0))
        place = f"{state.name}/{partition}"
        if topic_id != state.topic_id:
            raise TopicRecreated("the topic is not the one that was read", place=place, remedy=_REMEDY)
        if state.end[partition] < following:
            raise LogIsOlder("the log ends before what was read", place=place, remedy=_REMEDY)
        if first > following:
            raise OffsetGap("records that were never read are gone", place=place, remedy=_REMEDY)
        if committed.get(partition, 0) > following:
            raise StoreIsOlder("the log was read further than the store knows", place=place, remedy=_REMEDY)


def pass_markers(store: Store, log: EventLog, stage: str, state: TopicState) -> None:
    """Store the end of the log as the position of partitions in which only markers of transactions stand between the
    two: a position that no record can reach would look like a lag for ever."""
    with store.transaction() as connection:
        stored = load(connection, stage, state.name)
    passed = {
        partition: end
        for partition, end in state.end.items()
        if (following := _of_topic(stored, partition, state)) < end
        and not log.read(state.name, {partition: following}, 1)
    }
    if passed:
        with store.transaction() as connection:
            save(connection, stage, state.name, state.topic_id, passed)


def _of_topic(stored: Mapping[int, tuple[str, int]], partition: int, state: TopicState) -> int:
    """The stored position in this topic; the end where there is none, for then nothing can be said."""
    topic_id, following = stored.get(partition, (state.topic_id, state.first[partition]))
    return following if topic_id == state.topic_id else state.end[partition]
