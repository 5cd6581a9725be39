"""The bench of shared disclosure: one worker, then two, over the same marks on servers, five times in turn.

Every view is due for renewal, so that each mark costs a look, a seal and a delivery. Workers are processes of their
own, and a round counts from when all of them are ready until no mark is left.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import update

from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.dev.bench.workload import Workload, agencies
from hub.dev.servers import LocalKafka, create_database, postgres_or_existing
from hub.domain.clock import micros
from hub.hosts.embedded import Embedded
from hub.parts import Parts
from hub.stages.disclose import disclose
from hub.store import subjects, views
from hub.store.tables import view_state

ROUNDS = 5
PER_FAMILY = 6  # events
_LEASE = 50_000_000_000  # microseconds by which every lease is shortened before a round: more than half of it

Told = Callable[[str], None]


def bench_sharing(families: int, told: Told) -> dict[str, Any]:
    """Seconds of each round with one worker and with two, and the median of their ratios."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres_or_existing(durable=False))
        broker = stack.enter_context(LocalKafka.start())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        store, keys = (create_database(server, f"sharing_{kind}_{os.getpid()}") for kind in ("store", "keys"))
        hub = _Hub(broker.bootstrap, store, keys, folder, as_text(new_master()))
        told(f"views of {families} families")
        marks = hub.fill(families)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for number in range(ROUNDS):
            for workers, found in seconds.items():
                told(f"round {number + 1}: {workers} at work")
                found.append(round(hub.timed(workers), 2))
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    return {
        "marks": marks,
        "one_worker_s": seconds[1],
        "two_workers_s": seconds[2],
        "ratio": round(statistics.median(ratios), 2),
    }


@dataclass(frozen=True, slots=True)
class _Hub:
    """Where the store and the files are; each process opens them for itself."""

    bootstrap: str
    store: str
    keys: str
    folder: Path
    kek: str = field(repr=False)

    def parts(self) -> Parts:
        settings = load_settings(
            data=self.folder,
            kek=self.kek,
            host="kafka",
            kafka_bootstrap=self.bootstrap,
            partitions=2,
            database_url=self.store,
            key_database_url=self.keys,
        )
        return build_parts(settings, Given(agencies=agencies()))

    def fill(self, families: int) -> int:
        parts = self.parts()
        with closing(parts.log), closing(parts.store), closing(parts.keys):
            work = Workload(parts.keys, families)
            work.publish_control(parts.log)
            Embedded(parts).run_until_quiet()
            work.publish_events(parts.log, families * PER_FAMILY)
            Embedded(parts).run_until_quiet()
            return self._mark(parts)

    def timed(self, workers: int) -> float:
        parts = self.parts()
        with closing(parts.log), closing(parts.store), closing(parts.keys):
            self._mark(parts)
        spawn = get_context("spawn")
        ready = spawn.Barrier(workers + 1)
        processes = [spawn.Process(target=work_off, args=(self, ready)) for _ in range(workers)]
        for process in processes:
            process.start()
        ready.wait(120)
        began = time.perf_counter()
        for process in processes:
            process.join()
        return time.perf_counter() - began

    def _mark(self, parts: Parts) -> int:
        """Every case is to be looked at, and every lease to be renewed."""
        with parts.store.transaction() as connection:
            connection.execute(update(view_state).values(not_after=view_state.c.not_after - _LEASE))
            subjects.raise_all(connection, micros(parts.clock.now()))
            return views.waiting(connection)


def work_off(hub: _Hub, ready: Barrier) -> None:
    """One disclose worker, until no mark is left for it."""
    parts = hub.parts()
    with closing(parts.log), closing(parts.store), closing(parts.keys):
        ready.wait(120)
        while disclose(parts).marks:
            pass
