"""What every reading stage does first: skip what was done, take each record or set it aside with a reason."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.errors import DataError, OffsetGap
from hub.parts import Parts
from hub.ports import UNREADABLE, UNREADABLE_REASONS, Outgoing, Record
from hub.store import positions, quarantines
from hub.store.quarantines import QuarantinedRecord

E = TypeVar("E")
TOOK_EFFECT = "narrowed_"
"""Before the reason of a record that stands in quarantine and took effect nevertheless."""


@dataclass(slots=True)
class BatchIntake(Generic[E]):
    """A batch of one topic, sorted out. `strayed`: control data that came on this topic, for `hub.words`; `starts`,
    `following`: partition → first offset taken, next one after."""

    topic: str
    topic_id: str
    events: list[E] = field(default_factory=list)
    bad: list[QuarantinedRecord] = field(default_factory=list)
    parked: list[tuple[Record, str]] = field(default_factory=list)
    strayed: list[Outgoing] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    following: dict[int, int] = field(default_factory=dict)
    skipped: int = 0

    def add(self, other: "BatchIntake[E]") -> None:
        """Another piece of the same batch, taken after this one."""
        self.events += other.events
        self.bad += other.bad
        self.parked += other.parked
        self.starts = other.starts | self.starts
        self.following |= other.following
        self.skipped += other.skipped


def lane(record: Record) -> str:
    """What waits together: one topic's records of one key. The key is hashed, for it may be anything. A place that
    cannot be read stands for nobody's key."""
    key = str(record.place).encode() + b"\0" if _unreadable(record) else record.key
    return hashlib.sha256(record.topic.encode() + b"\0" + key).hexdigest()[:32]


def _unreadable(record: Record) -> str:
    """Why no client could read this place in the log; "" for a record."""
    reason = dict(record.headers).get(UNREADABLE, b"").decode("ascii", "replace") if record.headers else ""
    return reason if reason in UNREADABLE_REASONS else ""


def require_readable(record: Record) -> None:
    """Raises DataError for a place in the log that no client could read."""
    if reason := _unreadable(record):
        raise DataError("the log cannot be read here", reason=reason, place=str(record.place))


def sort_out(
    parts: Parts,
    stage: str,
    topic_id: str,
    batch: Sequence[Record],
    decode: Callable[[Record], E],
    passes: Callable[[E], bool] = lambda event: False,
    *,
    rescue: Callable[[Record], E | None] = lambda record: None,
    strayed: Callable[[Record], Outgoing | None] = lambda record: None,
    ordered: bool = True,
) -> BatchIntake[E]:
    """Skip what lies below the stored position, decode the rest; a bad record's lane is parked behind it, but for what
    `passes`. What `rescue` or `strayed` makes of a bad record takes effect, though that stands in quarantine. In a
    stage that is not `ordered` nothing waits behind anything."""
    intake: BatchIntake[E] = BatchIntake(batch[0].topic, topic_id)
    with parts.store.transaction() as connection:
        stored = positions.load(connection, stage, intake.topic)
        waiting = quarantines.lanes(connection, stage) if ordered else set()
    for record in batch:
        read_id, following = stored.get(record.partition, (topic_id, 0))
        if record.offset < following and read_id == topic_id:
            intake.skipped += 1
            continue
        if record.partition not in intake.starts:
            intake.starts[record.partition] = _start(parts, record, following if read_id == topic_id else 0)
        intake.following[record.partition] = record.offset + 1
        event = _decoded(intake, record, decode, waiting if ordered else set(), rescue, strayed)
        if event is None:
            continue
        if not waiting or lane(record) not in waiting or passes(event):
            intake.events.append(event)
        else:
            intake.parked.append((record, lane(record)))
    return intake


def _start(parts: Parts, record: Record, following: int) -> int:
    """Where the first record of a partition continues: at the stored position, if nothing stands between the two but
    what markers of transactions or compaction took; else at its own offset, which is a gap."""
    if record.offset > following:
        between = parts.log.read(record.topic, {record.partition: following}, 1)
        if between and between[0].offset >= record.offset:
            return following
    return record.offset


def _decoded(
    intake: BatchIntake[E],
    record: Record,
    decode: Callable[[Record], E],
    waiting: set[str],
    rescue: Callable[[Record], E | None],
    strayed: Callable[[Record], Outgoing | None],
) -> E | None:
    """The event, or None when the record was set aside: quarantined, or parked behind one that was before."""
    try:
        require_readable(record)
        return decode(record)
    except DataError as error:
        at = lane(record)
        event, moved = rescue(record), strayed(record)
        intake.strayed += [moved] if moved else []
        if event is not None or moved:
            intake.bad.append(QuarantinedRecord(record.place, at, f"{TOOK_EFFECT}{error.reason}"))
            waiting.add(at)
            return event
        if at in waiting:
            intake.parked.append((record, at))
        else:
            intake.bad.append(QuarantinedRecord(record.place, at, error.reason))
            waiting.add(at)
    return None


def finish(connection: Connection, parts: Parts, stage: str, intake: BatchIntake[Any]) -> None:
    """The part of the stage's transaction that every stage shares: quarantine, parked, position."""
    quarantines.put(connection, stage, intake.bad, micros(parts.clock.now()))
    quarantines.park(connection, stage, [(record.place, at) for record, at in intake.parked])
    positions.save(connection, stage, intake.topic, intake.topic_id, intake.following)


def still_mine(connection: Connection, stage: str, intake: BatchIntake[Any]) -> bool:
    """Lock the partitions; False when another worker has applied part of the batch meanwhile (a zombie's fence), or
    when a lane behind which records were to be parked was released."""
    for partition, start in sorted(intake.starts.items()):
        following = positions.lock(connection, stage, intake.topic, intake.topic_id, partition)
        if following > start:
            return False
        if following < start:
            raise OffsetGap(
                "records before these were not read",
                place=f"{intake.topic}/{partition}",
                remedy="start the worker again",
            )
    return _still_waiting(connection, stage, intake)


def _still_waiting(connection: Connection, stage: str, intake: BatchIntake[Any]) -> bool:
    if not intake.parked:
        return True
    waiting = quarantines.lanes(connection, stage) | {one.lane for one in intake.bad}
    return all(at in waiting for _, at in intake.parked)
