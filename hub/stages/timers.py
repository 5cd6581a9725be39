"""What time alone changes (protocol rule 10): consents that begin and end, dated control records, birthdays, leases,
holds, policy days.

The consents worker calls `tick` often. What was due since the last call is found by comparing with the moment that the
store keeps, so nothing is missed while the hub was down. Epochs rise by pages, each in a transaction of its own, and a
call ends after some pages: a midnight, or a policy day, with many persons keeps neither locks nor withdrawals waiting.
How far it came is in the store: whoever is killed in the middle goes on from there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from hub.domain.clock import berlin_day, micros, moment
from hub.erasure.erase import erase
from hub.erasure.key_revocation import end_grounds
from hub.erasure.retention import retain_page
from hub.failpoints import fail_point
from hub.isolation import isolated
from hub.parts import Parts
from hub.stages import unusable
from hub.stages.held import end_expired_holds
from hub.store import meta, subjects, views
from hub.subjects import birthdays
from projections.consent_register.queries import changing_between, ending_between

R = TypeVar("R")
PAGE = 500
"""Persons whose epochs rise in one transaction, with their households."""

PAGES = 20
LONGEST = 1.0
"""Pages of one call, and seconds after which it begins no other; then the worker looks for withdrawals first."""

_LAST, _UNTIL, _BEYOND = "tick.last", "tick.until", "tick.beyond"
_POLICY, _POLICY_BEYOND = "policy", "policy.beyond"


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """How many persons' epochs rose, views were marked for renewal, holds ended, keys were destroyed; `erased`: when
    each erasure that was executed had been asked for, in microseconds since 1970 UTC; `more`: call again at once."""

    raised: int = 0
    renewed: int = 0
    holds_ended: int = 0
    keys_destroyed: int = 0
    erased: tuple[int, ...] = ()
    retained: int = 0  # rows that had been kept long enough
    more: bool = False
    unusable: int = 0  # control records that were opened late and cannot be used


def tick(parts: Parts) -> TickOutcome:
    """Do what became due since the last tick, some pages of it. A part of it that fails waits alone (rule 14a)."""
    now = parts.clock.now()
    raised, to_raise = _alone(parts, "raise", lambda: _raise_due(parts, now), (0, False))
    renewed = _alone(parts, "renew", lambda: _renew(parts, micros(now)), 0)
    holds = _alone(parts, "holds", lambda: end_expired_holds(parts), 0)
    destroyed = _alone(parts, "grounds", lambda: end_grounds(parts), 0)
    erased: tuple[int, ...] = _alone(parts, "erase", lambda: erase(parts), ())
    retained, to_retain = _alone(parts, "retain", lambda: _retained(parts, now), (0, False))
    return TickOutcome(
        raised,
        renewed,
        holds,
        destroyed,
        erased,
        retained,
        to_raise or to_retain,
        _alone(parts, "unusable", lambda: unusable.check(parts), 0),
    )


def _alone(parts: Parts, name: str, work: Callable[[], R], otherwise: R) -> R:
    return next(iter(isolated(parts, "tick", [name], lambda _: work(), str, again_after=0)), otherwise)


Page = Callable[[Parts, datetime], int | None]
"""Does one page in a transaction of its own; how many epochs rose or rows went, None when nothing is left to do."""


def _raise_due(parts: Parts, now: datetime) -> tuple[int, bool]:
    """How many epochs rose, and whether something is left."""
    return _by_pages(parts, now, birthdays.complete_page, _dated_page, _policy_page)


def _retained(parts: Parts, now: datetime) -> tuple[int, bool]:
    """How many rows went, and whether something is left."""
    return _by_pages(parts, now, retain_page)


def _by_pages(parts: Parts, now: datetime, *steps: Page) -> tuple[int, bool]:
    """The sum over the pages of one call, and whether something is left."""
    total = pages = 0
    until = time.monotonic() + LONGEST
    for page in steps:
        while (done := page(parts, now)) is not None:
            total += done
            pages += 1
            fail_point("ticks.page")
            if pages == PAGES or time.monotonic() > until:
                return total, True
    return total, False


def _dated_page(parts: Parts, now: datetime) -> int | None:
    """The next subjects for whom something begins or ends since the last tick. A pass that was begun ends at the moment
    up to which it began to look; the moments since then are the next pass's."""
    with parts.store.transaction() as connection:
        last = meta.get(connection, _LAST, lock=True)
        until = meta.get(connection, _UNTIL) or micros(now)
        page = [] if last is None else _changed(connection, parts, last, until)
        if last is None or not page:  # nothing is left; or it is the first tick, or the clock went back
            meta.put(connection, _LAST, until)
            meta.put(connection, _UNTIL, 0)
            meta.write(connection, _BEYOND, "")
            return None
        live = subjects.live_generation(connection, "consent_register")
        subjects.mark_ending(connection, ending_between(connection, live, last, until, page))
        meta.put(connection, _UNTIL, until)
        meta.write(connection, _BEYOND, page[-1])
        return subjects.raise_epochs(connection, page, micros(now))


def _changed(connection: Connection, parts: Parts, last: int, until: int) -> list[str]:
    beyond = meta.text(connection, _BEYOND) or ""
    live = subjects.live_generation(connection, "consent_register")
    dated = changing_between(connection, live, last, until, beyond, PAGE)
    days = berlin_day(moment(last)), berlin_day(moment(until))
    return sorted({*dated, *birthdays.due(connection, parts, *days, beyond, PAGE)})[:PAGE]


def _policy_page(parts: Parts, now: datetime) -> int | None:
    """The next subjects on a day on which the policy says something else: all are decided anew."""
    mark = parts.gate.mark(now)
    with parts.store.transaction() as connection:
        before = meta.text(connection, _POLICY, lock=True)
        if before == mark:
            return None
        said, _, beyond = (meta.text(connection, _POLICY_BEYOND) or "").partition("\n")
        page = (
            subjects.raise_all(connection, micros(now), beyond if said == mark else "", PAGE)
            if before
            else []
        )
        meta.write(connection, _POLICY_BEYOND, f"{mark}\n{page[-1]}" if page else "")
        if not page:
            meta.write(connection, _POLICY, mark)
            return None
        return len(page)


def _renew(parts: Parts, now: int) -> int:
    """Mark the cases whose views have less than half of their lease left."""
    renewed, beyond = 0, ""
    while True:
        with parts.store.transaction() as connection:
            soon = views.ending_before(connection, now + parts.lease * 500_000, beyond, PAGE)
            cases = [case for of in subjects.cases_of(connection, soon).values() for case in of]
            subjects.mark_dirty(connection, cases, now)
        renewed += len(soon)
        if len(soon) < PAGE:
            return renewed
        beyond = soon[-1]
