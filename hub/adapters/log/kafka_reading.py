"""Reading one topic from stated positions: an assigned consumer without group, commits or resets."""

import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer import fetcher
from kafka.errors import OffsetOutOfRangeError

from hub.adapters.log.batches import guarded
from hub.adapters.log.problems import beyond_log, unavailable
from hub.ports import Record, TopicState

fetcher.MemoryRecords = guarded(fetcher.MemoryRecords)

SETTINGS: dict[str, Any] = {
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    "fetch_max_wait_ms": 100,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "metrics_enabled": False,
}
_POLL = 100  # milliseconds; how long the end of a topic is waited at
_PATIENCE = 10.0  # seconds; how long records that are there may take to come


class TopicReader:
    """A consumer that stands where its last reader left it, and seeks only when the next one wants another place."""

    def __init__(self, topic: str, settings: Mapping[str, Any]) -> None:
        self._topic, self._lock = topic, Lock()
        self._consumer: Any = KafkaConsumer(**(SETTINGS | dict(settings)))
        self._standing: dict[int, int] = {}

    def poll(self, positions: Mapping[int, int], limit: int) -> list[Record]:
        """What has come within a short while; [] says nothing yet. Raises OffsetGap or LogIsOlder."""
        with self._lock:
            self._stand_at(positions)
            try:
                found = self._consumer.poll(timeout_ms=_POLL, max_records=limit)
            except OffsetOutOfRangeError as error:
                raise self._outside(error.args[0]) from None
            records = [_record(one) for part in found.values() for one in part]
            for record in records:
                self._standing[record.partition] = record.offset + 1
            return records

    def passed(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Where the consumer stands after an empty poll from these positions: markers of transactions, and what
        compaction removed, lie behind it."""
        with self._lock:
            if self._standing != positions:
                return dict(positions)
            places = {p: self._consumer.position(TopicPartition(self._topic, p)) for p in positions}
            return {p: max(position, places[p]) for p, position in positions.items()}

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    def _stand_at(self, positions: Mapping[int, int]) -> None:
        if self._standing.keys() != positions.keys():
            self._consumer.assign([TopicPartition(self._topic, partition) for partition in positions])
            self._standing = {}
        for partition, position in positions.items():
            if self._standing.get(partition) != position:
                self._consumer.seek(TopicPartition(self._topic, partition), position)
        self._standing = dict(positions)

    def _outside(self, places: Mapping[Any, int]) -> Exception:
        part, position = next(iter(places.items()))
        first = self._consumer.beginning_offsets([part])[part]
        self._standing = {}
        return beyond_log(self._topic, part.partition, position, first)


def at_end(positions: Mapping[int, int], state: TopicState) -> bool:
    """Whether nothing stands at or after these positions; raises OffsetGap or LogIsOlder for one outside the log."""
    for partition, position in positions.items():
        first, end = state.first[partition], state.end[partition]
        if not first <= position <= end:
            raise beyond_log(state.name, partition, position, first)
    return all(position == state.end[partition] for partition, position in positions.items())


class Patience:
    """Ends the wait for records that the broker says it has."""

    def __init__(self, topic: str) -> None:
        self._topic, self._until = topic, time.monotonic() + _PATIENCE

    def check(self) -> None:
        if time.monotonic() > self._until:
            raise unavailable("records do not come", self._topic)


def _record(one: Any) -> Record:
    headers: Sequence[tuple[str, bytes]] = tuple((name, value or b"") for name, value in one.headers)
    return Record(
        one.topic, one.partition, one.offset, one.key or b"", one.value or b"", one.timestamp * 1000, headers
    )
