"""A place of the log is found whatever a single read brings: a broker hands out what one segment of its files holds."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.adapters.clocks import ManualClock
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.clock import micros
from hub.ports import Outgoing, Record
from hub.rights.event_history.places import place_of

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
TOPIC = "agency.jc.events"


class Dripping(SqliteLog):
    """Gives one record at a time."""

    def read(self, topic: str, positions: Mapping[int, int], limit: int = 1000) -> Sequence[Record]:
        return super().read(topic, positions, min(limit, 1))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Dripping]:
    made = Dripping(tmp_path / "log.sqlite", ManualClock(NOW))
    made.create({TOPIC: 1})
    made.append(TOPIC, [Outgoing(b"case", b"%d" % number) for number in range(5)])
    yield made
    made.close()


def test_the_place_of_a_record_that_is_not_the_first_of_its_moment(log: Dripping) -> None:
    assert place_of(log, TOPIC, "case", micros(NOW), lambda record: record.value == b"3") == f"{TOPIC}/0/3"


def test_what_is_not_there_is_told_by_its_topic(log: Dripping) -> None:
    assert place_of(log, TOPIC, "case", micros(NOW), lambda record: record.value == b"9") == TOPIC
