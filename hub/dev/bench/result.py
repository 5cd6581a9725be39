"""What a bench run found, as the command-line contract names it."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from statistics import median
from typing import Any

from sqlalchemy import func, select, text

from hub.parts import Parts
from hub.store.subjects import live_generation
from projections.joint_case.tables import case_row


@dataclass(slots=True)
class BenchResult:
    """Rates are events per second; `rounds` keeps every pair that the medians come from. `per_encode` says of each step
    how many Avro encodes of the same run it costs. `folds`: the models of one long view, per view and per event."""

    host: str
    events: int
    workers: int
    persons: int = 0
    key_service: bool = False
    environment: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    end_to_end_events_per_s: float = 0.0
    floor_events_per_s: float = 0.0
    ratio_to_floor: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)
    withdrawal_ms: dict[str, float] = field(default_factory=dict)
    rebuild_events_per_s: float = 0.0
    per_event_us: dict[str, float] = field(default_factory=dict)
    per_encode: dict[str, float] = field(default_factory=dict)
    folds: dict[str, float] = field(default_factory=dict)
    keys_per_s: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: float = 0.0
    applied: int = 0
    duplicates_applied: int = 0
    lost: int = 0
    rounds: list[dict[str, float]] = field(default_factory=list)

    def settle(self) -> None:
        """Medians over the rounds; the ratio is the median of each round's own ratio."""
        self.end_to_end_events_per_s = round(median(one["pipeline"] for one in self.rounds), 1)
        self.floor_events_per_s = round(median(one["floor"] for one in self.rounds), 1)
        self.ratio_to_floor = round(median(one["pipeline"] / one["floor"] for one in self.rounds), 3)

    def cost(self, per_event_us: Mapping[str, float]) -> None:
        """What each step costs, and as a multiple of one encode."""
        self.per_event_us = dict(per_event_us)
        self.per_encode = {
            name: round(cost / per_event_us["encode"], 2) for name, cost in per_event_us.items()
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def environment(parts: Parts, kafka: str | None = None) -> dict[str, Any]:
    """Cores, memory and versions, so that a figure can be compared with another."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "faust": version("faust-streaming"),
        "kafka": kafka,
        "postgresql": None if parts.store.is_sqlite else _server_version(parts),
    }


def _server_version(parts: Parts) -> str:
    with parts.store.transaction() as connection:
        return str(connection.execute(text("show server_version")).scalar_one())


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile, by rank; empty when nothing was measured."""
    ranked = sorted(milliseconds)
    if not ranked:
        return {}
    return {
        "p50": round(median(ranked), 1),
        "p99": round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))], 1),
    }


def count_applied(parts: Parts, expected: int) -> Mapping[str, int]:
    """Counted in the database, never assumed: records that stand, stand twice, or are missing."""
    with parts.store.transaction() as connection:
        live = live_generation(connection, "joint_case")
        rows = select(func.count(), func.count(case_row.c.record_ref.distinct())).where(
            case_row.c.generation == live
        )
        every, distinct = connection.execute(rows).one()
    return {
        "applied": int(distinct),
        "duplicates_applied": int(every - distinct),
        "lost": expected - int(distinct),
    }
