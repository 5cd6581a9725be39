"""The bench of Berlin midnight: what one costs with many persons on PostgreSQL, in time and in memory.

The database ends every transaction that stands still for three seconds, so a midnight in one piece does not pass. Each
night runs in a process of its own that starts with empty caches: an ordinary one, one in which every child comes of
age, and a day on which the policy says something else about everybody.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.dev.bench.workload import BORN, Workload, agencies
from hub.dev.servers import create_database, postgres_or_existing
from hub.domain.clock import berlin_day, berlin_midnight
from hub.hosts.embedded import BATCH
from hub.parts import Parts
from hub.policy.control import coming_of_age
from hub.policy.grounds import SELF_SIGNING
from hub.stages.consents import take_consents
from hub.stages.timers import tick
from hub.store import meta
from hub.subjects.consent_barrier import consent_topics, mark_if_caught_up, start_closed

NIGHTS = ("ordinary", "birthdays", "policy")
PSEUDONYMS = 4  # of a family: two persons at two agencies
IDLE_MS = 3000
_SECOND = timedelta(seconds=1)

Told = Callable[[str], None]


def bench_midnight(pseudonyms: int, told: Told) -> dict[str, Any]:
    """Every night over the same store; seconds, epochs raised, and the memory that came on top."""
    families = max(1, pseudonyms // PSEUDONYMS)
    with ExitStack() as stack:
        server = stack.enter_context(postgres_or_existing(durable=False))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        told(f"consents and control data of {families} families")
        store = _Store(create_database(server, f"midnight_{os.getpid()}"), folder, as_text(new_master()))
        began = time.perf_counter()
        store.fill(families)
        filled = round(time.perf_counter() - began, 1)
        nights = {}
        for night in NIGHTS:
            told(f"{night} night")
            with get_context("spawn").Pool(1) as process:
                nights[night] = process.apply(live_through, (store, night))
    return {
        "pseudonyms": families * PSEUDONYMS,
        "idle_ms": IDLE_MS,
        "fill_s": filled,
        **nights,
    }


@dataclass(slots=True)
class _Clock:
    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True, slots=True)
class _Store:
    """Where the families are; passed to the process of each night."""

    url: str
    folder: Path
    kek: str = field(repr=False)

    def open(self, clock: _Clock, idle_ms: int = 0) -> Parts:
        url = f"{self.url}?options=-c%20idle_in_transaction_session_timeout%3D{idle_ms}"
        settings = load_settings(data=self.folder, kek=self.kek, host="embedded", database_url=url)
        return build_parts(settings, Given(agencies=agencies(), clock=clock))

    def fill(self, families: int) -> None:
        parts = self.open(_Clock(datetime.now(UTC)))
        with closing(parts.store), closing(parts.log):
            start_closed(parts)
            Workload(parts.keys, families).publish_control(parts.log)
            for topic in consent_topics(parts):
                _take(parts, topic)


def _take(parts: Parts, topic: str) -> None:
    """Everything that the topic holds; no register is written, which midnight does not look at."""
    state = parts.log.state([topic])[topic]
    following = dict(state.first)
    while batch := parts.log.read(topic, following, BATCH):
        take_consents(parts, state.topic_id, batch)
        following |= {record.partition: record.offset + 1 for record in batch}


def live_through(store: _Store, night: str) -> Mapping[str, float]:
    """The evening before, then the moment after midnight, measured."""
    midnight = berlin_midnight(_day(night))
    clock = _Clock(midnight - _SECOND)
    parts = store.open(clock, IDLE_MS)
    with closing(parts.store), closing(parts.log):
        mark_if_caught_up(parts)
        while tick(parts).more:
            pass
        if night == "policy":
            with parts.store.transaction() as connection:
                meta.write(connection, "policy", "another one")
        parts.knowledge.clear()
        clock.at = midnight + _SECOND
        return _measured(parts)


def _day(night: str) -> date:
    children = coming_of_age(BORN["child"], SELF_SIGNING)
    tomorrow = berlin_day(datetime.now(UTC)) + timedelta(days=1)
    return children if night == "birthdays" and children else tomorrow


def _measured(parts: Parts) -> Mapping[str, float]:
    before = _forget_peak()
    raised, longest, calls, began = 0, 0.0, 0, time.perf_counter()
    while True:
        since = time.perf_counter()
        done = tick(parts)
        longest, calls, raised = max(longest, time.perf_counter() - since), calls + 1, raised + done.raised
        if not done.more:
            break
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "calls": calls,
        "longest_call_s": round(longest, 2),
        "raised": raised,
        "peak_mb_more": round(_memory("VmHWM") - before, 1),
        "mb_before": round(before, 1),
    }


def _forget_peak() -> float:
    """Start the measure of the peak anew; MB in use now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    """MB, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024
