"""The one contract of every event log; each backend only says how to create itself and how to drop a topic."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hub.adapters.clocks import ManualClock
from hub.adapters.log.partitioner import partition_of
from hub.adapters.log.topics import apply, topic_plan
from hub.domain.clock import micros
from hub.errors import ConfigurationError, LogIsOlder
from hub.ports import EventLog, Outgoing, Record, RecordPosition

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
STORY = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
KEYS = [f"f_{number}".encode() for number in range(20)]


class EventLogContract(ABC):
    """Subclasses give the fixture `opened`, a log whose clock is `clock`, and `drop`."""

    log: EventLog

    @abstractmethod
    def drop(self, topic: str) -> None:
        """Remove the topic, as an operator would."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(NOW)

    @pytest.fixture
    def topic(self, opened: EventLog, topic_prefix: str) -> Iterator[str]:
        self.log = opened
        name = f"{topic_prefix}events"
        opened.create({name: 4}, {name: STORY})
        yield name
        opened.close()

    def everything(self, topic: str, limit: int = 1000) -> list[Record]:
        """Read from the beginning to the end."""
        positions = dict.fromkeys(range(4), 0)
        found: list[Record] = []
        while records := self.log.read(topic, positions, limit):
            found += records
            for record in records:
                assert record.offset == positions[record.partition]
                positions[record.partition] += 1
        return found

    def test_keeps_order_per_key_across_appends_and_partitions(self, topic: str) -> None:
        numbered = [Outgoing(KEYS[number % 20], b"%d" % number) for number in range(500)]
        for start in range(0, 500, 130):
            self.log.append(topic, numbered[start : start + 130])
        records = self.everything(topic)
        assert {record.partition for record in records} == {0, 1, 2, 3}
        assert all(record.partition == partition_of(record.key, 4) for record in records)
        for key in KEYS:
            expected = [one.value for one in numbered if one.key == key]
            assert [record.value for record in records if record.key == key] == expected

    def test_reads_no_more_than_the_limit(self, topic: str) -> None:
        self.log.append(topic, [Outgoing(key, b"x") for key in KEYS])
        assert 1 <= len(self.log.read(topic, dict.fromkeys(range(4), 0), 3)) <= 3
        assert len(self.everything(topic, limit=3)) == 20

    def test_reads_a_large_backlog_completely(self, topic: str) -> None:
        values = [b"%06d" % number + bytes(400) for number in range(6000)]
        self.log.append(topic, [Outgoing(KEYS[n % 20], value) for n, value in enumerate(values)])
        assert sorted(record.value for record in self.everything(topic)) == values

    def test_answers_nothing_at_the_end(self, topic: str) -> None:
        assert list(self.log.read(topic, dict.fromkeys(range(4), 0))) == []
        self.log.append(topic, [Outgoing(b"k", b"1")])
        end = self.log.state([topic])[topic].end
        assert list(self.log.read(topic, end)) == []

    def test_sees_what_is_appended_after_it_stood_at_the_end(self, topic: str) -> None:
        partition = partition_of(b"k", 4)
        assert list(self.log.read(topic, {partition: 0})) == []
        self.log.append(topic, [Outgoing(b"k", b"1")])
        assert [record.value for record in self.log.read(topic, {partition: 0})] == [b"1"]

    def test_reads_again_from_wherever_it_is_asked(self, topic: str) -> None:
        partition = partition_of(b"k", 4)
        self.log.append(topic, [Outgoing(b"k", b"%d" % number) for number in range(10)])
        for position in (0, 7, 3, 9):
            found = self.log.read(topic, {partition: position}, 2)
            assert found[0].place == RecordPosition(topic, partition, position)
            assert found[0].value == b"%d" % position

    def test_reads_only_the_partitions_it_is_asked_for(self, topic: str) -> None:
        self.log.append(topic, [Outgoing(key, b"x") for key in KEYS])
        assert {record.partition for record in self.log.read(topic, {1: 0, 2: 0})} <= {1, 2}
        assert {record.partition for record in self.log.read(topic, {3: 0})} == {3}

    def test_refuses_a_position_beyond_its_end(self, topic: str) -> None:
        with pytest.raises(LogIsOlder, match="/1/5"):
            self.log.read(topic, {1: 5})

    def test_keeps_headers_and_bytes(self, topic: str) -> None:
        headers = (("decision", b"permit"), ("raw", bytes(range(256))))
        self.log.append(
            topic, [Outgoing(b"\x00\xff", bytes(range(256)), headers), Outgoing(b"\x00\xff", b"")]
        )
        first, second = self.everything(topic)
        assert (first.key, first.value, tuple(first.headers)) == (b"\x00\xff", bytes(range(256)), headers)
        assert (second.value, tuple(second.headers)) == (b"", ())

    def test_stamps_records_with_its_clock(self, topic: str, clock: ManualClock) -> None:
        self.log.append(topic, [Outgoing(b"k", b"1")])
        clock.set(NOW + timedelta(minutes=5))
        self.log.append(topic, [Outgoing(b"k", b"2")])
        stamps = [record.timestamp for record in self.everything(topic)]
        assert stamps == [micros(NOW), micros(NOW + timedelta(minutes=5))]

    def test_shows_nothing_of_the_content(self, topic: str) -> None:
        outgoing = Outgoing(b"geheim", b"geheim", (("geheim", b"geheim"),))
        self.log.append(topic, [outgoing])
        assert "geheim" not in f"{outgoing!r} {self.everything(topic)!r}"

    def test_state_tells_first_and_end(self, topic: str) -> None:
        self.log.append(topic, [Outgoing(b"k", b"x")] * 3)
        state = self.log.state([topic, f"{topic}.absent"])
        assert set(state) == {topic}
        assert state[topic].first == dict.fromkeys(range(4), 0)
        assert state[topic].end == dict.fromkeys(range(4), 0) | {partition_of(b"k", 4): 3}

    def test_creating_again_changes_nothing(self, topic: str) -> None:
        self.log.append(topic, [Outgoing(b"k", b"x")])
        before = self.log.state([topic])
        self.log.create({topic: 4})
        assert self.log.state([topic]) == before

    def test_a_topic_created_again_is_another_topic(self, topic: str) -> None:
        self.log.append(topic, [Outgoing(b"k", b"old")])
        before = self.log.state([topic])[topic]
        self.drop(topic)
        assert dict(self.log.state([topic])) == {}
        self.log.create({topic: 4})
        after = self.log.state([topic])[topic]
        assert after.topic_id != before.topic_id
        assert set(after.end.values()) == {0}

    def test_knows_only_topics_that_were_created(self, topic: str) -> None:
        with pytest.raises(ConfigurationError, match="create the topics first"):
            self.log.append(f"{topic}.absent", [Outgoing(b"k", b"x")], deadline=10)
        with pytest.raises(ConfigurationError, match="create the topics first"):
            self.log.read(f"{topic}.absent", {0: 0})

    def test_threads_append_without_losing_anything(self, topic: str) -> None:
        def work(worker: int) -> None:
            for number in range(5):
                self.log.append(topic, [Outgoing(b"%d" % worker, b"%d" % number)] * 10)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        records = self.everything(topic)
        for worker in range(4):
            values = [record.value for record in records if record.key == b"%d" % worker]
            assert values == sorted(values)
            assert len(values) == 50

    def test_creates_the_topics_of_the_agencies(self, topic: str, topic_prefix: str) -> None:
        agency = topic_prefix.rstrip(".")
        apply(self.log, plan := topic_plan([agency], 2, "create"))
        assert {f"agency.{agency}.consents", f"agency.{agency}.receipts", "hub.cases"} <= set(plan)
        assert len(self.log.state([f"agency.{agency}.events"])[f"agency.{agency}.events"].end) == 2
