"""What every event log answers when it is asked for what it does not hold."""

from hub.errors import ConfigurationError, LogIsOlder, OffsetGap, StoppedToBeSafe


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
