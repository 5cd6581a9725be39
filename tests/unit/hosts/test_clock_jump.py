"""Only a jump of the clock wakes a periodic task that rests, not the time that passes."""

from datetime import UTC, datetime, timedelta

from hub.adapters.clocks import ManualClock
from hub.hosts.worker.roles import ClockJump


def test_a_leap_is_told_once_and_in_both_directions() -> None:
    clock = ManualClock(datetime(2026, 11, 22, 8, tzinfo=UTC))
    jumped = ClockJump(clock)
    said = []
    for step in (
        timedelta(0),
        timedelta(seconds=5),
        timedelta(hours=12),
        timedelta(seconds=1),
        -timedelta(days=1),
    ):
        clock.set(clock.now() + step)
        said.append(jumped())
    assert said == [False, False, True, False, True]
