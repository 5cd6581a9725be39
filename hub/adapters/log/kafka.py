"""The event log on Apache Kafka. No call hangs: a broker that is down is ServiceUnavailable within a deadline.

Topics are read by position, so there are no consumer groups here and nothing is committed; the partition of a key is
chosen here (`partitioner`), so that every producer of the hub agrees.
"""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar
from uuid import UUID

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from hub.adapters.clocks import SystemClock
from hub.adapters.log.bounded import Bounded, require_listener
from hub.adapters.log.kafka_reading import Patience, TopicReader, at_end
from hub.adapters.log.kafka_sending import PlainSender, TopicSender
from hub.adapters.log.problems import no_topic, of_kafka
from hub.adapters.log.telling_client import telling_client
from hub.domain.clock import micros
from hub.ports import Clock, Outgoing, Record, TopicState

_ANSWER = 15.0  # seconds for a question to the broker
_RECONNECT = {"reconnect_backoff_max_ms": 1000}  # a broker that is back is used again within a second
T = TypeVar("T")


class KafkaLog:
    """An `EventLog` on the brokers at `bootstrap`; `security` is named as in kafka-python (ssl_…, sasl_…).

    Records carry `clock`'s time of the append, unless their topic says LogAppendTime.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        clock: Clock | None = None,
        connect_within: float = 10.0,
        sender: TopicSender | None = None,
        **security: Any,
    ) -> None:
        """Raises ServiceUnavailable when no broker answers within `connect_within` seconds, AccessRefused when one
        refuses the account."""
        require_listener(bootstrap)
        self._place = bootstrap
        self._settings = {
            "bootstrap_servers": bootstrap.split(","),
            "request_timeout_ms": 10_000,
            **_RECONNECT,
            **security,
        }
        self._settings["bootstrap_timeout_ms"] = int(connect_within * 1000)
        self._clock: Clock = clock or SystemClock()
        self._sender: TopicSender = sender or PlainSender(self._settings)
        self._readers: dict[str, TopicReader] = {}
        self._partitions: dict[str, int] = {}
        self._lock, self._bounded = Lock(), Bounded()
        try:
            self._admin: Any = self._bounded.call(
                lambda: KafkaAdminClient(**self._settings, kafka_client=telling_client),
                connect_within + 1,
                bootstrap,
            )
        except BaseException:
            self._bounded.close()
            raise

    def create(
        self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        wanted = {
            name: {"num_partitions": partitions, "configs": dict((config or {}).get(name, {}))}
            for name, partitions in topics.items()
        }
        if wanted:
            answer = self._ask(lambda: self._admin.create_topics(wanted, raise_errors=False))
            for topic in answer["topics"]:
                error = for_code(topic["error_code"])
                if error not in {NoError, TopicAlreadyExistsError}:
                    raise of_kafka(error(), topic["name"])
            self._ask(lambda: self._admin.wait_for_topics(list(wanted)))

    def append(self, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        if not records:
            return
        timestamp = micros(self._clock.now()) // 1000
        try:
            self._bounded.call(lambda: self._send(topic, records, timestamp), deadline, topic)
        except BaseException:
            self._partitions.pop(topic, None)
            self._sender.abandon()
            raise

    def read(self, topic: str, positions: Mapping[int, int], limit: int = 1000) -> Sequence[Record]:
        if not positions or not limit:
            return []
        patience = Patience(topic)
        while True:
            records = self._bounded.call(lambda: self._reader(topic).poll(positions, limit), _ANSWER, topic)
            if records:
                return records
            state = self.state([topic]).get(topic)
            if state is None or not state.end.keys() >= positions.keys():
                raise no_topic(topic)
            if at_end(positions, state) or at_end(self._passed(topic, positions), state):
                return []
            patience.check()

    def state(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        return self._ask(lambda: self._state(list(topics))) if topics else {}

    def close(self) -> None:
        self._sender.abandon()
        with self._lock:
            readers, self._readers = list(self._readers.values()), {}
        for reader in readers:
            reader.close()
        self._admin.close()
        self._bounded.close()

    def _ask(self, question: Callable[[], T]) -> T:
        return self._bounded.call(question, _ANSWER, self._place)

    def _send(self, topic: str, records: Sequence[Outgoing], timestamp: int) -> None:
        if topic not in self._partitions:
            found = self._described([topic])
            if topic not in found:
                raise no_topic(topic)
            self._partitions[topic] = len(found[topic]["partitions"])
        self._sender.send(topic, self._partitions[topic], records, timestamp)

    def _reader(self, topic: str) -> TopicReader:
        with self._lock:
            if topic not in self._readers:
                require_listener(self._place)
                self._readers[topic] = TopicReader(topic, self._settings)
            return self._readers[topic]

    def _passed(self, topic: str, positions: Mapping[int, int]) -> Mapping[int, int]:
        return self._bounded.call(lambda: self._reader(topic).passed(positions), _ANSWER, topic)

    def _described(self, topics: list[str]) -> dict[str, Any]:
        """Those of the topics that exist."""
        found = {topic["name"]: topic for topic in self._admin.describe_topics(topics)}
        errors = {name: for_code(topic["error_code"]) for name, topic in found.items()}
        for error in errors.values():
            if error not in {NoError, UnknownTopicOrPartitionError}:
                raise error
        return {name: topic for name, topic in found.items() if errors[name] is NoError}

    def _state(self, topics: list[str]) -> dict[str, TopicState]:
        """Three requests, however many topics: what they are, where they begin, where they end."""
        found = self._described(topics)
        parts = [
            TopicPartition(name, partition["partition_index"])
            for name, topic in found.items()
            for partition in topic["partitions"]
        ]
        first = self._offsets(parts, OffsetSpec.EARLIEST)
        end = self._offsets(parts, OffsetSpec.LATEST)
        return {
            name: TopicState(name, UUID(topic["topic_id"]).hex, first[name], end[name])
            for name, topic in found.items()
        }

    def _offsets(self, parts: list[TopicPartition], spec: OffsetSpec) -> dict[str, dict[int, int]]:
        offsets: dict[str, dict[int, int]] = {}
        for part, found in self._admin.list_partition_offsets(dict.fromkeys(parts, spec)).items():
            offsets.setdefault(part.topic, {})[part.partition] = found.offset
        return offsets
