"""The bench of the Kafka host: real broker, real PostgreSQL, every worker a process of its own, all on this machine."""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from threading import Thread

from kafka import KafkaAdminClient

from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import Given, build_parts
from hub.config import Settings, load_settings
from hub.dev.bench.costs import per_event_us
from hub.dev.bench.floor import STAGE as FLOOR
from hub.dev.bench.floor import metadata as floor_tables
from hub.dev.bench.folds import fold_costs
from hub.dev.bench.keys import key_service as served_keys
from hub.dev.bench.keys import keys_per_s
from hub.dev.bench.processes import Workers, timed_run
from hub.dev.bench.result import BenchResult, count_applied, environment, percentiles
from hub.dev.bench.watching import ViewWatch
from hub.dev.bench.workload import JA, PERSONS, Workload, agencies
from hub.dev.servers import create_database, kafka_or_existing, postgres_or_existing
from hub.errors import ConfigurationError
from hub.hosts.embedded import Embedded
from hub.operations.rebuild import rebuild
from hub.operations.restore_guard import settle
from hub.parts import CASES, Parts
from hub.store import views

ROUNDS = 5
PER_FAMILY = 24  # events of one family in a run: two persons, three lines, four months
CHUNK = 2000
_SINGLES = 40  # single events and withdrawals whose way is timed
_AGENCIES = "".join(f'[[agency]]\nid = "{agency.id}"\nkind = "{agency.kind}"\n\n' for agency in agencies())

Told = Callable[[str], None]


