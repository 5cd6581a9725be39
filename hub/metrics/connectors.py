"""What connectors say of themselves, as metrics: agencies can seldom be scraped, so their heartbeats are exported here.

Labels are names that a configuration holds, of a strict pattern and a bounded number (`hub.metrics.hearing`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.domain.heartbeat import STATES
from hub.errors import HubError
from hub.metrics.asking import TIMEOUT, Asking
from hub.metrics.hearing import SILENT, Heard, Hearing
from hub.metrics.named import CONNECTOR_GAUGES
from hub.parts import Parts

Ends = Callable[[datetime], Mapping[str, float]]
"""Which certificate → when it ends (seconds since 1970 UTC)."""
Values = Iterable[tuple[tuple[str, ...], float]]
_SECONDS = 1_000_000


def connector_collector(parts: Parts, own: Ends = lambda _: {}) -> Collector:
    """The connectors of this hub's agencies, and the hub's `own` certificates."""
    return ConnectorCollector(Hearing(parts.log, parts.agencies), parts.clock.now, own)


class ConnectorCollector(Collector):
    """Listens at every scrape; absent while the log cannot be read, apart from the hub's own certificates."""

    def __init__(
        self, hearing: Hearing, now: Callable[[], datetime], own: Ends, timeout: float = TIMEOUT
    ) -> None:
        self._hearing, self._now, self._own, self._asking = hearing, now, own, Asking(timeout)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        now = self._now()
        ends = {("hub/" + which,): end for which, end in self._own(now).items()}
        try:
            heard = self._asking.ask(lambda: self._hearing.heard(now))
        except HubError:
            heard = None
        if heard is not None:
            ends |= _certificates(heard)
            yield from self._families(heard, now)
        yield _gauge("hub_certificate_not_after_timestamp_seconds", ends.items())

    def _families(self, heard: Mapping[tuple[str, str], Heard], now: datetime) -> Iterator[Metric]:
        done = ((name, one.last_success) for name, one in heard.items())
        yield _gauge(
            "hub_connector_last_success_timestamp_seconds",
            ((name, at / _SECONDS) for name, at in done if at is not None),
        )
        yield _gauge("hub_connector_status", _states(heard, now))
        yield _gauge("hub_clock_skew_seconds", (((agency,), skew) for agency, skew in _skews(heard).items()))
        says, labels = CONNECTOR_GAUGES["hub_heartbeats_refused_total"]
        refused = CounterMetricFamily("hub_heartbeats_refused", says, labels=labels)
        for agency, number in sorted(self._hearing.refused.items()):
            refused.add_metric((agency,), number)
        yield refused


def _states(heard: Mapping[tuple[str, str], Heard], now: datetime) -> Values:
    for name, one in heard.items():
        present = one.state(now)
        yield from (((*name, state), float(state == present)) for state in (*STATES, SILENT))


def _skews(heard: Mapping[tuple[str, str], Heard]) -> Mapping[str, float]:
    """Of each agency the one that is furthest from the broker's time, with its sign."""
    found: dict[str, float] = {}
    for (agency, _), one in heard.items():
        found[agency] = max(one.skew, found.get(agency, 0.0), key=abs)
    return found


def _certificates(heard: Mapping[tuple[str, str], Heard]) -> dict[tuple[str], float]:
    return {
        (f"{agency}/{connector}/{which}",): end / _SECONDS
        for (agency, connector), one in heard.items()
        for which, end in one.beat.certificates.items()
    }


def _gauge(name: str, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    says, labels = CONNECTOR_GAUGES[name]
    family = GaugeMetricFamily(name, says, labels=labels)
    for series, value in values:
        family.add_metric(series, value)
    return family
