"""Which topics a hub needs for its agencies, and creating them: on purpose, never by writing to them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from hub.ports import EventLog
from schemas.topics import Topic, topics

Plan = Mapping[str, tuple[int, Mapping[str, str]]]
"""Topic → partitions, which are fixed for ever, and configuration as Kafka names it."""

_ANY_TIME = str(2**63 - 1)


def topic_plan(
    agencies: Sequence[str],
    partitions: int,
    timestamps: Literal["append", "create"],
    danger_days: int | None = None,
) -> Plan:
    """The topics of these agencies and the hub's own; `danger_days`: how long the § 8a topics are kept, None for ever.

    With "append" the broker's clock stamps every record. "create" is for stories played under a clock of their own:
    the producer's time counts everywhere, however far from the broker's, and nothing is dropped for its age.
    """
    own = {"message.timestamp.type": "LogAppendTime"} if timestamps == "append" else _STORY
    return {
        topic.of(agency): (_partitions(topic, partitions), _kept(topic, danger_days).settings() | own)
        for topic in topics().values()
        for agency in (agencies if topic.per_agency else ("",))
    }


def apply(log: EventLog, plan: Plan) -> None:
    """Create what is missing; existing topics stay as they are."""
    log.create(
        {name: partitions for name, (partitions, _) in plan.items()},
        {name: config for name, (_, config) in plan.items()},
    )


_STORY = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": _ANY_TIME,
    "message.timestamp.before.max.ms": _ANY_TIME,
    "retention.ms": "-1",
}


def _kept(topic: Topic, danger_days: int | None) -> Topic:
    if danger_days is None or topic.name not in ("danger", "danger_answers"):
        return topic
    return replace(topic, retention_hours=danger_days * 24)


def _partitions(topic: Topic, partitions: int) -> int:
    """A compacted topic is read as a whole by everybody: one partition keeps it in one order."""
    return 1 if topic.cleanup == "compact" else partitions
