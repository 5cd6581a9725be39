"""The event log on a real broker, by both ways of producing."""

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from hub.adapters.clocks import ManualClock
from hub.adapters.log.fast_kafka import FastKafkaLog
from hub.adapters.log.kafka import KafkaLog
from hub.adapters.log.partitioner import partition_of
from hub.dev.servers import LocalKafka
from hub.dev.servers.process import free_port
from hub.errors import DataError, OffsetGap, ServiceUnavailable
from hub.ports import Outgoing
from tests.contract.log.contract import EventLogContract

LEAKS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""kafka-python leaves the socket of every connection that did not come about to the garbage collector."""


@pytest.fixture
def collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let the leaks be found in the test that expects them; log records would hold on to the connections."""
    for client in ("kafka", "aiokafka"):
        caplog.set_level(logging.CRITICAL, logger=client)
    yield
    gc.collect()


class OnKafka(EventLogContract):
    """What both logs have in common: the broker."""

    make: Callable[..., KafkaLog]

    @pytest.fixture
    def opened(self, kafka: str, clock: ManualClock) -> KafkaLog:
        self.bootstrap = kafka
        return self.make(kafka, clock=clock)

    def drop(self, topic: str) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            admin.delete_topics([topic])
            until = time.monotonic() + 10
            while topic in admin.list_topics():
                assert time.monotonic() < until, "the topic stays"

    def test_partitions_like_any_other_client(self, topic: str) -> None:
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap)) as other:
            for number in range(50):
                sent = other.send(topic, key=b"f_%d" % number, value=b"x").get(10)
                assert sent.partition == partition_of(b"f_%d" % number, 4)

    def test_reads_what_others_wrote_without_key_or_value(self, topic: str) -> None:
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap)) as other:
            other.send(topic, value=b"x", partition=0).get(10)
            other.send(topic, key=b"gone", partition=0).get(10)
        assert [(one.key, one.value) for one in self.everything(topic)] == [(b"", b"x"), (b"gone", b"")]

    def test_the_broker_stamps_where_the_topic_says_so(self, topic: str) -> None:
        name = f"{topic}.stamped"
        self.log.create({name: 4}, {name: {"message.timestamp.type": "LogAppendTime"}})
        self.log.append(name, [Outgoing(b"k", b"x")])
        (record,) = self.everything(name)
        assert abs(record.timestamp / 1_000_000 - datetime.now(UTC).timestamp()) < 60

    def test_a_position_that_was_deleted_is_a_gap(self, topic: str) -> None:
        part = TopicPartition(topic, partition_of(b"k", 4))
        self.log.append(topic, [Outgoing(b"k", b"x")] * 5)
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            admin.delete_records({part: 3})
        assert self.log.state([topic])[topic].first[part.partition] == 3
        with pytest.raises(OffsetGap):
            self.log.read(topic, {part.partition: 1})
        assert len(self.log.read(topic, {part.partition: 3})) == 2

    def test_a_record_too_large_is_no_reason_to_try_again(self, topic: str) -> None:
        with pytest.raises(DataError) as caught:
            self.log.append(topic, [Outgoing(b"k", bytes(2_000_000))])
        assert caught.value.reason == "too_large"
        self.log.append(topic, [Outgoing(b"k", b"x")])
        assert len(self.everything(topic)) == 1

    def test_joins_no_group(self, topic: str) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            before = {group["group_id"] for group in admin.list_groups()}
            self.log.append(topic, [Outgoing(b"k", b"x")])
            self.everything(topic)
            assert {group["group_id"] for group in admin.list_groups()} <= before

    @pytest.mark.usefixtures("collected")
    @LEAKS
    def test_an_absent_broker_is_unavailable_in_time(self) -> None:
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            self.make(f"127.0.0.1:{free_port()}", connect_within=1.0)
        assert time.monotonic() - began < 4

    @pytest.mark.usefixtures("collected")
    @LEAKS
    def test_a_broker_that_dies_is_unavailable_in_time_and_used_again(self) -> None:
        with LocalKafka.start() as broker, closing(self.make(broker.bootstrap)) as log:
            log.create({"events": 1})
            log.append("events", [Outgoing(b"k", b"1")])
            broker.kill()
            began = time.monotonic()
            with pytest.raises(ServiceUnavailable):
                log.append("events", [Outgoing(b"k", b"2")], deadline=1)
            assert time.monotonic() - began < 3
            with pytest.raises(ServiceUnavailable):
                log.read("events", {0: 1})
            assert time.monotonic() - began < 30
            broker.restart()
            _until(lambda: log.append("events", [Outgoing(b"k", b"3")], deadline=5))
            values = [record.value for record in log.read("events", {0: 0})]
            assert values in ([b"1", b"3"], [b"1", b"2", b"3"])


class TestKafkaLog(OnKafka):
    make = KafkaLog


class TestFastKafkaLog(OnKafka):
    make = FastKafkaLog


def _until(work: Callable[[], None], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(ServiceUnavailable):
            return work()
    return work()


def test_a_consumer_of_another_kind_sees_the_same(kafka: str, topic_prefix: str) -> None:
    with closing(FastKafkaLog(kafka)) as log:
        name = f"{topic_prefix}events"
        log.create({name: 1})
        log.append(name, [Outgoing(b"k", b"x", (("h", b"1"),))])
        options = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 5000}
        with closing(KafkaConsumer(name, bootstrap_servers=kafka, **options)) as consumer:
            record = next(iter(consumer))
    assert (record.key, record.value, list(record.headers)) == (b"k", b"x", [("h", b"1")])
