"""Rebuilding a read model from the log beside the live one, then switching (protocol rule 21).

The second set of rows has a generation of its own and positions of its own. Killed at any point, the live rows
stand and the next rebuild starts afresh. It marks nothing dirty: a rebuild changes no view.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from hub.domain.clock import micros
from hub.errors import DataError, TryAgain, UsageError
from hub.failpoints import fail_point
from hub.isolation import halved, note_failure
from hub.parts import CASES, Parts
from hub.ports import Place, Record
from hub.sealed.decode import Event, received_at
from hub.sealed.words import broken_control, decode_control
from hub.stages import consents, project
from hub.stages.intake import TOOK_EFFECT, lane, require_readable
from hub.store import positions, quarantines, subjects
from hub.store.bulk import merge
from hub.store.tables import generation as generations
from hub.subjects.consent_barrier import consent_topics
from hub.subjects.tombstones import living, narrows, still_provable
from projections.consent_register import apply as register_rows
from projections.consent_register import tables as register_tables
from projections.joint_case import tables as case_tables

BATCH = 2000


@dataclass(frozen=True, slots=True)
class ReadModel:
    """How one read model is rebuilt: from which topics, read by which stage, into which rows."""

    name: str
    stage: str
    topics: Sequence[str]
    table: Table
    on_conflict: str
    decode: Callable[[Record], Any]
    rows: Callable[[int, Sequence[Any]], list[tuple[object, ...]]]
    passes: Callable[[Any], bool] = lambda event: False
    rescue: Callable[[Record], Any] = lambda record: None
    living: Callable[[Connection, Sequence[Any]], Sequence[Any]] = lambda connection, events: events


@dataclass(frozen=True, slots=True)
class RebuildOutcome:
    """`rows` in the rebuilt model; `divergence`: rows that the live one had otherwise, or not at all, or too many."""

    name: str
    events: int
    rows: int
    divergence: int
    generation: int


def read_models(parts: Parts) -> dict[str, ReadModel]:
    """Every read model that can be rebuilt, by name."""
    joint = ReadModel(
        "joint_case",
        project.STAGE,
        [CASES],
        case_tables.case_row,
        case_tables.ON_CONFLICT,
        project.decode_case,
        project.newest_rows,
        living=living,
    )
    register = ReadModel(
        "consent_register",
        consents.STAGE,
        consent_topics(parts),
        register_tables.consent_row,
        register_tables.ON_CONFLICT,
        partial(decode_control, parts.secret),
        partial(_register_rows, parts.secret),
        narrows,
        partial(broken_control, parts.secret),
        living=still_provable,
    )
    return {model.name: model for model in (joint, register)}


def rebuild(parts: Parts, name: str, progress: Callable[[int], None] = lambda count: None) -> RebuildOutcome:
    """Build, catch up, compare, switch. `progress` is told how many events were read since the last time."""
    models = read_models(parts)
    if name not in models:
        raise UsageError(
            f"there is no read model of this name; there are {', '.join(models)}", place="rebuild"
        )
    return _Rebuild(parts, models[name], progress).run()


class _Rebuild:
    def __init__(self, parts: Parts, model: ReadModel, progress: Callable[[int], None]) -> None:
        self._parts, self._model, self._progress = parts, model, progress
        self._read: dict[str, dict[int, int]] = {topic: {} for topic in model.topics}
        self._events = 0
        self._waiting: set[str] = set()
        self._failed: set[str] = set()  # ordering keys of records that only the rebuild could not take

    def run(self) -> RebuildOutcome:
        with self._parts.store.transaction() as connection:
            live = subjects.live_generation(connection, self._model.name)
            self._clear_others(connection, live)
        new = live + 1
        for _ in range(1000):
            self._catch_up(new)
            fail_point("rebuild.before_switch")
            outcome = self._switch(live, new)
            if outcome:
                return outcome
        raise TryAgain("the live model runs ahead faster than the rebuild", place=self._model.name)

    def _clear_others(self, connection: Connection, live: int) -> None:
        table = self._model.table
        connection.execute(delete(table).where(table.c.generation != live))

    def _catch_up(self, new: int) -> None:
        with self._parts.store.transaction() as connection:
            stage = self._model.stage
            self._released = quarantines.released(connection, stage)
            self._waits = quarantines.waiting_places(connection, stage)
            self._dropped = quarantines.dropped(connection, stage).keys()
            self._rescued = quarantines.places_of(connection, stage, TOOK_EFFECT)
        for topic in self._model.topics:
            for batch in self._batches(topic):
                halved(batch, partial(self._take, new), self._quarantine)
                self._events += len(batch)
                self._progress(len(batch))
                fail_point("rebuild.batch")

    def _take(self, new: int, batch: Sequence[Record]) -> None:
        parked: list[tuple[Place, str]] = []
        events = list(self._decoded(batch, parked))
        with self._parts.store.transaction() as connection:
            rows = self._model.rows(new, self._model.living(connection, events))
            merge(connection, self._model.table, rows, self._model.on_conflict)
            quarantines.park(connection, self._model.stage, parked)

    def _quarantine(self, record: Record, error: Exception) -> None:
        """A record that the live stage took and the rebuild cannot: it waits like any other, its case behind it."""
        topic, partition, offset, *_ = record
        stage, at = self._model.stage, lane(record)
        reason = note_failure(stage, error, topic=topic, partition=partition, offset=offset)
        self._waiting.add(at)
        self._failed.add(at)
        with self._parts.store.transaction() as connection:
            found = quarantines.Quarantined(record.place, at, reason)
            quarantines.put(connection, stage, [found], micros(self._parts.clock.now()))

    def _batches(self, topic: str) -> Iterator[Sequence[Record]]:
        """From where this rebuild stands up to where the live model stands."""
        with self._parts.store.transaction() as connection:
            until = {p: at for p, (_, at) in positions.load(connection, self._model.stage, topic).items()}
        state = self._parts.log.state([topic]).get(topic)
        read = self._read[topic]
        for partition in until:
            read.setdefault(partition, state.first.get(partition, 0) if state else 0)
        while behind := {p: read[p] for p, end in until.items() if read[p] < end}:
            found = self._parts.log.read(topic, behind, BATCH)
            if not found:  # between here and there stand markers of transactions only
                read.update({partition: until[partition] for partition in behind})
                return
            for record in found:
                read[record.partition] = min(record.offset + 1, until[record.partition])
            if batch := [record for record in found if record.offset < until[record.partition]]:
                yield batch

    def _decoded(self, batch: Sequence[Record], parked: list[tuple[Place, str]]) -> Iterator[Any]:
        """What a live stage would have taken: nothing behind a record that it could not, and all that one came to
        which took effect though it was broken, even if it can be read by now."""
        for record in batch:
            at = lane(record)
            event = self._event(record)
            rescued = event is None or record.place in self._rescued
            if rescued and (broken := self._model.rescue(record)):
                yield broken
            if event is None:
                if record.place not in self._released:
                    self._waiting.add(at)
            elif at not in self._waiting or self._model.passes(event):
                yield event
            elif at in self._failed:
                parked.append((record.place, at))

    def _event(self, record: Record) -> Any:
        """None for a record that cannot be decoded, that waits, or that an operator gave up."""
        if record.place in self._waits or record.place in self._dropped:
            return None
        try:
            require_readable(record)
            return self._model.decode(record)
        except DataError:
            return None

    def _switch(self, live: int, new: int) -> RebuildOutcome | None:
        """Compare at equal positions and switch, or None when the live model has moved on meanwhile."""
        with self._parts.store.transaction() as connection:
            if not self._level(connection):
                return None
            divergence, rows = _compare(connection, self._model.table, live, new)
            merge(
                connection,
                generations,
                [(self._model.name, new)],
                "(projection) DO UPDATE SET live = excluded.live",
            )
            table = self._model.table
            connection.execute(delete(table).where(table.c.generation == live))
            fail_point("rebuild.in_transaction")
        self._parts.knowledge.clear()
        return RebuildOutcome(self._model.name, self._events, rows, divergence, new)

    def _level(self, connection: Connection) -> bool:
        """Lock the live model's positions; whether they are ours."""
        for topic in self._model.topics:
            for partition, (topic_id, _) in positions.load(connection, self._model.stage, topic).items():
                following = positions.lock(connection, self._model.stage, topic, topic_id, partition)
                if following != self._read[topic].get(partition, following if following == 0 else -1):
                    return False
        return True


def _compare(connection: Connection, table: Table, live: int, new: int) -> tuple[int, int]:
    """How many rows differ in either direction, and how many the new generation has."""
    columns = [column for column in table.columns if column.name != "generation"]
    old_rows, new_rows = (select(*columns).where(table.c.generation == number) for number in (live, new))
    extra = select(func.count()).select_from(new_rows.except_(old_rows).subquery())
    gone = select(func.count()).select_from(old_rows.except_(new_rows).subquery())
    total = select(func.count()).where(table.c.generation == new)
    divergence = int(connection.execute(extra).scalar_one()) + int(connection.execute(gone).scalar_one())
    return divergence, int(connection.execute(total).scalar_one())


def _register_rows(secret: bytes, new: int, events: Sequence[Event]) -> list[tuple[object, ...]]:
    return register_rows.folded(
        register_rows.row(new, e.envelope, e.value, received_at(secret, e.record)) for e in events
    )