def bench_kafka(
    events: int, workers: int, told: Told, persons: int = 0, *, key_service: bool = False
) -> BenchResult:
    """Floor and pipeline in turn, `ROUNDS` times, over the same topic; then single events, withdrawals and rebuild.
    With more `persons` than the caches hold, or a `key_service` of its own, keys come from where they are kept."""
    families = max(_SINGLES * 2, persons // PERSONS or events // PER_FAMILY)
    result = BenchResult("kafka", events, workers, families * PERSONS, key_service)
    with ExitStack() as stack:
        told("starting broker and database")
        bootstrap = stack.enter_context(kafka_or_existing())
        server = stack.enter_context(postgres_or_existing())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        keys: Mapping[str, str] = {
            "kek": as_text(new_master()),
            "key_database_url": create_database(server, f"bench_{token_hex(4)}_keys"),
        }
        if key_service:
            keys = stack.enter_context(served_keys(folder / "service"))
        return _Bench(bootstrap, server, folder, keys, result, told).run()


class _Bench:
    def __init__(
        self,
        bootstrap: str,
        server: str,
        folder: Path,
        keys: Mapping[str, str],
        result: BenchResult,
        told: Told,
    ) -> None:
        self._bootstrap, self._server, self._folder, self._told = bootstrap, server, folder, told
        self._name = f"bench_{token_hex(4)}"
        self._keys, self._result = keys, result
        (folder / "agencies.toml").write_text(_AGENCIES, encoding="utf-8")

    def run(self) -> BenchResult:
        work = self._prepare()
        for number in range(ROUNDS):
            self._told(f"round {number + 1} of {ROUNDS}")
            self._round(number, work)
        self._result.settle()
        return self._result

    def _prepare(self) -> Workload:
        """A store in which every consent is taken, to be copied for each round, and a topic full of events."""
        base = create_database(self._server, self._name)
        parts = self._parts(base)
        if any(parts.log.state([CASES])[CASES].end.values()):
            raise ConfigurationError("this broker is in use", place=CASES, remedy="bench on an empty one")
        self._told("publishing consents and events")
        work = Workload(parts.keys, self._result.persons // PERSONS)
        work.publish_control(parts.log)
        Embedded(parts).run_until_quiet()
        floor_tables.create_all(parts.store.engine)
        work.publish_events(parts.log, self._result.events)
        parts.store.close()
        return work

    def _round(self, number: int, work: Workload) -> None:
        floor = self._floor(number)
        url = create_database(self._server, f"{self._name}_{number}", template=self._name)
        self._empty_cases()
        parts, workers = self._parts(url), Workers(self._env(url, f"round{number}"), self._folder)
        settle(parts)  # the round before told the keys how far its store had come: this copy stands lower
        try:
            workers.start(["hub", "worker", "--role", "consents"])
            workers.start(["hub", "worker", "--role", "disclose"])
            workers.start(["hub", "worker", "--role", "cases"], self._result.workers)
            began = time.perf_counter()
            pipeline = self._timed(parts, workers, "admit", "project")
            self._told(f"floor {floor:.0f}/s, pipeline {pipeline:.0f}/s")
            shown = self._until_shown(parts, began)
            self._result.rounds.append({"floor": floor, "pipeline": pipeline, "until_shown_s": shown})
            if number == ROUNDS - 1:
                self._afterwards(parts, work)
        finally:
            workers.stop()
            self._result.peak_rss_mb = round(max(self._result.peak_rss_mb, workers.peak_rss_mb), 1)
            parts.store.close()

    def _floor(self, number: int) -> float:
        url = create_database(self._server, f"{self._name}_floor{number}", template=self._name)
        parts, workers = self._parts(url), Workers(self._env(url, f"floor{number}"), self._folder)
        try:
            workers.start(["hub.dev.bench.floor_worker"], self._result.workers)
            return self._timed(parts, workers, FLOOR, FLOOR)
        finally:
            workers.stop()
            parts.store.close()

    def _timed(self, parts: Parts, workers: Workers, first: str, last: str) -> float:
        def end() -> int:
            return self._result.events if first == last else sum(parts.log.state([CASES])[CASES].end.values())

        return timed_run(parts.store, workers, first, last, self._result.events, end)

    def _afterwards(self, parts: Parts, work: Workload) -> None:
        """With the workers still running: what single events and withdrawals take; then count and rebuild."""
        result = self._result
        for name, count in count_applied(parts, result.events).items():
            setattr(result, name, count)
        result.environment = environment(parts, kafka="4.3.0")
        fresh = Workload(parts.keys, work.families)
        watch = ViewWatch(parts.log, JA)
        self._told("single events")
        result.latency_ms = percentiles([self._single(parts, fresh, watch, n) for n in range(_SINGLES)])
        self._told("withdrawals in a burst")
        result.withdrawal_ms = percentiles(self._withdrawals(parts, fresh, watch))
        self._told("rebuild")
        began = time.perf_counter()
        outcome = rebuild(parts, "joint_case")
        result.rebuild_events_per_s = round(outcome.events / (time.perf_counter() - began), 1)
        result.cost(per_event_us(parts))
        result.folds = fold_costs()
        result.keys_per_s = keys_per_s()

    def _single(self, parts: Parts, work: Workload, watch: ViewWatch, number: int) -> float:
        """Milliseconds from an event's acknowledgement by the broker to its view in the recipient's topic."""
        lines = 6 * (work.families - 1 - number)  # three lines of two persons: each time another family
        work.publish_events(parts.log, 1, self._result.events * 6 + lines)
        family = (self._result.events * 6 + lines) // 6 % work.families
        return watch.wait(work.case_ref(JA, family), removed=False) * 1000

    def _withdrawals(self, parts: Parts, work: Workload, watch: ViewWatch) -> list[float]:
        """Milliseconds from a withdrawal's acknowledgement to the view without that person, in a burst."""
        first = self._result.events * 20
        burst = Thread(target=work.publish_events, args=(parts.log, self._result.events // 4, first))
        burst.start()
        found = []
        for family in range(_SINGLES):
            work.publish_withdrawal(parts.log, family)
            mother = work.subject_ref(JA, family, "mother")
            found.append(watch.wait_without(work.case_ref(JA, family), mother) * 1000)
        burst.join()
        return found

    def _until_shown(self, parts: Parts, began: float) -> float:
        """Seconds until no case is marked any more: every view is with its recipient."""
        while True:
            with parts.store.transaction() as connection:
                if not views.waiting(connection):
                    return round(time.perf_counter() - began, 2)
            time.sleep(0.1)

    def _empty_cases(self) -> None:
        """The event store of each round is a topic of its own."""
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            admin.delete_topics([CASES])
        finally:
            admin.close()

    def _env(self, url: str, group: str) -> dict[str, str]:
        return {
            "HUB_HOST": "kafka",
            "HUB_KAFKA_BOOTSTRAP": self._bootstrap,
            "HUB_DATABASE_URL": url,
            "HUB_GROUP": f"{self._name}.{group}",
            **{f"HUB_{name.upper()}": one for name, one in self._keys.items()},
            "HUB_CHUNK": str(CHUNK),
            "HUB_AGENCIES": str(self._folder / "agencies.toml"),
            "HUB_METRICS_PORT": "0",
        }

    def _parts(self, url: str) -> Parts:
        return build_parts(self._settings(url), Given(agencies=agencies()))

    def _settings(self, url: str) -> Settings:
        return load_settings(
            host="kafka",
            kafka_bootstrap=self._bootstrap,
            database_url=url,
            **self._keys,
        )
