"""The steps of a trail, in the words of the contract of `hub explain`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.policy.nearly import Nearly

_ORDER = ("read", "egress", "publish", "quarantine", "admit", "project", "disclose", "withdraw", "erase")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """One thing that happened; `at` in microseconds since 1970 UTC. `rules` are rule ids or reason codes.

    `now` marks what is no record but the answer that a recipient would get at this moment; `nearly`: the consents
    that lack least for it.
    """

    at: int
    point: str
    where: str
    outcome: str
    rules: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    recipient: str | None = None
    grounds: tuple[str, ...] = ()
    nearly: tuple[Nearly, ...] = ()
    now: bool = False


@dataclass(frozen=True, slots=True)
class Trail:
    """Steps in time order; none for an event that the hub never saw."""

    event_id: str
    event_type: str | None
    steps: tuple[HistoryStep, ...]


def in_order(steps: Iterable[HistoryStep]) -> tuple[HistoryStep, ...]:
    """By time; what happened in one moment in the order of the hub's stages, and what would be now after it."""
    return tuple(sorted(steps, key=lambda step: (step.at, step.now, _ORDER.index(step.point), step.where)))
