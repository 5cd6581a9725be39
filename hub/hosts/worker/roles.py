"""What a worker may be told to do: which stages read which topics, and what is done besides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from hub.hosts.worker.clock_jump import Leap
from hub.hosts.worker.throttle import Yielding
from hub.operations.quarantine_release import retry_unknown_schemas
from hub.operations.restore_guard import advance
from hub.parts import Parts
from hub.ports import Record
from hub.stages import admit, consents, disclose, project, receipts
from hub.stages.held import answer_held
from hub.stages.register import beat, write_register
from hub.stages.timers import tick
from hub.subjects.consent_barrier import mark_if_caught_up, start_closed
from hub.topology import ADMIT, CONSENTS, PROJECT, RECEIPTS

Take = Callable[[Parts, str, Sequence[Record]], Any]
Do = Callable[[Parts], Any]


class Role(StrEnum):
    """`consents` is a process of its own wherever it counts: a withdrawal never queues behind a month end (rule 8).
    `all` is for small installations."""

    CONSENTS = "consents"
    CASES = "cases"
    DISCLOSE = "disclose"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Reading:
    """A stage that reads topics; a `gated` one waits until consents have caught up (rule 14)."""

    stage: str
    topics: tuple[str, ...]
    take: Take
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Chore:
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
class Duties:
    """All that one worker does: `first` once at its start, before it reads anything."""

    readings: tuple[Reading, ...] = ()
    chores: tuple[Chore, ...] = ()
    first: tuple[Do, ...] = ()

    def __add__(self, other: "Duties") -> "Duties":
        return Duties(self.readings + other.readings, self.chores + other.chores, self.first + other.first)


def duties(role: Role, parts: Parts, pace: float = 0.05) -> Duties:
    """The duties of a role; `pace` is the rest in seconds after a round that found nothing."""
    every = {Role.CONSENTS: _consents, Role.CASES: _cases, Role.DISCLOSE: _disclose}
    chosen = every.values() if role is Role.ALL else (every[role],)
    return sum((of(parts, pace) for of in chosen), Duties())


def _consents(parts: Parts, pace: float) -> Duties:
    readings = (
        Reading(consents.STAGE, CONSENTS.topics(parts.agencies), consents.take_consents),
        Reading(receipts.STAGE, RECEIPTS.topics(parts.agencies), receipts.take_receipts),
    )
    chores = (
        Chore("caught_up", mark_if_caught_up, every=max(pace, 1.0)),
        _by_the_clock("tick", tick, parts, 5.0, more=attrgetter("more")),
        Chore("register", write_register, every=max(pace, 0.2), more=bool),
        _by_the_clock("heartbeat", beat, parts, 10.0),
        _by_the_clock("standing", advance, parts, 15.0),
        Chore("narrow_quarantined", consents.narrow_quarantined, every=15.0),
        _again(consents.STAGE),
    )
    return Duties(readings, chores, first=(start_closed, consents.narrow_all_quarantined))


def _by_the_clock(
    name: str, do: Do, parts: Parts, every: float, more: Callable[[Any], bool] = lambda _: False
) -> Chore:
    """A chore that is due every so many seconds, and at once when the hub's clock leaps, or `more` is left to do."""
    return Chore(
        name, do, 0.0, gives_way=lambda done, _: 0.0 if more(done) else every, wakes=Leap(parts.clock)
    )


def _cases(parts: Parts, pace: float) -> Duties:
    readings = (
        Reading(admit.STAGE, ADMIT.topics(parts.agencies), admit.admit, gated=True),
        Reading(project.STAGE, PROJECT.topics(parts.agencies), project.project),
    )
    held = Chore("held", answer_held, every=max(pace, 1.0), more=bool, gated=True)
    return Duties(readings, (held, _again(admit.STAGE, project.STAGE)))


def _again(*stages: str) -> Chore:
    """What the last release quarantined for its schema is taken by one that knows it."""
    return Chore(
        "unknown_schemas", lambda parts: retry_unknown_schemas(parts, *stages), every=30.0, gated=True
    )


def _disclose(parts: Parts, pace: float) -> Duties:
    way = Yielding(parts)
    chore = Chore(
        "disclose", disclose.disclose, pace, _found_marks, way.rest, way.something_urgent, gated=True
    )
    return Duties(chores=(chore,))


def _found_marks(outcome: disclose.DiscloseOutcome) -> bool:
    return outcome.marks > 0
