"""Metrics that are read from the store and the log at every scrape: lag, what waits, what stands in quarantine."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from hub.config import Settings
from hub.danger.watch import Watch
from hub.domain.clock import micros
from hub.errors import ServiceUnavailable
from hub.metrics.asking import TIMEOUT, Asking
from hub.metrics.certificates import OwnCertificates
from hub.metrics.connectors import connector_collector
from hub.metrics.danger import DangerCollector
from hub.metrics.named import PROCESS, STORE_GAUGES
from hub.operations.audit.verify import AUDITED_AT, BREACHES
from hub.parts import Parts
from hub.ports import TopicState
from hub.stages import misnamed
from hub.stages.intake import TOOK_EFFECT
from hub.store import meta, positions, quarantines, tables
from hub.subjects.consent_barrier import last_caught_up
from hub.topology import topic_agency, topics_read

_MARKS = "marks"
_SECONDS = 1_000_000


_Positions = Mapping[tuple[str, str], Mapping[int, tuple[str, int]]]


@dataclass(frozen=True, slots=True)
class _WaitingCounts:
    """One partition that a stage has not read to its end."""

    stage: str
    topic: str
    partition: int
    following: int
    records: int


class StoreCollector(Collector):
    """`quarantine_records` (held events too, as `held_<rule>`), `consumer_lag_records` (marked cases too, as topic
    "marks"), `oldest_unapplied_timestamp_seconds` and `consent_state_age_seconds`. While the store or the log does not
    answer, they are absent: no number is better than an old one."""

    def __init__(self, parts: Parts, timeout: float = TIMEOUT) -> None:
        self._parts, self._asking = parts, Asking(timeout)
        self._stages = topics_read(parts.agencies)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        try:
            return self._asking.ask(lambda: list(self._families()))
        except ServiceUnavailable:
            return ()

    def _families(self) -> Iterator[Metric]:
        states = self._parts.log.state(sorted(self._stages))
        with self._parts.store.transaction() as connection:
            stored = positions.all_of(connection, *set(self._stages.values()))
            waiting = [one for state in states.values() for one in self._behind(stored, state)]
            marks, since = connection.execute(select(func.count(), func.min(tables.dirty.c.since))).one()
            caught_up = last_caught_up(connection)
            standing = _standing(connection)
            breaches, audited_at = meta.get(connection, BREACHES), meta.get(connection, AUDITED_AT)
        yield _family("hub_quarantine_records", standing)
        yield _family("hub_broken_narrowing_records", _broken(standing))
        if breaches is not None:
            yield _family("hub_released_without_consent", {(): breaches})
        if audited_at is not None:
            yield _family("hub_audit_timestamp_seconds", {(): audited_at / _SECONDS})
        lags = {(one.topic, str(one.partition)): one.records for one in waiting} | {(_MARKS, "0"): marks}
        yield _family("hub_consumer_lag_records", lags)
        oldest = self._oldest(one for one in waiting if one.records)
        if since is not None:
            oldest["disclose",] = since / _SECONDS
        yield _family("hub_oldest_unapplied_timestamp_seconds", oldest)
        if caught_up:
            age = max(0.0, (micros(self._parts.clock.now()) - caught_up) / _SECONDS)
            yield _family(
                "hub_consent_state_age_seconds", {(agency,): age for agency in self._parts.agencies}
            )

    def _behind(self, stored: _Positions, state: TopicState) -> Iterator[_WaitingCounts]:
        stage = self._stages[state.name]
        read = stored.get((stage, state.name), {})
        for partition, end in sorted(state.end.items()):
            _, following = read.get(partition, ("", state.first[partition]))
            yield _WaitingCounts(stage, state.name, partition, following, max(0, end - following))

    def _oldest(self, waiting: Iterable[_WaitingCounts]) -> dict[tuple[str, ...], float]:
        oldest: dict[tuple[str, ...], float] = {}
        for one in waiting:
            for record in self._parts.log.read(one.topic, {one.partition: one.following}, limit=1):
                at = record.timestamp / _SECONDS
                oldest[one.stage,] = min(at, oldest.get((one.stage,), at))
        return oldest


def _standing(connection: Connection) -> dict[tuple[str, ...], float]:
    """(agency, reason) → events in quarantine, work of the hub's own there, and events held for a decision."""
    counted: Counter[tuple[str, ...]] = Counter()
    for (topic, reason), number in quarantines.counts(connection).items():
        counted[_agency(topic), reason] += number
    for item in quarantines.items(connection):
        agency = misnamed.agency_of(item) if item.stage == misnamed.STAGE else "hub"
        counted[agency, item.reason] += 1
    held = tables.held.c
    for topic, reason, number in connection.execute(
        select(held.topic, held.reason, func.count()).group_by(held.topic, held.reason)
    ):
        counted[_agency(topic), f"held_{reason}"] += number
    return dict(counted)


def _broken(standing: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """(agency,) → records that took effect though they are broken."""
    counted: Counter[tuple[str, ...]] = Counter()
    for (agency, reason), number in standing.items():
        if reason.startswith(TOOK_EFFECT):
            counted[agency,] += int(number)
    return dict(counted)


def _agency(topic: str) -> str:
    return topic_agency(topic) if topic.startswith("agency.") else "hub"


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    says, labels = STORE_GAUGES[name]
    family = GaugeMetricFamily(name, says, labels=labels)
    for series, value in sorted(values.items()):
        family.add_metric(series, value)
    return family


def serve(parts: Parts, settings: Settings) -> None:
    """Answer at http://127.0.0.1:`metrics_port`/metrics, from a thread of its own.

    Whether a danger report waits longer than it may, and how the connectors are, is told from the log alone, so that it
    is told while the store is away.
    """
    watch = Watch(parts.log, {agency.id: agency.kind for agency in parts.agencies.values()})
    PROCESS.register(StoreCollector(parts))
    minutes = settings.danger_alarm_minutes
    PROCESS.register(DangerCollector(lambda: watch.overdue(parts.clock.now(), minutes)))
    PROCESS.register(connector_collector(parts, OwnCertificates(settings)))
    start_http_server(settings.metrics_port, addr="127.0.0.1", registry=PROCESS)
