"""A clock that leaps: somebody put it right, or the machine slept. What time alone changes is due at once then."""

from datetime import timedelta

from hub.ports import Clock

_MORE_THAN_WORK_TAKES = timedelta(minutes=1)


class Leap:
    """Answers whether the clock leapt, forward or back, since it was asked last."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._seen = clock, clock.now()

    def __call__(self) -> bool:
        before, self._seen = self._seen, self._clock.now()
        return abs(self._seen - before) > _MORE_THAN_WORK_TAKES
