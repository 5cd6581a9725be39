"""Only a leap of the clock wakes a chore that rests, not the time that passes."""

from datetime import UTC, datetime, timedelta

from hub.adapters.clocks import ManualClock
from hub.hosts.worker.roles import Leap


def test_a_leap_is_told_once_and_in_both_directions() -> None:
    clock = ManualClock(datetime(2026, 11, 22, 8, tzinfo=UTC))
    leapt = Leap(clock)
    said = []
    for step in (
        timedelta(0),
        timedelta(seconds=5),
        timedelta(hours=12),
        timedelta(seconds=1),
        -timedelta(days=1),
    ):
        clock.set(clock.now() + step)
        said.append(leapt())
    assert said == [False, False, True, False, True]
