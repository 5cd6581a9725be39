"""What every event log answers when it cannot do what was asked: one table from causes to what an operator does."""

from hub.errors import (
    AccessRefused,
    ConfigurationError,
    DataError,
    HubError,
    LogIsOlder,
    OffsetGap,
    ServiceUnavailable,
    StoppedToBeSafe,
)

_REFUSED = (
    "Authorization",
    "SecurityDisabled",
    "UnsupportedSaslMechanism",
    "KafkaConfiguration",
)

_UNTIMELY = {"InvalidTimestampError"}
_REFUSED_RECORD = {"InvalidRecordError"}


def no_topic(topic: str) -> ConfigurationError:
    """Topics are created on purpose, never by writing to them."""
    return ConfigurationError(
        "the topic or partition does not exist", place=topic, remedy="create the topics first"
    )


def beyond_log(topic: str, partition: int, position: int, first: int) -> StoppedToBeSafe:
    """A position outside the log (protocol rule 13): reading on elsewhere would lose or resurrect something."""
    place = f"{topic}/{partition}/{position}"
    if position < first:
        return OffsetGap(
            "the log no longer holds this position", place=place, remedy="see the runbook, gap in the log"
        )
    return LogIsOlder(
        "the log ends before this position", place=place, remedy="see the runbook, restored log"
    )


def unavailable(cause: str, place: str) -> ServiceUnavailable:
    """The broker, or the file, does not answer in time."""
    return ServiceUnavailable(
        f"the event log cannot be used: {cause}", place=place, remedy="it is tried again"
    )


def of_kafka(error: BaseException, place: str) -> HubError:
    """What a Kafka client's error means; by name, because the two clients share no classes, and without its text."""
    name = type(error).__name__
    if name == "UnknownTopicOrPartitionError":
        return no_topic(place)
    if name in _UNTIMELY:
        return ConfigurationError(
            "the broker refuses the records' times",
            place=place,
            remedy="compare both clocks, or the topic's limits",
        )
    if "TooLarge" in name:
        return DataError("a record is larger than the log accepts", reason="too_large", place=place)
    if name in _REFUSED_RECORD:
        return DataError("the log refuses a record", reason="refused_by_log", place=place)
    if "Authentication" in name:
        return AccessRefused(
            "the broker refuses the account",
            place=place,
            remedy="check user and password; it is tried again, ever more rarely",
        )
    if any(word in name for word in _REFUSED):
        return ConfigurationError(
            f"the broker refuses this client: {name}",
            place=place,
            remedy="check its credentials and its rights",
        )
    return unavailable(name, place)
