"""Names, labels and batches of the metrics."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from hub.domain.clock import micros
from hub.errors import (
    DataError,
    KeyServiceUnavailable,
    OffsetGap,
    ServiceUnavailable,
    TryAgain,
)
from hub.metrics.batched import Batched
from hub.metrics.named import CONNECTOR_GAUGES, STORE_GAUGES, Metrics, metrics, rule_label
from hub.stages.admit import AdmitOutcome
from hub.stages.consents import ConsentsOutcome
from hub.stages.disclose import DiscloseOutcome
from hub.stages.project import ProjectOutcome
from hub.stages.timers import TickOutcome

NAMED = """
`build_info` · `events_total{agency,event_type,outcome}` · `policy_decisions_total{rule,decision}` ·
`released_without_consent` (an independent auditor recomputes; must stay 0) · `audit_timestamp_seconds` ·
`event_age_seconds{agency}` (source commit → view) · `apply_duration_seconds{stage}` ·
`apply_retries_total{stage,cause}` · `consumer_lag_records{topic,partition}` ·
`oldest_unapplied_timestamp_seconds{stage}` · `connector_last_success_timestamp_seconds{agency,source}` ·
`connector_status{agency,source,state}` · `quarantine_records{agency,reason}` · `consent_state_age_seconds{agency}` ·
`withdrawal_latency_seconds` · `erasure_latency_seconds` · `projection_divergence_rows{projection}` ·
`clock_skew_seconds{agency}` · `certificate_not_after_timestamp_seconds{cert}` ·
`broken_narrowing_records{agency}` ·
`key_requests_total{outcome}` · `key_request_duration_seconds` · `key_connections_closed_total{cause}` ·
`view_requests_total{route,code_class}` · `view_duration_seconds{route}` · `heartbeats_refused_total{agency}`.
"""
"""The operator's table of metrics."""

NOT_YET = {
    "hub_projection_divergence_rows",
}
NOW = datetime(2026, 7, 14, 8, 30, tzinfo=UTC)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def made(registry: CollectorRegistry) -> Metrics:
    return metrics(registry)


def value(made: Metrics, name: str, **labels: str) -> float | None:
    made.batched.release()
    return made.registry.get_sample_value(name, labels)


def test_names_and_labels_are_the_operators(made: Metrics) -> None:
    wanted = {
        f"hub_{name}": tuple(filter(None, labels.split(",")))
        for name, labels in re.findall(r"`(\w+)(?:\{([\w,]+)\})?`", NAMED)
    }
    counted = {metric.name: metric for metric in made.registry.collect()}
    named = {name + ("_total" if metric.type == "counter" else "") for name, metric in counted.items()}
    read = {name: labels for name, (_, labels) in {**STORE_GAUGES, **CONNECTOR_GAUGES}.items()}
    assert named | read.keys() == set(wanted) - NOT_YET
    assert read == {name: wanted[name] for name in read}
    objects = [
        getattr(made, name) for name in Metrics.__slots__ if name not in ("registry", "batched", "build_info")
    ]
    for one in objects:
        name = f"{one._name}{'_total' if one._type == 'counter' else ''}"
        assert one._labelnames == wanted[name]


def test_one_set_of_metrics_per_registry(made: Metrics, registry: CollectorRegistry) -> None:
    assert metrics(registry) is made
    assert b"hub_build_info{version=" in generate_latest(registry)


def test_increments_wait_for_company_or_for_the_window() -> None:
    registry, clock = CollectorRegistry(), [0.0]
    batched = Batched(together=3, window=60, clock=lambda: clock[0])
    registry.register(batched)
    counter = metrics(CollectorRegistry()).view_requests
    batched.add(counter, ("/", "2xx"), 2)
    assert counter.labels("/", "2xx")._value.get() == 0
    batched.add(counter, ("/", "2xx"), 1)
    assert counter.labels("/", "2xx")._value.get() == 3
    batched.add(counter, ("/", "2xx"), 1)
    batched.add(counter, ("/", "4xx"), 0)
    generate_latest(registry)
    assert counter.labels("/", "2xx")._value.get() == 3
    clock[0] = 60.0
    generate_latest(registry)
    assert counter.labels("/", "2xx")._value.get() == 4
    assert not [labels for labels in counter._metrics if "4xx" in labels]


def test_observations_wait_too(made: Metrics) -> None:
    for _ in range(6):
        made.record_view("/", 200, 0.5)
    assert made.registry.get_sample_value("hub_view_duration_seconds_count", {"route": "/"}) == 5
    assert value(made, "hub_view_duration_seconds_count", route="/") == 6


