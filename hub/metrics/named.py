"""Every metric of the hub, named in one place: prefix `hub_`, bounded labels.

No label ever holds a person, a case, a worker, a file or the text of an exception: an agency's id, an event type of
the catalogue, a rule, a stage, a topic, a reason code, and nothing else. At forty disclosures a day nearly every
increment between two scrapes would be one person, so counters are raised in batches (`Batched`), and there is no label
of office × purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from hub import __version__
from hub.domain.clock import micros
from hub.errors import DataError, KeyServiceUnavailable, ServiceUnavailable, StoppedToBeSafe, TryAgain
from hub.metrics.batched import Batched
from hub.stages.admit import AdmitOutcome
from hub.stages.consents import ConsentsOutcome
from hub.stages.disclose import DiscloseOutcome
from hub.stages.project import ProjectOutcome
from hub.stages.timers import TickOutcome

PROCESS = CollectorRegistry()
_MAKING = Lock()
"""The registry of this process."""

STORE_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hub_quarantine_records": ("Events that wait for a person, held ones too", ("agency", "reason")),
    "hub_broken_narrowing_records": (
        "Broken withdrawals, objections, splits and erasure requests that took effect and stand in quarantine",
        ("agency",),
    ),
    "hub_consumer_lag_records": ("Records not yet applied", ("topic", "partition")),
    "hub_oldest_unapplied_timestamp_seconds": ("Time of the first record not applied", ("stage",)),
    "hub_consent_state_age_seconds": ("Since all consents were last read to their end", ("agency",)),
    "hub_released_without_consent": ("Released fields that no ground covered, by the newest whole audit", ()),
    "hub_audit_timestamp_seconds": ("When the newest whole audit began", ()),
}
"""Read from store and log at every scrape, by `hub.metrics.store`: name → what it says, labels."""

CONNECTOR_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hub_connector_last_success_timestamp_seconds": (
        "When a step of the connector last ended well",
        ("agency", "source"),
    ),
    "hub_connector_status": ("1 for the connector's present state", ("agency", "source", "state")),
    "hub_clock_skew_seconds": ("The broker's clock minus the agency's connector's, the largest", ("agency",)),
    "hub_certificate_not_after_timestamp_seconds": ("When a certificate ends", ("cert",)),
    "hub_heartbeats_refused_total": (
        "Records on the agency's status topic that are no heartbeat",
        ("agency",),
    ),
}
"""Read from the connectors' heartbeats at every scrape, by `hub.metrics.connectors`."""

