"""At which place of the log something stands, found by when it was appended. Rows of the store do not all keep it.

Records of a partition stand in the order of their times, so the first of that moment is found by halving; from there a
few are looked at. What is not found (deleted by time, or a clock that went back) is told by its topic alone.
"""

from collections.abc import Callable, Iterator

from hub.errors import StoppedToBeSafe
from hub.ports import EventLog, Record, RecordPosition

_LOOKED_AT = 2000
_BEFORE = 1_000_000  # microseconds: brokers count in milliseconds


def place_of(log: EventLog, topic: str, key: str | None, at: int, mine: Callable[[Record], bool]) -> str:
    """`topic/partition/offset` of the first record (under `key`, if one is given) that is `mine` and came at or after
    `at`, or the topic alone."""
    state = log.state([topic]).get(topic)
    parts = state.end if state else {}
    for part, end in parts.items():
        try:
            start = (
                _first(log, RecordPosition(topic, part, state.first[part]), end, at - _BEFORE)
                if state
                else end
            )
            for record in _a_few(log, RecordPosition(topic, part, start)) if start < end else ():
                if (key is None or record.key == key.encode()) and mine(record):
                    return str(record.place)
        except StoppedToBeSafe:
            continue
    return topic


def _a_few(log: EventLog, start: RecordPosition) -> Iterator[Record]:
    following, left = start.offset, _LOOKED_AT
    while left > 0 and (found := log.read(start.topic, {start.partition: following}, left)):
        yield from found
        following, left = found[-1].offset + 1, left - len(found)


def _first(log: EventLog, begin: RecordPosition, end: int, at: int) -> int:
    """The first offset whose record came at or after a moment; `end` when none did."""
    low, high = begin.offset, end
    while low < high:
        middle = (low + high) // 2
        found = log.read(begin.topic, {begin.partition: middle}, 1)
        if found and found[0].timestamp < at:
            low = middle + 1
        else:
            high = middle
    return low
