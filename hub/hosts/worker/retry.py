"""Trying again while something outside does not answer: never skipping, never for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

import structlog

from hub.errors import ServiceUnavailable
from hub.metrics.named import metrics

log = structlog.get_logger()
T = TypeVar("T")
_FIRST, _LONGEST = 0.05, 5.0  # seconds between two tries


class RetryInterrupted(Exception):
    """The worker is to stop; what was being tried has not happened."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call is repeated, in seconds, unless `stopping` is set; `told` hears of every failed try."""

    stopping: Event = field(repr=False)
    seconds: float = 60.0
    told: Callable[[str, Exception], None] = field(default=lambda _what, _error: None, repr=False)

    def persist(self, work: Callable[[], T], what: str) -> T:
        """The result of `work` once it succeeds; raises ServiceUnavailable after `seconds`, RetryInterrupted when the
        worker stops."""
        give_up, pause = time.monotonic() + self.seconds, _FIRST
        while True:
            try:
                return work()
            except ServiceUnavailable as error:
                self.told(what, error)
                if time.monotonic() > give_up:
                    raise
                metrics().record_retry(what, error)
                log.warning("worker.waiting", what=what, error=type(error).__name__, place=error.place)
            self.rest(pause)
            pause = min(pause * 2, _LONGEST)

    def rest(self, seconds: float) -> None:
        """Sleep; RetryInterrupted if the worker is told to stop meanwhile."""
        if self.stopping.wait(seconds):
            raise RetryInterrupted
