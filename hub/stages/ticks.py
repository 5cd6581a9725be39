"""What time alone changes (protocol rule 10): consents that begin and end, birthdays, leases, holds, policy days.

The consents worker calls `tick` often. What was due since the last call is found by comparing with the moment that the
store keeps, so nothing is missed while the hub was down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from hub.adapters.store import meta, subjects, views
from hub.domain.clock import micros, moment
from hub.stages.forgetting.erase import erase
from hub.stages.forgetting.grounds_end import end_grounds
from hub.stages.forgetting.retention import retain_at_midnight
from hub.stages.held import end_expired_holds
from hub.stages.learning import learn
from hub.stages.parts import Parts
from projections.consent_register.queries import beginning_between, ending_between, with_control_data

_LAST, _POLICY = "tick.last", "policy"


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """How many persons' epochs rose, views were marked for renewal, holds ended, keys were destroyed; `erased`: when
    each erasure that was executed had been asked for, in microseconds since 1970 UTC."""

    raised: int = 0
    renewed: int = 0
    holds_ended: int = 0
    keys_destroyed: int = 0
    erased: tuple[int, ...] = ()
    retained: int = 0  # reasons for which rows went, once a Berlin day


def tick(parts: Parts) -> TickOutcome:
    """Do what became due since the last tick."""
    now = parts.clock.now()
    with parts.store.transaction() as connection:
        last = meta.get(connection, _LAST)
        before = now if last is None else moment(last)
        live = subjects.live_generation(connection, "consent_register")
        ended = ending_between(connection, live, micros(before), micros(now))
        subjects.mark_ending(connection, ended)
        begun = beginning_between(connection, live, micros(before), micros(now))
        changed = {*ended, *begun, *_birthdays(connection, parts, before, now)}
        raised = subjects.raise_epochs(connection, changed, micros(now)) if changed else 0
        if meta.changed(connection, _POLICY, parts.gate.mark(now)):
            raised = subjects.raise_all(connection, micros(now))
        renewed = _renew(connection, parts, micros(now))
        meta.put(connection, _LAST, micros(now))
    return TickOutcome(
        raised, renewed, end_expired_holds(parts), end_grounds(parts), erase(parts), _retained(parts)
    )


def _retained(parts: Parts) -> int:
    return len(retain_at_midnight(parts))


def _birthdays(connection: Connection, parts: Parts, before: datetime, now: datetime) -> Iterable[str]:
    """Subjects for whom time alone changed in (before, now] who signs; birth dates are opened in memory only."""
    live = subjects.live_generation(connection, "consent_register")
    keys = {row.subject for row in with_control_data(connection, live)}
    known = learn(connection, parts.keys, parts.knowledge, keys)
    return [key for key, one in known.items() if any(before < at <= now for at in one.moments())]


def _renew(connection: Connection, parts: Parts, now: int) -> int:
    """Mark the cases whose views have less than half of their lease left."""
    soon = views.ending_before(connection, now + parts.lease * 500_000)
    cases = [case for of in subjects.cases_of(connection, soon).values() for case in of]
    subjects.mark_dirty(connection, cases, now)
    return len(soon)
