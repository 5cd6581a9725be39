"""Faust's transport with one event per fetched chunk of a partition, read at the store's positions.

Stock Faust waits with four asyncio tasks for every record, commits past a single unacknowledged head and seeks to what
Kafka has committed. This consumer hands on whole chunks (some 30 times faster), commits only behind what was
acknowledged in order, and begins where the store says. It leans on internals of faust-streaming 0.15.3 that
tests/integration/hosts/test_transport_contract.py names and watches; the app may have no tables.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from aiokafka.consumer import fetcher
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from hub.adapters.log.batches import guarded
from hub.errors import OffsetGap
from hub.hosts.worker.exit import leave
from hub.ports import Record

fetcher.MemoryRecords = guarded(fetcher.MemoryRecords)

log = structlog.get_logger()
_AHEAD = 8  # chunks of a partition that may wait for its agent
_BRIEF = 0.01  # seconds until a partition that had no room is looked at again
_TRIES = 5  # times that a partition may be sought anew at one place before this counts as a gap


class Where(Protocol):
    """Answers where to read: partition → next offset, given what is committed. Blocking; called in a thread."""

    def __call__(self, committed: Mapping[tuple[str, int], int]) -> Mapping[tuple[str, int], int]: ...


@dataclass(slots=True)
class Lane:
    """One partition since it was last sought: `following` is the next offset to hand on; `handed` the last offsets of
    chunks that are not committed, in order; `waiting` those of chunks that are not acknowledged."""

    following: int
    handed: deque[int] = field(default_factory=deque)
    waiting: set[int] = field(default_factory=set)

    def hand_on(self, chunk: Sequence[Any]) -> None:
        last = chunk[-1].offset
        self.following = last + 1
        self.handed.append(last)
        self.waiting.add(last)


class BatchConsumer(driver.Consumer):
    """One event per chunk: `event.value` is a tuple of `hub.ports.Record`, its offset that of the last of them."""

    transport: "BatchTransport"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lanes: dict[TP, Lane] = {}
        self._strays: dict[TP, tuple[int, int]] = {}
        self._seeking = asyncio.Lock()

    async def perform_seek(self) -> None:
        """Begin every assigned partition where the store says; nothing is handed on until that is done."""
        async with self._seeking:
            self._lanes.clear()
            found = await self._thread.seek_to_committed()
            committed = {(tp.topic, tp.partition): offset or 0 for tp, offset in found.items()}
            places = await asyncio.to_thread(self.transport.where, committed)
            await self.seek_wait({TP(*partition): offset for partition, offset in places.items()})
            for partition, offset in places.items():
                self._begin(TP(*partition), offset, committed[partition])

    def _begin(self, tp: TP, offset: int, committed: int) -> None:
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        self._committed_offset[tp] = committed or None
        self._lanes[tp] = Lane(offset)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._lanes.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust calls it so
        """The next chunks, partition by partition in turn, each the direct continuation of the one before."""
        fetched = await self._fetch(timeout)
        generation = self.app.consumer_generation_id
        for tp, chunk in in_turn(fetched, self.transport.chunk):
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                return
            lane = self._lanes.get(tp)
            if lane is None:
                continue
            if chunk[0].offset != lane.following and not await self._only_markers(tp, lane.following, chunk):
                await self._seek_anew(tp, lane.following)
                return
            lane.hand_on(chunk)
            self._strays.pop(tp, None)
            yield tp, _message(tp, chunk, generation)

    async def _fetch(self, seconds: float) -> Mapping[Any, Sequence[Any]]:
        """Records of those partitions whose agent keeps up: one that does not must never hold up another's, for it may
        be waiting for just that other (rule 14)."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        active = self._get_active_partitions()
        room = {tp for tp in active if (lane := self._lanes.get(tp)) and len(lane.waiting) < _AHEAD}
        if not room:
            await self.sleep(_BRIEF)
            return {}
        seconds = seconds if len(room) == len(active) else _BRIEF
        return await self._getmany(active_partitions=room, timeout=seconds)

    def ack(self, message: Any) -> bool:
        if lane := self._lanes.get(message.tp):
            lane.waiting.discard(message.offset)
        return super().ack(message)

    async def _only_markers(self, tp: TP, following: int, chunk: Sequence[Any]) -> bool:
        """Whether no record stands between what was handed on and this chunk: it was sought anew at that very place,
        the log still holds the place, and the broker gave this. Markers of transactions and compaction leave holes."""
        place, _ = self._strays.get(tp, (-1, 0))
        if place != following or chunk[0].offset < following:
            return False
        consumer = self._thread._ensure_consumer()  # noqa: SLF001 - Faust's own thread has no such question
        first = await self._thread.call_thread(consumer.beginning_offsets, [TopicPartition(*tp)])
        return bool(next(iter(first.values())) <= following)

    async def _seek_anew(self, tp: TP, following: int) -> None:
        """Records came that do not continue what was handed on: fetched before a seek, or the log is another one."""
        place, tries = self._strays.get(tp, (following, 0))
        tries = tries + 1 if place == following else 1
        self._strays[tp] = following, tries
        if tries > _TRIES:
            where = f"{tp.topic}/{tp.partition}/{following}"
            leave(
                OffsetGap(
                    "the log does not go on here", place=where, remedy="see the runbook, gap in the log"
                )
            )
        log.info("worker.sought_anew", topic=tp.topic, partition=tp.partition, offset=following)
        await self.perform_seek()

    def _new_offset(self, tp: TP) -> int | None:
        """What may be committed: behind the last chunk before which all are acknowledged."""
        lane, acked = self._lanes.get(tp), self._acked_index[tp]
        following = None
        while lane and lane.handed and lane.handed[0] in acked:
            last = lane.handed.popleft()
            acked.discard(last)
            following = last + 1
        self._acked[tp] = sorted(acked)
        return following

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Within a chunk there are no gaps, and between chunks `getmany` allows none."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """A hint to whoever looks at the group's lag: that the broker did not take it is no reason to end."""
        marks = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            consumer = self._thread._ensure_consumer()  # noqa: SLF001 - the thread's own commit crashes the app
            await self._thread.call_thread(consumer.commit, marks)
        except Exception as error:  # noqa: BLE001 - the next commit says more than this one
            log.warning("worker.not_committed", error=type(error).__name__)
            return False
        return True


