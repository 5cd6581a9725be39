"""What the hub heard of its agencies' connectors: the newest heartbeat of each, from the log alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from hub.domain.clock import micros
from hub.domain.heartbeat import STOPPED, Heartbeat, decode, status_topic
from hub.ports import EventLog, Record, TopicState

SILENT = "silent"
AHEAD = timedelta(seconds=5)
"""How far the broker's clock may run ahead of this machine's: a heartbeat from the future is none."""
SILENT_AFTER = timedelta(minutes=5)
"""Four beats that did not come: a step over a large export may last longer than one."""
GONE_AFTER = timedelta(days=30)
"""A connector that was stopped on purpose so long ago is none any more; one that fell silent stays for ever."""
MOST_CONNECTORS = 20
"""Of one agency, those that were stopped last: what speaks under more names is refused, so that nobody fills the
metrics."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """A connector's newest heartbeat; `heard_at` (microseconds since 1970 UTC) is the broker's time."""

    beat: Heartbeat
    heard_at: int

    @property
    def skew(self) -> float:
        """Seconds that the connector's clock is behind the broker's; negative: ahead of it."""
        return (self.heard_at - self.beat.at) / 1_000_000

    @property
    def last_success(self) -> int | None:
        """As it said, but never later than it was heard: a clock that is ahead must not hide a silence."""
        said = self.beat.last_success
        return None if said is None else min(said, self.heard_at)

    def age(self, now: datetime) -> timedelta:
        """Since it was heard."""
        return timedelta(microseconds=micros(now) - self.heard_at)

    def state(self, now: datetime) -> str:
        """As it said, or SILENT; who was stopped on purpose is not missed."""
        missed = self.beat.state != STOPPED and not -AHEAD <= self.age(now) <= SILENT_AFTER
        return SILENT if missed else self.beat.state


class Hearing:
    """Follows the status topics of these agencies; cheap to ask again, for it goes on where it stood. Safe to share
    between threads. `refused` counts what was no heartbeat, by agency."""

    def __init__(self, log: EventLog, agencies: Iterable[str]) -> None:
        self._log, self._lock = log, Lock()
        self._topics = {status_topic(agency): agency for agency in agencies}
        self._at: dict[str, tuple[str, dict[int, int]]] = {}
        self._heard: dict[tuple[str, str], Heard] = {}
        self.refused: Counter[str] = Counter()

    def heard(self, now: datetime) -> Mapping[tuple[str, str], Heard]:
        """(agency, connector) → what it said last; raises HubError while the log cannot be read."""
        with self._lock:
            for state in self._log.state(sorted(self._topics)).values():
                self._follow(state)
            self._forget(now)
            return dict(sorted(self._heard.items()))

    def _follow(self, state: TopicState) -> None:
        """To the end that it has now; from its start where it is another topic, or was emptied."""
        topic_id, following = self._at.get(state.name, (state.topic_id, dict(state.first)))
        outside = any(not state.first[part] <= at <= state.end[part] for part, at in following.items())
        if topic_id != state.topic_id or outside:
            following = dict(state.first)
        while any(following[part] < end for part, end in state.end.items()):
            records = self._log.read(state.name, following, _AT_ONCE)
            if not records:
                break
            for record in records:
                self._note(self._topics[state.name], record)
                following[record.partition] = record.offset + 1
        self._at[state.name] = (state.topic_id, following)

    def _note(self, agency: str, record: Record) -> None:
        beat = decode(record.value)
        if beat is None or beat.agency != agency or beat.connector.encode() != record.key:
            self.refused[agency] += 1
            return
        known = (agency, beat.connector)
        if known not in self._heard and not self._room(agency):
            self.refused[agency] += 1
            return
        self._heard[known] = Heard(beat, record.timestamp)

    def _room(self, agency: str) -> bool:
        """Whether one more name has a place: that of the longest stopped one, where all are taken."""
        mine = {name: heard for name, heard in self._heard.items() if name[0] == agency}
        if len(mine) < MOST_CONNECTORS:
            return True
        stopped = [(heard.heard_at, name) for name, heard in mine.items() if heard.beat.state == STOPPED]
        if stopped:
            del self._heard[min(stopped)[1]]
        return bool(stopped)

    def _forget(self, now: datetime) -> None:
        over = [
            name
            for name, heard in self._heard.items()
            if heard.beat.state == STOPPED and heard.age(now) > GONE_AFTER
        ]
        for name in over:
            del self._heard[name]
