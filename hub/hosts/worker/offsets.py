"""Where a worker reads: at the store's positions, or not at all (protocol rule 13)."""

from collections.abc import Mapping, Sequence

from hub.errors import TopicRecreated
from hub.hosts.worker.roles import ReadingTask
from hub.parts import Parts
from hub.ports import TopicState
from hub.store import positions
from hub.store.positions import pass_markers

Partition = tuple[str, int]  # topic, partition: what Faust's TP is


class OffsetSeeker:
    """Knows for each topic which stage reads it, and which topic it is; raises StoppedToBeSafe where going on would
    lose or resurrect something."""

    def __init__(self, parts: Parts, readings: Sequence[ReadingTask]) -> None:
        self._parts = parts
        self._stages = {topic: reading.stage for reading in readings for topic in reading.topics}
        self._ids: dict[str, str] = {}

    def topic_id(self, topic: str) -> str:
        """The id of a topic that was sought before."""
        return self._ids[topic]

    def places(self, committed: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to read each of these partitions, given what the group has committed of them (0 = nothing yet).

        Read in this order - committed, stored, log - each is at least what the one before was while others work on.
        """
        topics = sorted({topic for topic, _ in committed})
        stored = self._stored(topics)
        for topic, state in self._states(topics).items():
            mine = {partition: offset for (name, partition), offset in committed.items() if name == topic}
            positions.check(state, stored[topic], mine)
            self._ids[topic] = state.topic_id
        return {(topic, number): stored[topic].get(number, ("", 0))[1] for topic, number in committed}

    def check(self) -> None:
        """Look whether the log is still the one that was read, for a broker restored under a running worker is silent;
        pass markers at its end."""
        topics = sorted(self._stages)
        stored = self._stored(topics)
        for topic, state in self._states(topics).items():
            positions.check(state, stored[topic], {})
            pass_markers(self._parts.store, self._parts.log, self._stages[topic], state)

    def _stored(self, topics: Sequence[str]) -> dict[str, dict[int, tuple[str, int]]]:
        with self._parts.store.transaction() as connection:
            return {topic: positions.load(connection, self._stages[topic], topic) for topic in topics}

    def _states(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        states = self._parts.log.state(topics)
        for topic in topics:
            if topic not in states:
                raise TopicRecreated(
                    "the topic is gone", place=topic, remedy="restore it; nothing was changed"
                )
        return states
