"""The only list of the stages that read topics, and of the topics that they read.

Hosts run by it, metrics and `hub doctor` measure by it, recovery and rebuild go through it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas import topics

HUB_WORDS = topics()["words"].of()
"""What the hub itself says of an agency's subjects; only the hub writes it (`hub.sealed.words`)."""


class ReadingStage(NamedTuple):
    """A stage and the topics that it reads, by their short names in `schemas/topics.toml`, in the order of reading."""

    stage: str
    reads: tuple[str, ...]

    def topics(self, agencies: Iterable[str]) -> tuple[str, ...]:
        """The topics' names at the broker: one an agency, or one for all."""
        names = sorted(agencies)
        read = [topics()[name] for name in self.reads]
        return tuple(topic.of(one) for topic in read for one in (names if topic.per_agency else ("",)))


CONSENTS = ReadingStage("consents", ("words", "consents"))
RECEIPTS = ReadingStage("receipts", ("receipts",))
ADMIT = ReadingStage("admit", ("events",))
PROJECT = ReadingStage("project", ("cases",))
READING_STAGES = (CONSENTS, RECEIPTS, ADMIT, PROJECT)


def topics_read(agencies: Iterable[str]) -> dict[str, str]:
    """Topic → stage of everything that the hub reads by position."""
    names = sorted(agencies)
    return {topic: one.stage for one in READING_STAGES for topic in one.topics(names)}


def topic_agency(topic: str) -> str:
    """The agency that a topic belongs to: `agency.<id>.events` → id."""
    return topic.split(".", 1)[1].rsplit(".", 1)[0]
