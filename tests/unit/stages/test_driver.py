"""The loop that all stages share, with a stage that takes numbers: quarantine, ordering keys, positions, retries."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from hub.errors import DataError, OffsetGap, ServiceUnavailable, TryAgain
from hub.parts import Parts
from hub.ports import Outgoing, Record
from hub.stages.driver import Stage, drive
from hub.stages.intake import BatchIntake
from tests.support.world import JC, World

TOPIC, ID = f"agency.{JC}.events", "topic-id"


def _decode(_: Parts, record: Record) -> int:
    if not record.value.isdigit():
        raise DataError("no number", reason="no_number", place=str(record.place))
    return int(record.value)


class Numbers:
    """Keeps what was applied."""

    def __init__(self, refuse: Callable[[Sequence[int]], bool] = lambda _: False) -> None:
        self.applied: list[int] = []
        self.prepared = 0
        self._refuse = refuse
        self.stage: Stage[int, None] = Stage(
            name="numbers", decode=_decode, prepare=self._prepare, apply=self._apply
        )

    def _prepare(self, _: Parts, __: BatchIntake[int]) -> None:
        self.prepared += 1

    def _apply(self, _: Connection, __: Parts, intake: BatchIntake[int], ___: None) -> bool:
        if self._refuse(intake.events):
            return False
        self.applied += intake.events
        return True


def _records(*keyed: tuple[str, str], start: int = 0) -> list[Record]:
    return [
        Record(TOPIC, 0, offset, key.encode(), value.encode(), 1)
        for offset, (key, value) in enumerate(keyed, start)
    ]


def test_one_bad_record_blocks_its_ordering_key_alone(world: World) -> None:
    numbers = Numbers()
    batch = _records(("a", "1"), ("b", "x"), ("b", "2"), ("c", "3"))
    driven = drive(world.parts, numbers.stage, ID, batch)
    assert numbers.applied == [1, 3]
    assert [bad.reason for bad in driven.intake.bad] == ["no_number"]
    assert [record.value for record, _ in driven.intake.parked] == [b"2"]
    drive(world.parts, numbers.stage, ID, _records(("b", "4"), ("a", "5"), start=4))
    assert numbers.applied == [1, 3, 5]
    assert len(world.rows("parked")) == 2


def test_in_a_stage_without_order_nothing_waits(world: World) -> None:
    numbers = Numbers()
    drive(world.parts, replace(numbers.stage, ordered=False), ID, _records(("b", "x"), ("b", "2")))
    assert numbers.applied == [2]
    assert world.rows("parked") == []


def test_what_was_taken_is_skipped_and_a_gap_stops(world: World) -> None:
    numbers = Numbers()
    world.parts.log.append(TOPIC, [Outgoing(b"a", b"%d" % number) for number in range(8)])
    batch = world.records(TOPIC)
    drive(world.parts, numbers.stage, ID, batch[:2])
    assert drive(world.parts, numbers.stage, ID, batch[:3]).intake.skipped == 2
    assert numbers.applied == [0, 1, 2]
    with pytest.raises(OffsetGap):
        drive(world.parts, numbers.stage, ID, batch[7:])
    assert numbers.applied == [0, 1, 2]


def test_a_batch_that_changed_meanwhile_is_prepared_again_and_not_for_ever(world: World) -> None:
    answers = iter([True, True, False])
    numbers = Numbers(lambda _: next(answers))
    drive(world.parts, numbers.stage, ID, _records(("a", "1")))
    assert (numbers.prepared, numbers.applied) == (3, [1])
    with pytest.raises(TryAgain):
        drive(world.parts, Numbers(lambda _: True).stage, ID, _records(("a", "2"), start=1))


def test_a_record_that_fails_while_it_is_applied_is_quarantined_alone(world: World) -> None:
    def fail(events: Sequence[int]) -> bool:
        if 2 in events:
            raise ValueError("Erika")
        return False

    numbers = Numbers(fail)
    driven = drive(world.parts, numbers.stage, ID, _records(("a", "1"), ("b", "2"), ("c", "3")))
    assert numbers.applied == [1, 3]
    assert [bad.reason for bad in driven.intake.bad] == ["failed_ValueError"]


def test_an_outage_quarantines_nothing(world: World) -> None:
    def fail(_: Sequence[int]) -> bool:
        raise ServiceUnavailable("no answer", place="store", remedy="wait")

    with pytest.raises(ServiceUnavailable):
        drive(world.parts, Numbers(fail).stage, ID, _records(("a", "1")))
    assert world.rows("quarantine") == []
    assert world.rows("position") == []
