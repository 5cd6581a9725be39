"""How existing topics are set, at the broker or in the log's file: to be compared with the plan, never changed."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from hub.adapters.log.problems import of_kafka, unavailable

Found = Mapping[str, Mapping[str, str]]
"""Topic → its settings as Kafka names them; a topic that does not exist is absent."""

_COMPARED = (
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "message.timestamp.type",
    "segment.ms",
    "compression.type",
    "max.message.bytes",
)


def of_file(path: Path, names: Sequence[str]) -> Found:
    """What a `SqliteLog` was told when the topics were created."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT name, config FROM topic").fetchall()
    except sqlite3.Error as error:
        raise unavailable(type(error).__name__, path.name) from None
    return {name: orjson.loads(config) for name, config in rows if name in names}


def of_broker(bootstrap: str, names: Sequence[str], security: Mapping[str, Any]) -> Found:
    """What the brokers say of these topics, which must exist."""
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import KafkaError

    from hub.adapters.log.telling_client import telling_client

    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_COMPARED)) for name in names]
    try:
        settings = {"bootstrap_servers": bootstrap.split(","), "request_timeout_ms": 10_000, **security}
        with closing(KafkaAdminClient(**settings, kafka_client=telling_client)) as admin:
            answer = admin.describe_configs(wanted, config_filter="all") if wanted else {}
    except KafkaError as error:
        raise of_kafka(error, bootstrap) from None
    return {
        name: {key: str(entry["value"]) for key, entry in found.items() if key in _COMPARED}
        for kind in answer.values()
        for name, found in kind.items()
    }
