"""The only list of the stages that read topics, and of the topics that they read.

Hosts run by it, metrics and `hub doctor` measure by it, recovery and rebuild go through it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas import topics


class ReadingStage(NamedTuple):
    """A stage and the topic that it reads, by its short name in `schemas/topics.toml`."""

    stage: str
    topic: str

    def topics(self, agencies: Iterable[str]) -> tuple[str, ...]:
        """The topics' names at the broker: one an agency, or one for all."""
        topic = topics()[self.topic]
        return tuple(topic.of(agency) for agency in sorted(agencies)) if topic.per_agency else (topic.of(),)


CONSENTS = ReadingStage("consents", "consents")
RECEIPTS = ReadingStage("receipts", "receipts")
ADMIT = ReadingStage("admit", "events")
PROJECT = ReadingStage("project", "cases")
READING_STAGES = (CONSENTS, RECEIPTS, ADMIT, PROJECT)


def topics_read(agencies: Iterable[str]) -> dict[str, str]:
    """Topic → stage of everything that the hub reads by position."""
    names = sorted(agencies)
    return {topic: one.stage for one in READING_STAGES for topic in one.topics(names)}
