"""How long a scrape waits for log and store: one that hangs must not take every other metric with it.

A broker that is stopped but not gone answers after ten seconds that it does not; Prometheus waits as long for all of a
process's metrics, by default.
"""

from collections.abc import Callable
from typing import TypeVar

from hub.adapters.log.bounded import Bounded

TIMEOUT = 3.0  # seconds; three collectors ask one after another
T = TypeVar("T")


class Asking:
    """Of one collector: a question at a time, and none that queues behind one that hangs."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout, self._bounded = timeout, Bounded(1)

    def ask(self, question: Callable[[], T]) -> T:
        """Its answer; raises what it raises, and ServiceUnavailable when none comes in time."""
        return self._bounded.call(question, self._timeout, "metrics")
