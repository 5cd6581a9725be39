"""How a worker repeats a call while a service does not answer: never skipping, never for ever."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TypeVar

import structlog

from hub.errors import ServiceUnavailable
from hub.metrics.named import metrics
from hub.retry import Retry, interruptible

log = structlog.get_logger()
T = TypeVar("T")
_FIRST, _LONGEST = 0.05, 5.0  # seconds between two tries


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call is repeated, in seconds, unless `stopping` is set."""

    stopping: Event = field(repr=False)
    seconds: float = 60.0

    def persist(self, work: Callable[[], T], what: str) -> T:
        """The result of `work` once it succeeds; raises ServiceUnavailable after `seconds`, RetryInterrupted when the
        worker stops."""
        retry = Retry(
            errors=(ServiceUnavailable,),
            first=_FIRST,
            longest=_LONGEST,
            seconds=self.seconds,
            on_retry=partial(_report, what),
            sleep=self.rest,
        )
        return retry.call(work)

    def rest(self, seconds: float) -> None:
        """Sleep; RetryInterrupted if the worker is told to stop meanwhile."""
        interruptible(self.stopping)(seconds)


def _report(what: str, error: BaseException) -> None:
    metrics().record_retry(what, error)
    log.warning("worker.waiting", what=what, error=type(error).__name__, place=getattr(error, "place", ""))
