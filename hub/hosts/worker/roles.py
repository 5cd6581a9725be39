"""The roles of a worker: which stages read which topics, and which periodic tasks run beside them.

Tasks that hang on the time of day are due at once when the clock jumps: somebody set it, or the machine slept.
Disclosure gives way to a burst, in which a case that was just shown would change again at once: as long as admission
and projection move on, ordinary dirty cases get a tenth of the time; withdrawals, grants and ends wait for nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any

from hub.operations.quarantine_release import retry_unknown_schemas
from hub.operations.restore_guard import advance
from hub.parts import Parts
from hub.ports import Clock, Record
from hub.stages import admit, consents, disclose, project, receipts
from hub.stages.disclose import DiscloseOutcome
from hub.stages.held import answer_held
from hub.stages.register import beat, write_register
from hub.stages.timers import tick
from hub.store import positions, views
from hub.subjects.consent_barrier import mark_if_caught_up, start_closed
from hub.topology import ADMIT, CONSENTS, PROJECT, RECEIPTS

_TIMES_AS_LONG, _LONGEST = 9.0, 5.0  # times the round; seconds


class Throttle:
    """How long disclosure rests after a round."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._moved = parts, 0

    def rest(self, outcome: DiscloseOutcome, seconds: float) -> float:
        """Seconds to rest: none when nothing came in since the last round, or when something urgent was among it."""
        if not outcome.marks or outcome.urgent:
            return 0.0
        with self._parts.store.transaction() as connection:
            before, self._moved = self._moved, positions.total(connection, (admit.STAGE, project.STAGE))
        return min(_TIMES_AS_LONG * seconds, _LONGEST) if self._moved > before else 0.0

    def something_urgent(self) -> bool:
        """Whether a withdrawal, a grant or an end waits."""
        with self._parts.store.transaction() as connection:
            return views.urgent(connection)


_MORE_THAN_WORK_TAKES = timedelta(minutes=1)


class ClockJump:
    """Answers whether the clock jumped, forward or back, since it was asked last."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._seen = clock, clock.now()

    def __call__(self) -> bool:
        before, self._seen = self._seen, self._clock.now()
        return abs(self._seen - before) > _MORE_THAN_WORK_TAKES


Take = Callable[[Parts, str, Sequence[Record]], Any]
Do = Callable[[Parts], Any]


class WorkerRole(StrEnum):
    """`consents` is a process of its own wherever it counts: a withdrawal never queues behind a month end (rule 8).
    `all` is for small installations."""

    CONSENTS = "consents"
    CASES = "cases"
    DISCLOSE = "disclose"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ReadingTask:
    """A stage that reads topics; a `gated` one waits until consents have caught up (rule 14)."""

    stage: str
    topics: tuple[str, ...]
    take: Take
    gated: bool = False


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """Something done again and again: at once while `more(outcome)`, else after `every` seconds.

    `gives_way(outcome, seconds)` may ask for a rest after a round that took so long, and `wakes()` ends such a rest.
    """

    name: str
    do: Do
    every: float
    more: Callable[[Any], bool] = lambda _: False
    gives_way: Callable[[Any, float], float] = lambda _, __: 0.0
    wakes: Callable[[], bool] = lambda: False
    gated: bool = False


@dataclass(frozen=True, slots=True)
class RoleTasks:
    """Everything that one worker does: `first` once at its start, before it reads anything."""

    readings: tuple[ReadingTask, ...] = ()
    periodic: tuple[PeriodicTask, ...] = ()
    first: tuple[Do, ...] = ()

    def __add__(self, other: "RoleTasks") -> "RoleTasks":
        return RoleTasks(
            self.readings + other.readings, self.periodic + other.periodic, self.first + other.first
        )


def tasks_of(role: WorkerRole, parts: Parts, pace: float = 0.05) -> RoleTasks:
    """The tasks of a role; `pace` is the rest in seconds after a round that found nothing."""
    every = {WorkerRole.CONSENTS: _consents, WorkerRole.CASES: _cases, WorkerRole.DISCLOSE: _disclose}
    chosen = every.values() if role is WorkerRole.ALL else (every[role],)
    return sum((of(parts, pace) for of in chosen), RoleTasks())


def _consents(parts: Parts, pace: float) -> RoleTasks:
    readings = (
        ReadingTask(consents.STAGE, CONSENTS.topics(parts.agencies), consents.take_consents),
        ReadingTask(receipts.STAGE, RECEIPTS.topics(parts.agencies), receipts.take_receipts),
    )
    periodic = (
        PeriodicTask("caught_up", mark_if_caught_up, every=max(pace, 1.0)),
        _by_the_clock("tick", tick, parts, 5.0, more=attrgetter("more")),
        PeriodicTask("register", write_register, every=max(pace, 0.2), more=bool),
        _by_the_clock("heartbeat", beat, parts, 10.0),
        _by_the_clock("standing", advance, parts, 15.0),
        PeriodicTask("narrow_quarantined", consents.narrow_quarantined, every=15.0),
        _again(consents.STAGE),
    )
    return RoleTasks(readings, periodic, first=(start_closed, consents.narrow_all_quarantined))


def _by_the_clock(
    name: str, do: Do, parts: Parts, every: float, more: Callable[[Any], bool] = lambda _: False
) -> PeriodicTask:
    """A task that is due every so many seconds, and at once when the hub's clock jumps, or `more` is left to do."""
    return PeriodicTask(
        name, do, 0.0, gives_way=lambda done, _: 0.0 if more(done) else every, wakes=ClockJump(parts.clock)
    )


def _cases(parts: Parts, pace: float) -> RoleTasks:
    readings = (
        ReadingTask(admit.STAGE, ADMIT.topics(parts.agencies), admit.admit, gated=True),
        ReadingTask(project.STAGE, PROJECT.topics(parts.agencies), project.project),
    )
    held = PeriodicTask("held", answer_held, every=max(pace, 1.0), more=bool, gated=True)
    return RoleTasks(readings, (held, _again(admit.STAGE, project.STAGE)))


def _again(*stages: str) -> PeriodicTask:
    """Retry records that an older release quarantined for a schema which this one knows."""
    return PeriodicTask(
        "unknown_schemas", lambda parts: retry_unknown_schemas(parts, *stages), every=30.0, gated=True
    )


def _disclose(parts: Parts, pace: float) -> RoleTasks:
    way = Throttle(parts)
    task = PeriodicTask(
        "disclose", disclose.disclose, pace, _found_marks, way.rest, way.something_urgent, gated=True
    )
    return RoleTasks(periodic=(task,))


def _found_marks(outcome: disclose.DiscloseOutcome) -> bool:
    return outcome.marks > 0
