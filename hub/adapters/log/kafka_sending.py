"""Producing with kafka-python, the only client an agency installs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaError

from hub.adapters.log.bounded import require_listener
from hub.adapters.log.partitioner import partition_of
from hub.ports import Outgoing

SETTINGS: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 20,
    "batch_size": 256 * 1024,
    "max_block_ms": 10_000,
    "request_timeout_ms": 10_000,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


class TopicSender(Protocol):
    """One way of producing. Its owner knows the partitions, keeps the deadline and abandons it after any error."""

    def send(self, topic: str, partitions: int, records: Sequence[Outgoing], timestamp: int) -> None:
        """Return when all records are acknowledged by all replicas; `timestamp` in milliseconds since 1970 UTC."""
        ...

    def abandon(self) -> None:
        """Send nothing more of what waits: it would come after its own repetition. Usable again afterwards."""
        ...


class PlainSender:
    """A producer that is made when first needed and anew after an error."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = SETTINGS | dict(settings)
        self._lock = Lock()
        self._producer: Any = None

    def send(self, topic: str, partitions: int, records: Sequence[Outgoing], timestamp: int) -> None:
        with self._lock:
            if self._producer is None:
                require_listener(",".join(self._settings["bootstrap_servers"]))
                self._producer = KafkaProducer(**self._settings)
            producer = self._producer
        futures = [
            producer.send(topic, value, key, list(headers), partition_of(key, partitions), timestamp)
            for key, value, headers in records
        ]
        producer.flush(self._settings["request_timeout_ms"] / 1000)
        for future in futures:
            future.get(self._settings["request_timeout_ms"] / 1000)

    def abandon(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer._sender.force_close()  # noqa: SLF001  its own close() gives up closing while records wait
            with suppress(KafkaError):
                producer.close(timeout=5)
