"""Repeats a call with growing pauses while another system does not answer: the one backoff of hub and connectors.

tenacity does the counting; it is imported with the first call, because it brings asyncio with it.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


class RetryInterrupted(Exception):
    """The process is to stop; the repeated call has not succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a call is repeated. All times are seconds.

    `errors`: the exceptions after which it may succeed later. `first`: the first pause; each further one is twice as
    long, up to `longest`. `tries` and `seconds`: after so many calls, or so much time, the last error is raised.
    `asked`: the pause that the other system asks for in its answer; a pause above `patience` is not made, the error is
    raised instead. `on_retry` is called before each pause; `sleep` makes it and may raise.
    """

    errors: tuple[type[Exception], ...]
    first: float
    longest: float = math.inf
    tries: int | None = None
    seconds: float = math.inf
    asked: Callable[[BaseException], float] = field(default=lambda _: 0.0, repr=False)
    patience: float = math.inf
    on_retry: Callable[[BaseException], None] = field(default=lambda _: None, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work`; raises its last error, an error of another type at once, and what `sleep` raises."""
        from tenacity import Retrying, retry_if_exception_type

        return Retrying(
            retry=retry_if_exception_type(self.errors),
            wait=self._pause,
            stop=self._is_over,
            before_sleep=lambda state: self.on_retry(_error(state)),
            sleep=self.sleep,
            reraise=True,
        )(work)

    def _pause(self, state: "RetryCallState") -> float:
        from tenacity import wait_exponential

        longest = min(self.longest, 86_400.0)  # tenacity takes no infinity
        grown = wait_exponential(multiplier=self.first, max=longest)(state)
        return max(grown, self.asked(_error(state)))

    def _is_over(self, state: "RetryCallState") -> bool:
        spent = state.seconds_since_start or 0.0
        return (
            (self.tries is not None and state.attempt_number >= self.tries)
            or spent > self.seconds
            or state.upcoming_sleep > self.patience
        )


def interruptible(stopping: Event) -> Callable[[float], None]:
    """A sleep that ends with RetryInterrupted when `stopping` is set."""

    def sleep(seconds: float) -> None:
        if stopping.wait(seconds):
            raise RetryInterrupted

    return sleep


def _error(state: "RetryCallState") -> BaseException:
    failed = state.outcome.exception() if state.outcome else None
    return failed or RetryInterrupted()
