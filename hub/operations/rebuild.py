"""Rebuilding a read model from the log beside the live one, then switching (protocol rule 21).

The second set of rows has a generation of its own and positions of its own. Killed at any point, the live rows
stand and the next rebuild starts afresh. It marks nothing dirty: a rebuild changes no view.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete

from hub import topology
from hub.domain.clock import micros
from hub.errors import DataError, TryAgain, UsageError
from hub.failpoints import fail_point
from hub.isolation import halved, note_failure
from hub.parts import Parts
from hub.ports import ProjectedEvent, Record, RecordPosition
from hub.read_models import OWN, ReadModel, quarantine_stage, write
from hub.sealed.words import broken_control, decode_control
from hub.stages import consents, project
from hub.stages.intake import TOOK_EFFECT, lane, require_readable
from hub.store import positions, quarantines, subjects
from hub.store.bulk import merge
from hub.store.read_models import compare
from hub.store.tables import generation as generations
from hub.subjects.tombstones import living, narrows, still_provable
from hub.topology import ReadingStage

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Feed:
    """What a stage gives its read models, taken from the log as the stage takes it.

    `decode`, `passes` and `rescue` are those of the stage (`hub.stages.driver.Stage`); `living` leaves out what makes
    no row any more, and `projected` makes of an event what a read model is given.
    """

    reading: ReadingStage
    decode: Callable[[bytes, Record], Any]
    living: Callable[[Connection, Sequence[Any]], Sequence[Any]]
    projected: Callable[[bytes, Any], ProjectedEvent] = lambda secret, event: event
    passes: Callable[[Any], bool] = lambda event: False
    rescue: Callable[[bytes, Record], Any] = lambda secret, record: None


_CASES = Feed(topology.PROJECT, decode=lambda secret, record: project.decode_case(record), living=living)
_CONSENTS = Feed(
    topology.CONSENTS,
    decode=decode_control,
    living=still_provable,
    projected=consents.projected,
    passes=narrows,
    rescue=broken_control,
)
_FEEDS = {feed.reading.stage: feed for feed in (_CASES, _CONSENTS)}


@dataclass(frozen=True, slots=True)
class RebuildOutcome:
    """`rows` in the rebuilt model; `divergence`: rows that the live one had otherwise, or not at all, or too many."""

    name: str
    events: int
    rows: int
    divergence: int
    generation: int


def topics_of(parts: Parts, name: str) -> Sequence[str]:
    """The topics from which a read model is rebuilt. Raises UsageError for a name that none has."""
    return _FEEDS[_named(parts, name).stage].reading.topics(parts.agencies)


def rebuild(parts: Parts, name: str, progress: Callable[[int], None] = lambda count: None) -> RebuildOutcome:
    """Build, catch up, compare, switch. `progress` is told how many events were read since the last time. Raises
    UsageError, and whatever the read model raises for more than single events."""
    return _Rebuild(parts, _named(parts, name), progress).run()


def take_one(parts: Parts, model: ReadModel, record: Record) -> None:
    """Give one record of the log to one read model again, into its live generation. Raises whatever the read model
    does, and DataError for a record that its stage cannot take."""
    feed, secret = _FEEDS[model.stage], parts.secret
    require_readable(record)
    event = feed.decode(secret, record)
    with parts.store.transaction() as connection:
        alive = feed.living(connection, [event])
        live = subjects.live_generation(connection, model.name)
        write(connection, model, live, [feed.projected(secret, one) for one in alive])


def _named(parts: Parts, name: str) -> ReadModel:
    models = {model.name: model for model in parts.read_models}
    if name not in models:
        raise UsageError(
            "there is no read model of this name", place=name, remedy=f"name one of {', '.join(models)}"
        )
    return models[name]


class _Rebuild:
    def __init__(self, parts: Parts, model: ReadModel, progress: Callable[[int], None]) -> None:
        self._parts, self._model, self._progress = parts, model, progress
        self._feed, self._quarantine_stage = _FEEDS[model.stage], quarantine_stage(model)
        self._topics = self._feed.reading.topics(parts.agencies)
        self._read: dict[str, dict[int, int]] = {topic: {} for topic in self._topics}
        self._events = 0
        self._waiting: set[str] = set()
        self._failed: set[str] = set()  # ordering keys of records that only the rebuild could not take
        self._not_taken: set[RecordPosition] = set()

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
        for table in self._model.tables:
            connection.execute(delete(table).where(table.c.generation != live))

    def _catch_up(self, new: int) -> None:
        with self._parts.store.transaction() as connection:
            stage = self._model.stage
            self._released = quarantines.released(connection, stage)
            self._waits = quarantines.waiting_places(connection, stage)
            self._dropped = quarantines.dropped(connection, stage).keys()
            self._rescued = quarantines.places_of(connection, stage, TOOK_EFFECT)
        for topic in self._topics:
            for batch in self._batches(topic):
                halved(batch, partial(self._take, new), self._quarantine)
                self._events += len(batch)
                self._progress(len(batch))
                fail_point("rebuild.batch")

    def _take(self, new: int, batch: Sequence[Record]) -> None:
        parked: list[tuple[RecordPosition, str]] = []
        events = list(self._decoded(batch, parked))
        with self._parts.store.transaction() as connection:
            alive = self._feed.living(connection, events)
            secret = self._parts.secret
            write(connection, self._model, new, [self._feed.projected(secret, event) for event in alive])
            quarantines.park(connection, self._model.stage, parked)

    def _quarantine(self, record: Record, error: Exception) -> None:
        """A record that the live stage took and the rebuild cannot. In a read model of the hub's own it waits like any
        other, its case behind it; in another one nothing waits behind it."""
        topic, partition, offset, *_ = record
        stage, at = self._quarantine_stage, lane(record)
        reason = note_failure(stage, error, topic=topic, partition=partition, offset=offset)
        self._not_taken.add(record.place)
        if self._model.name in OWN:
            self._waiting.add(at)
            self._failed.add(at)
        with self._parts.store.transaction() as connection:
            found = quarantines.QuarantinedRecord(record.place, at, reason)
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

    def _decoded(self, batch: Sequence[Record], parked: list[tuple[RecordPosition, str]]) -> Iterator[Any]:
        """What a live stage would have taken: nothing behind a record that it could not, and all that one came to
        which took effect though it was broken, even if it can be read by now."""
        for record in batch:
            at = lane(record)
            event = self._event(record)
            rescued = event is None or record.place in self._rescued
            if rescued and (broken := self._feed.rescue(self._parts.secret, record)):
                yield broken
            if event is None:
                if record.place not in self._released:
                    self._waiting.add(at)
            elif at not in self._waiting or self._feed.passes(event):
                yield event
            elif at in self._failed:
                parked.append((record.place, at))

    def _event(self, record: Record) -> Any:
        """None for a record that cannot be decoded, that waits, or that an operator gave up."""
        if record.place in self._waits or record.place in self._dropped:
            return None
        try:
            require_readable(record)
            return self._feed.decode(self._parts.secret, record)
        except DataError:
            return None

    def _switch(self, live: int, new: int) -> RebuildOutcome | None:
        """Compare at equal positions and switch, or None when the live model has moved on meanwhile."""
        with self._parts.store.transaction() as connection:
            if not self._level(connection):
                return None
            compared = [compare(connection, table, live, new) for table in self._model.tables]
            merge(
                connection,
                generations,
                [(self._model.name, new)],
                "(projection) DO UPDATE SET live = excluded.live",
            )
            for table in self._model.tables:
                connection.execute(delete(table).where(table.c.generation == live))
            self._release(connection)
            fail_point("rebuild.in_transaction")
        self._parts.knowledge.clear()
        divergence, rows = (sum(numbers) for numbers in zip(*compared, strict=True))
        return RebuildOutcome(self._model.name, self._events, rows, divergence, new)

    def _release(self, connection: Connection) -> None:
        """What a read model beside the hub's own could not take, and has taken now, leaves its quarantine."""
        if self._model.name not in OWN:
            waiting = quarantines.waiting_places(connection, self._quarantine_stage)
            quarantines.remove(connection, self._quarantine_stage, waiting - self._not_taken)

    def _level(self, connection: Connection) -> bool:
        """Lock the live model's positions; whether they are ours."""
        for topic in self._topics:
            for partition, (topic_id, _) in positions.load(connection, self._model.stage, topic).items():
                following = positions.lock(connection, self._model.stage, topic, topic_id, partition)
                if following != self._read[topic].get(partition, following if following == 0 else -1):
                    return False
        return True
