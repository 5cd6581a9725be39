"""The one thing that metrics tell of danger reports: whether an intake is late. Never how many, never which.

Not in `hub.metrics.named`, because nothing of this path may depend on the store or on the stages. It rises only after
the alarm's time, so that no scrape tells that a report was made.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.errors import ServiceUnavailable, StoppedToBeSafe
from hub.metrics.asking import TIMEOUT, Asking

OVERDUE = "hub_danger_overdue"
SAYS = "1 while a danger report waits for its acknowledgement longer than it may"
LABELS = ("agency",)


class DangerCollector(Collector):
    """Asks at every scrape which intakes (or this office) are late; absent while that cannot be told."""

    def __init__(self, late: Callable[[], Mapping[str, bool]], timeout: float = TIMEOUT) -> None:
        self._late, self._asking = late, Asking(timeout)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        try:
            late = self._asking.ask(self._late)
        except (ServiceUnavailable, StoppedToBeSafe):
            return
        family = GaugeMetricFamily(OVERDUE, SAYS, labels=LABELS)
        for agency, overdue in sorted(late.items()):
            family.add_metric((agency,), float(overdue))
        yield family


def serve_danger(port: int, late: Callable[[], Mapping[str, bool]]) -> None:
    """Answer at http://127.0.0.1:`port`/metrics with this metric alone."""
    registry = CollectorRegistry()
    registry.register(DangerCollector(late))
    start_http_server(port, addr="127.0.0.1", registry=registry)
