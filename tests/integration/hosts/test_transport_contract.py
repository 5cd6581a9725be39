"""What the batch transport leans on in faust-streaming: when one of these moves, read transport.py against it.

The source of what is overridden or relied upon is watched here; test_transport.py runs it on a real broker.
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import faust
import pytest
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport.conductor import ConductorCompiler
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from hub.hosts.faust.transport import BatchConsumer, in_turn

LEANED_ON: dict[str, Callable[..., Any]] = {
    "Consumer.__init__": Consumer.__init__,
    "Consumer._wait_next_records": Consumer._wait_next_records,
    "Consumer._get_active_partitions": Consumer._get_active_partitions,
    "Consumer._drain_messages": Consumer._drain_messages,
    "Consumer.getmany": Consumer.getmany,
    "Consumer.perform_seek": Consumer.perform_seek,
    "Consumer.on_partitions_revoked": Consumer.on_partitions_revoked,
    "Consumer.on_partitions_assigned": Consumer.on_partitions_assigned,
    "Consumer.ack": Consumer.ack,
    "Consumer.commit": Consumer.commit,
    "Consumer._commit_offsets": Consumer._commit_offsets,
    "Consumer._filter_committable_offsets": Consumer._filter_committable_offsets,
    "Consumer._new_offset": Consumer._new_offset,
    "Consumer._add_gap": Consumer._add_gap,
    "ThreadDelegateConsumer.seek_wait": ThreadDelegateConsumer.seek_wait,
    "ThreadDelegateConsumer._commit": ThreadDelegateConsumer._commit,
    "AIOKafkaConsumerThread.seek_to_committed": AIOKafkaConsumerThread.seek_to_committed,
    "AIOKafkaConsumerThread._seek_wait": AIOKafkaConsumerThread._seek_wait,
    "AIOKafkaConsumerThread._fetch_records": AIOKafkaConsumerThread._fetch_records,
    "AIOKafkaConsumerThread._create_worker_consumer": AIOKafkaConsumerThread._create_worker_consumer,
    "Recovery._resume_streams": Recovery._resume_streams,
    "App._on_partitions_revoked": App._on_partitions_revoked,
    "App._on_partitions_assigned": App._on_partitions_assigned,
    "ConductorCompiler.build": ConductorCompiler.build,
}
DIGESTS = {
    "Consumer._get_active_partitions": "b24897f3c7afdb5d",
    "Consumer.__init__": "302410d59e6972d1",
    "Consumer._wait_next_records": "6218e1969a636b3f",
    "Consumer._drain_messages": "44a2500309e83c63",
    "Consumer.getmany": "4b168d84882a70d6",
    "Consumer.perform_seek": "0e8c130ff4b0afd8",
    "Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "Consumer.ack": "5fcf41cf45153475",
    "Consumer.commit": "a354437baaa08bf8",
    "Consumer._commit_offsets": "1a69799041188441",
    "Consumer._filter_committable_offsets": "dc5e9baf5d994485",
    "Consumer._new_offset": "1d2c7ea89a7ad4f1",
    "Consumer._add_gap": "4df2573ded7c1c2c",
    "ThreadDelegateConsumer.seek_wait": "e9db5bbc4ceb2543",
    "ThreadDelegateConsumer._commit": "a20eec84e4b2ed50",
    "AIOKafkaConsumerThread.seek_to_committed": "775ab0adc4b052ab",
    "AIOKafkaConsumerThread._seek_wait": "9d221e816d940467",
    "AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f6cad",
    "Recovery._resume_streams": "d986a6710c1aca98",
    "App._on_partitions_revoked": "d5c895bbe57dc73a",
    "App._on_partitions_assigned": "de932b7927db85b3",
    "ConductorCompiler.build": "837cf521368c1ee4",
}


def digest(of: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(of).encode()).hexdigest()[:16]


def test_the_version_is_the_one_that_was_read() -> None:
    assert faust.__version__ == "0.15.3"


@pytest.mark.parametrize("name", LEANED_ON)
def test_it_is_as_it_was_read(name: str) -> None:
    assert digest(LEANED_ON[name]) == DIGESTS[name], (
        "read transport.py against it, then write the new digest here"
    )


def test_what_is_overridden_is_there() -> None:
    overridden = {
        "perform_seek",
        "on_partitions_revoked",
        "getmany",
        "ack",
        "_new_offset",
        "_add_gap",
        "_commit",
    }
    assert overridden <= vars(BatchConsumer).keys()
    assert all(hasattr(ThreadDelegateConsumer, name) for name in overridden)


def test_chunks_come_from_each_partition_in_turn() -> None:
    fetched = {("t", 0): [1, 2, 3, 4, 5], ("t", 1): [6], ("u", 0): [7, 8, 9]}
    assert [
        (partition.topic, partition.partition, list(chunk)) for partition, chunk in in_turn(fetched, 2)
    ] == [
        ("t", 0, [1, 2]),
        ("t", 1, [6]),
        ("u", 0, [7, 8]),
        ("t", 0, [3, 4]),
        ("u", 0, [9]),
        ("t", 0, [5]),
    ]