class BatchTransport(driver.Transport):
    """Set through `app.transport` before any agent starts; `chunk` is the most records of one event."""

    Consumer = BatchConsumer

    def __init__(self, *args: Any, where: Where, chunk: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.where, self.chunk = where, chunk


def in_turn(fetched: Mapping[Any, Sequence[Any]], size: int) -> Iterator[tuple[TP, Sequence[Any]]]:
    """Chunks of up to `size` records, one of each partition in turn, so that none waits for all of another."""
    longest = max((len(records) for records in fetched.values()), default=0)
    for start in range(0, longest, size):
        for partition, records in fetched.items():
            if chunk := records[start : start + size]:
                yield TP(*partition), chunk


def _message(tp: TP, chunk: Sequence[Any], generation: int) -> ConsumerMessage:
    last = chunk[-1]
    value: Any = tuple(_record(one) for one in chunk)
    return ConsumerMessage(
        topic=tp.topic,
        partition=tp.partition,
        offset=last.offset,
        timestamp=last.timestamp / 1000,
        timestamp_type=last.timestamp_type,
        headers=[],
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        tp=tp,
        generation_id=generation,
    )


def _record(one: Any) -> Record:
    value, key = one.value or b"", one.key or b""
    headers = tuple((name, content or b"") for name, content in one.headers)
    return Record(one.topic, one.partition, one.offset, key, value, one.timestamp * 1000, headers)