def test_admission(made: Metrics) -> None:
    outcome = AdmitOutcome(
        admitted=3,
        held=1,
        duplicates=2,
        skipped=1,
        parked=4,
        withheld={"R04": 2, "Anna": 1},
        quarantined={"x": 5},
    )
    outcome.types.update({("HelpStarted", "admitted"): 3, ("HelpEnded", "withheld"): 3})
    made.record("admit", "agency.ja.events", outcome, 0.1)
    kinds = {"HelpStarted": "admitted", "HelpEnded": "withheld"}
    for kind, decided in kinds.items():
        assert value(made, "hub_events_total", agency="ja", event_type=kind, outcome=decided) == 3
    for decided, number in {"duplicate": 3, "parked": 4, "quarantined": 5}.items():
        assert value(made, "hub_events_total", agency="ja", event_type="any", outcome=decided) == number
    for rule, decision, number in [
        ("R04", "withheld", 2),
        ("other", "withheld", 1),
        ("none", "admitted", 3),
        ("none", "held", 1),
    ]:
        assert value(made, "hub_policy_decisions_total", rule=rule, decision=decision) == number


def test_other_stages(made: Metrics) -> None:
    made.record("consents", "agency.jc.consents", ConsentsOutcome(2, 1, 0, 0, 5, {"ConsentGranted": 2}), 0.1)
    at = int(NOW.timestamp() - 90) * 1_000_000
    made.record(
        "project",
        "hub.cases",
        ProjectOutcome(1, 0, 0, 0, {("ja", "HelpStarted"): 1}, {"ja": at}),
        0.1,
        now=NOW,
    )
    made.record(
        "disclose",
        "",
        DiscloseOutcome(marks=2, removed=2, aborted=1, waits=[at], effects=[at, at]),
        0.1,
        now=NOW,
    )
    made.record("register", "", 3, 0.1)
    assert value(made, "hub_events_total", agency="jc", event_type="ConsentGranted", outcome="taken") == 2
    assert value(made, "hub_events_total", agency="jc", event_type="any", outcome="quarantined") == 1
    assert value(made, "hub_events_total", agency="ja", event_type="HelpStarted", outcome="applied") == 1
    assert value(made, "hub_event_age_seconds_sum", agency="ja") == 90
    assert value(made, "hub_withdrawal_latency_seconds_count") == 2
    assert value(made, "hub_withdrawal_latency_seconds_sum") == 180
    assert value(made, "hub_apply_retries_total", stage="disclose", cause="changed") == 1
    for stage in ("consents", "project", "disclose", "register"):
        assert value(made, "hub_apply_duration_seconds_count", stage=stage) == 1


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (KeyServiceUnavailable("Anna"), "keys"),
        (TryAgain("Anna"), "try_again"),
        (ServiceUnavailable("Anna"), "unavailable"),
        (OffsetGap("Anna"), "stopped"),
        (DataError("Anna", reason="x"), "data"),
        (KeyError("Anna"), "other"),
    ],
)
def test_a_cause_is_one_of_six_words(made: Metrics, error: Exception, cause: str) -> None:
    made.record_retry("admit", error)
    assert value(made, "hub_apply_retries_total", stage="admit", cause=cause) == 1
    assert b"Anna" not in generate_latest(made.registry)


@pytest.mark.parametrize(
    ("rule", "label"),
    [("R04", "R04"), ("key_fenced", "key_fenced"), ("R4", "other"), ("", "other"), ("Anna", "other")],
)
def test_rules_are_bounded(rule: str, label: str) -> None:
    assert rule_label(rule) == label


def test_an_erasure_is_observed_from_its_request_to_its_execution(made: Metrics) -> None:
    made.record("tick", "", TickOutcome(erased=(micros(NOW) - 90_000_000,)), 0.1, now=NOW)
    assert value(made, "hub_erasure_latency_seconds_count") == 1
    assert value(made, "hub_erasure_latency_seconds_sum") == 90


class Slow(CollectorRegistry):
    """Takes its time, so that a second thread comes while the first is still at it."""

    def register(self, collector: Collector) -> None:
        time.sleep(0.002)
        super().register(collector)


def test_threads_that_come_first_together_share_one_set() -> None:
    """A worker's periodic tasks start at the same moment; a name that is registered twice would end it."""
    registry = Slow()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: metrics(registry), range(4)))
    assert all(one is made[0] for one in made)
