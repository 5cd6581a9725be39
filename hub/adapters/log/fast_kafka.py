"""The event log for stages that produce much: aiokafka's batch builder, about seven times kafka-python's producer.

Stages call it from worker threads; the producer lives on an event loop and thread of its own. The hub installs
aiokafka for Faust anyway; an agency does not, and uses `KafkaLog`.
"""

import asyncio
import concurrent.futures
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from hub.adapters.log.bounded import require_listener
from hub.adapters.log.kafka import KafkaLog
from hub.adapters.log.partitioner import partition_of
from hub.adapters.log.problems import of_kafka, unavailable
from hub.errors import DataError
from hub.ports import Clock, Outgoing

BATCH = 1_000_000  # bytes; just under the megabyte that brokers accept
_TIMEOUT = 10.0  # seconds


class FastKafkaLog(KafkaLog):
    """`KafkaLog` with another way of producing; the same contract."""

    def __init__(
        self, bootstrap: str, *, clock: Clock | None = None, connect_within: float = 10.0, **security: Any
    ) -> None:
        sender = BatchSender({"bootstrap_servers": bootstrap, **_for_aiokafka(security)})
        super().__init__(bootstrap, clock=clock, connect_within=connect_within, sender=sender, **security)


class BatchSender:
    """A `Sender` that fills whole batches per partition and lets the broker confirm each once."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = dict(settings)
        self._lock = Lock()
        self._thread: _ProducerThread | None = None

    def send(self, topic: str, partitions: int, records: Sequence[Outgoing], timestamp: int) -> None:
        with self._lock:
            if self._thread is None:
                require_listener(self._settings["bootstrap_servers"])
                self._thread = _ProducerThread(self._settings)
            thread = self._thread
        parts: defaultdict[int, list[Outgoing]] = defaultdict(list)
        for record in records:
            parts[partition_of(record.key, partitions)].append(record)
        thread.send(topic, parts, timestamp)

    def abandon(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
        if thread:
            thread.end()


class _ProducerThread:
    """One producer for as long as nothing goes wrong with it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="event-log-producer", daemon=True)
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._thread.start()

    def send(self, topic: str, parts: Mapping[int, Sequence[Outgoing]], timestamp: int) -> None:
        future = asyncio.run_coroutine_threadsafe(self._send(topic, parts, timestamp), self._loop)
        try:
            future.result()
        except KafkaError as error:
            raise of_kafka(error, topic) from None
        except (TimeoutError, concurrent.futures.CancelledError):
            raise unavailable("the producer was given up", topic) from None

    def end(self) -> None:
        """Stop without flushing: what waits is dropped, and its senders are told."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._drop())
        self._loop.close()

    async def _drop(self) -> None:
        """Without its sending task a producer has nothing left to flush, so that it closes at once."""
        await _cancel_others()
        if self._producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(self._producer.stop(), 5)
        await _cancel_others()

    async def _send(self, topic: str, parts: Mapping[int, Sequence[Outgoing]], timestamp: int) -> None:
        producer = await self._started()
        sent = await asyncio.gather(
            *(
                _send_part(producer, topic, partition, records, timestamp)
                for partition, records in parts.items()
            )
        )
        await asyncio.gather(*(confirmation for part in sent for confirmation in part))

    async def _started(self) -> Any:
        async with self._starting:
            if self._producer is None:
                self._producer = AIOKafkaProducer(
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=BATCH,
                    request_timeout_ms=int(_TIMEOUT * 1000),
                    **self._settings,
                )
                await self._producer.start()
            return self._producer


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _send_part(
    producer: Any, topic: str, partition: int, records: Sequence[Outgoing], timestamp: int
) -> list[asyncio.Future[Any]]:
    """Hand one partition's records over in order; the futures are their confirmations."""
    confirmations = []
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(timestamp=timestamp, key=key, value=value, headers=list(headers)) is None:
            confirmations.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(timestamp=timestamp, key=key, value=value, headers=list(headers)) is None:
                raise DataError("a record is larger than a batch", reason="too_large", place=topic)
    confirmations.append(await producer.send_batch(batch, topic, partition=partition))
    return confirmations


def _for_aiokafka(security: Mapping[str, Any]) -> dict[str, Any]:
    """kafka-python's security settings as aiokafka takes them: files become an SSL context."""
    ssl = {name.removeprefix("ssl_"): value for name, value in security.items() if name.startswith("ssl_")}
    rest = {name: value for name, value in security.items() if not name.startswith("ssl_")}
    if "context" in ssl:
        return {**rest, "ssl_context": ssl["context"]}
    check = ssl.pop("check_hostname", True)
    if not ssl:
        return rest
    context = create_ssl_context(**ssl)
    context.check_hostname = check
    return {**rest, "ssl_context": context}
