"""The bench of the embedded host: everything in this process, log, store and keys in SQLite files with fsync."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import TypeVar

from hub.adapters.clocks import SystemClock
from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.dev.bench.costs import per_event_us
from hub.dev.bench.floor import metadata, take_floor
from hub.dev.bench.folds import fold_costs
from hub.dev.bench.keys import key_service as served_keys
from hub.dev.bench.result import BenchResult, count_applied, environment, percentiles
from hub.dev.bench.workload import JC, PERSONS, Workload, agencies
from hub.hosts.embedded import BATCH, Embedded
from hub.operations.rebuild import rebuild
from hub.operations.restore_guard import settle
from hub.parts import Parts
from schemas import topics

T = TypeVar("T")
Keys = Mapping[str, str]
"""The settings that say where keys come from."""
Told = Callable[[str], None]
ROUNDS = 5
PER_FAMILY = 12  # events of one family in a run
_PACED = 40  # single events and withdrawals whose way is timed


def bench_embedded(events: int, told: Told, persons: int = 0, *, key_service: bool = False) -> BenchResult:
    """Floor and pipeline in turn, `ROUNDS` times, over the same log; then latency, withdrawal and rebuild. With more
    `persons` than the caches hold, or a `key_service` of its own, keys come from where they are kept."""
    families = max(1, persons // PERSONS or events // PER_FAMILY)
    result = BenchResult("embedded", events, 1, families * PERSONS, key_service)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        keys: Keys = {"kek": as_text(new_master())}
        if key_service:
            keys = stack.enter_context(served_keys(folder / "service"))
        work = _prepare(folder / "base", keys, events, families, told)
        for number in range(ROUNDS):
            told(f"round {number + 1} of {ROUNDS}")
            parts = _copy(folder / "base", folder / f"round{number}", keys)
            result.rounds.append(
                {"floor": _floor(parts, events), "pipeline": _pipeline(parts, events, result)}
            )
        _afterwards(parts, work, events, result, told)
    result.settle()
    result.peak_rss_mb = round(getrusage(RUSAGE_SELF).ru_maxrss / 1024, 1)
    return result


def _parts(folder: Path, keys: Keys) -> Parts:
    settings = load_settings(data=folder, host="embedded", **keys)
    return build_parts(settings, Given(agencies=agencies(), clock=SystemClock()))


def _prepare(base: Path, keys: Keys, events: int, families: int, told: Told) -> Workload:
    """Consents taken, events waiting in the log."""
    parts = _parts(base, keys)
    work = Workload(parts.keys, families)
    told("publishing")
    work.publish_control(parts.log)
    Embedded(parts).run_until_quiet()
    work.publish_events(parts.log, events)
    _close(parts)
    return work


def _copy(base: Path, folder: Path, keys: Keys) -> Parts:
    """The round before told the keys how far its store had come: this copy stands lower."""
    shutil.copytree(base, folder)
    parts = _parts(folder, keys)
    settle(parts)
    return parts


def _close(parts: Parts) -> None:
    parts.log.close()
    parts.store.close()


def _floor(parts: Parts, events: int) -> float:
    metadata.create_all(parts.store.engine)
    topic = topics()["events"].of(JC)
    state = parts.log.state([topic])[topic]
    following = dict(state.first)
    began = time.perf_counter()
    while batch := parts.log.read(topic, following, BATCH):
        take_floor(parts, state.topic_id, batch)
        following.update({record.partition: record.offset + 1 for record in batch})
    return events / (time.perf_counter() - began)


def _pipeline(parts: Parts, events: int, result: BenchResult) -> float:
    """Every stage over every event, disclosure included."""
    spent: dict[str, float] = {}
    last = began = time.perf_counter()

    def observe(stage: str, _outcome: object) -> None:
        nonlocal last
        now = time.perf_counter()
        spent[stage] = spent.get(stage, 0.0) + now - last
        last = now

    Embedded(parts, observe).run_until_quiet()
    seconds = time.perf_counter() - began
    names = ("admit", "project", "disclose")
    result.stages = {
        name: {"events_per_s": round(events / spent[name], 1)} for name in names if spent.get(name)
    }
    return events / seconds


def _afterwards(parts: Parts, work: Workload, events: int, result: BenchResult, told: Told) -> None:
    told("counting, single events, withdrawals, rebuild")
    for name, count in count_applied(parts, events).items():
        setattr(result, name, count)
    work = Workload(parts.keys, work.families)
    hub = Embedded(parts)
    hub.run_until_quiet()
    singles = [partial(work.publish_events, parts.log, 1, events + number) for number in range(_PACED)]
    result.latency_ms = percentiles([_once(hub, publish) for publish in singles])
    endings = [
        partial(work.publish_withdrawal, parts.log, number) for number in range(min(_PACED, work.families))
    ]
    result.withdrawal_ms = percentiles([_once(hub, publish) for publish in endings])
    outcome, seconds = _timed(lambda: rebuild(parts, "joint_case"))
    result.rebuild_events_per_s = round(outcome.events / seconds, 1)
    result.cost(per_event_us(parts))
    result.folds = fold_costs()
    result.environment = environment(parts)
    _close(parts)


def _once(hub: Embedded, publish: Callable[[], object]) -> float:
    """Milliseconds from committed at the source to delivered in every view."""
    publish()
    _, seconds = _timed(hub.run_until_quiet)
    return seconds * 1000


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began