_SECONDS = 1_000_000
_FAST = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30)
_LATE = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)
_KEY_OUTCOMES: Mapping[HTTPStatus, str] = {
    HTTPStatus.OK: "ok",
    HTTPStatus.FORBIDDEN: "refused",
    HTTPStatus.TOO_MANY_REQUESTS: "busy",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.CONFLICT: "older",
}
_CAUSES: Mapping[type[Exception], str] = {
    KeyServiceUnavailable: "keys",
    TryAgain: "try_again",
    ServiceUnavailable: "unavailable",
    StoppedToBeSafe: "stopped",
    DataError: "data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The metrics that processes set; `STORE_GAUGES` are read at every scrape."""

    registry: CollectorRegistry = field(repr=False)
    batched: Batched = field(repr=False)
    build_info: Gauge
    events: Counter
    policy_decisions: Counter
    event_age: Histogram
    apply_duration: Histogram
    apply_retries: Counter
    withdrawal_latency: Histogram
    erasure_latency: Histogram
    view_requests: Counter
    view_duration: Histogram
    key_requests: Counter
    key_request_duration: Histogram
    key_connections_closed: Counter

    def record(
        self, stage: str, topic: str, outcome: object, seconds: float, *, now: datetime | None = None
    ) -> None:
        """What any stage answered, as hosts tell it; of an outcome without numbers only the duration is kept."""
        agency = topic.split(".")[1] if topic.startswith("agency.") else "hub"
        at = now or datetime.now(UTC)
        match outcome:
            case ConsentsOutcome():
                self.record_consents(agency, outcome, seconds)
            case AdmitOutcome():
                self.record_admit(agency, outcome, seconds)
            case ProjectOutcome():
                self.record_project(outcome, seconds, at)
            case DiscloseOutcome():
                self.record_disclose(outcome, seconds, at)
            case TickOutcome():
                self.record_tick(outcome, seconds, at)
            case _:
                self.batched.observe(self.apply_duration, (stage,), seconds)

    def record_consents(self, agency: str, outcome: ConsentsOutcome, seconds: float) -> None:
        """One batch of an agency's consents topic, and how long it took."""
        self.batched.observe(self.apply_duration, ("consents",), seconds)
        for event_type, number in outcome.types.items():
            self._events(agency, event_type, "taken", number)
        self._unread(agency, outcome.quarantined, outcome.parked, outcome.skipped)

    def record_admit(self, agency: str, outcome: AdmitOutcome, seconds: float) -> None:
        """One batch of an agency's events topic: what was decided, and by which rule."""
        self.batched.observe(self.apply_duration, ("admit",), seconds)
        for (event_type, decided), number in outcome.types.items():
            self._events(agency, event_type, decided, number)
        self._unread(
            agency, sum(outcome.quarantined.values()), outcome.parked, outcome.skipped + outcome.duplicates
        )
        for rule, number in outcome.withheld.items():
            self.batched.add(self.policy_decisions, (rule_label(rule), "withheld"), number)
        self.batched.add(self.policy_decisions, ("none", "admitted"), outcome.admitted)
        self.batched.add(self.policy_decisions, ("none", "held"), outcome.held)

    def record_project(self, outcome: ProjectOutcome, seconds: float, now: datetime) -> None:
        """One batch of the event store. An agency's oldest event of the batch stands for its age: an upper bound."""
        self.batched.observe(self.apply_duration, ("project",), seconds)
        for (agency, event_type), number in outcome.types.items():
            self._events(agency, event_type, "applied", number)
        self._unread("hub", outcome.quarantined, outcome.parked, outcome.skipped)
        for agency, recorded_at in outcome.recorded.items():
            self.batched.observe(self.event_age, (agency,), _since(recorded_at, now))

    def record_disclose(self, outcome: DiscloseOutcome, seconds: float, now: datetime) -> None:
        """One round of disclosures. Every view that a withdrawal narrowed or took away counts from its receipt."""
        if not outcome.marks:
            return
        self.batched.observe(self.apply_duration, ("disclose",), seconds)
        for received in outcome.effects:
            self.batched.observe(self.withdrawal_latency, (), _since(received, now))
        if outcome.aborted:
            self.apply_retries.labels("disclose", "changed").inc(outcome.aborted)

    def record_tick(self, outcome: TickOutcome, seconds: float, now: datetime) -> None:
        """What time and requests brought about: one observation for each erasure that was executed."""
        self.batched.observe(self.apply_duration, ("tick",), seconds)
        for requested_at in outcome.erased:
            self.batched.observe(self.erasure_latency, (), _since(requested_at, now))

    def record_retry(self, stage: str, error: BaseException) -> None:
        """A stage failed and will be tried again; the cause is one of six words, never the error's text."""
        cause = next((word for kind, word in _CAUSES.items() if isinstance(error, kind)), "other")
        self.apply_retries.labels(stage, cause).inc()

    def record_view(self, route: str, status: int, seconds: float) -> None:
        """One answer of the web side; `route` is the route's pattern, never the path that was asked for."""
        self.batched.add(self.view_requests, (route, f"{status // 100}xx"), 1)
        self.batched.observe(self.view_duration, (route,), seconds)

    def record_key_request(self, status: HTTPStatus, seconds: float) -> None:
        """One answer of the key service."""
        self.batched.add(self.key_requests, (_KEY_OUTCOMES.get(status, "malformed"),), 1)
        self.batched.observe(self.key_request_duration, (), seconds)

    def record_key_connection(self, cause: str) -> None:
        """One connection that the key service ended; `cause` is one of the words of `hub.hosts.keys.connections`."""
        self.batched.add(self.key_connections_closed, (cause,), 1)

    def _events(self, agency: str, event_type: str, outcome: str, number: int) -> None:
        self.batched.add(self.events, (agency, event_type, outcome), number)

    def _unread(self, agency: str, quarantined: int, parked: int, repeated: int) -> None:
        """Records whose type was not looked at, or no longer."""
        for outcome, number in (("quarantined", quarantined), ("parked", parked), ("duplicate", repeated)):
            self._events(agency, "any", outcome, number)


def metrics(registry: CollectorRegistry = PROCESS) -> Metrics:
    """The metrics on this registry, made at the first call; of several threads that come first, by one."""
    with _MAKING:
        return _made(registry)


@cache
def _made(registry: CollectorRegistry) -> Metrics:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    batched = Batched()
    registry.register(batched)

    def counter(name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=registry)

    def gauge(name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=registry)

    def histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, says, labels, buckets=buckets, registry=registry)

    made = Metrics(
        registry=registry,
        batched=batched,
        build_info=gauge("hub_build_info", "Version of this process; always 1", "version"),
        events=counter(
            "hub_events_total", "Events by what became of them", "agency", "event_type", "outcome"
        ),
        policy_decisions=counter("hub_policy_decisions_total", "Decisions at admission", "rule", "decision"),
        event_age=histogram(
            "hub_event_age_seconds", "From the record at its agency to the joint case", _LATE, "agency"
        ),
        apply_duration=histogram("hub_apply_duration_seconds", "One batch of a stage", _FAST, "stage"),
        apply_retries=counter("hub_apply_retries_total", "Batches that were tried again", "stage", "cause"),
        withdrawal_latency=histogram(
            "hub_withdrawal_latency_seconds",
            "From the receipt of a withdrawal to each view that it changed, delivered",
            _LATE,
        ),
        erasure_latency=histogram(
            "hub_erasure_latency_seconds",
            "From the request to the keys destroyed and the rows removed",
            _LATE,
        ),
        view_requests=counter("hub_view_requests_total", "Answers of the web side", "route", "code_class"),
        view_duration=histogram("hub_view_duration_seconds", "Time to answer", _FAST, "route"),
        key_requests=counter("hub_key_requests_total", "Answers of the key service", "outcome"),
        key_request_duration=histogram(
            "hub_key_request_duration_seconds", "Time for the key service to answer", _FAST
        ),
        key_connections_closed=counter(
            "hub_key_connections_closed_total", "Connections that the key service ended itself", "cause"
        ),
    )
    made.build_info.labels(__version__).set(1)
    return made


def rule_label(rule: str) -> str:
    """A rule id of the policy, a state of a key, or "other": what else stands there must not become a series."""
    known = rule in ("key_erased", "key_fenced") or (
        len(rule) == 3 and rule.startswith("R") and rule[1:].isdigit()
    )
    return rule if known else "other"


def _since(then: int, now: datetime) -> float:
    return max(0.0, (micros(now) - then) / _SECONDS)
