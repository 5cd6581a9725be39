"""Increments that come out together: of forty disclosures a day nearly each would else be one person's."""

import time
from collections.abc import Callable, Iterable
from threading import Lock

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector


class Batched(Collector):
    """Increments and observations that wait until `together` of one series or `window` seconds have passed.

    The window is looked at whenever the registry is scraped; `release` lets everything out at once, as at a process's
    end.
    """

    def __init__(
        self, together: int = 5, window: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._together, self._window, self._clock = together, window, clock
        self._lock, self._since = Lock(), clock()
        self._counts: dict[tuple[Counter, tuple[str, ...]], int] = {}
        self._observed: dict[tuple[Histogram, tuple[str, ...]], list[float]] = {}

    def add(self, counter: Counter, labels: tuple[str, ...], number: int) -> None:
        """Raise one series by `number`, now or together with others."""
        if number <= 0:
            return
        with self._lock:
            series = (counter, labels)
            self._counts[series] = self._counts.get(series, 0) + number
            if self._counts[series] >= self._together:
                self._count(series)

    def observe(self, histogram: Histogram, labels: tuple[str, ...], value: float) -> None:
        """One observation, now or together with others."""
        with self._lock:
            series = (histogram, labels)
            self._observed.setdefault(series, []).append(value)
            if len(self._observed[series]) >= self._together:
                self._observe(series)

    def release(self) -> None:
        """Let everything out that waits."""
        with self._lock:
            for counted in list(self._counts):
                self._count(counted)
            for observed in list(self._observed):
                self._observe(observed)
            self._since = self._clock()

    def collect(self) -> Iterable[Metric]:
        """Adds no metric of its own; registered first, so that the counters after it are up to date."""
        if self._clock() - self._since >= self._window:
            self.release()
        return ()

    def describe(self) -> Iterable[Metric]:
        return ()

    def _count(self, series: tuple[Counter, tuple[str, ...]]) -> None:
        counter, labels = series
        (counter.labels(*labels) if labels else counter).inc(self._counts.pop(series))

    def _observe(self, series: tuple[Histogram, tuple[str, ...]]) -> None:
        histogram, labels = series
        for value in self._observed.pop(series):
            (histogram.labels(*labels) if labels else histogram).observe(value)
