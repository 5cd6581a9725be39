"""How long a view may stand without being looked at again. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from hub.domain.clock import berlin_day, berlin_midnight
from hub.policy.grounds import age_on
from hub.stages.cut import Part
from hub.stages.knowledge import Knowledge

COMING_OF_AGE = (15, 18)  # who signs changes: § 36 SGB I, § 2 BGB


def shown_until(
    now: datetime,
    lease: int,
    shown: Sequence[Part],
    known: Iterable[Knowledge],
    policy_changes: date | None = None,
) -> datetime:
    """The lease, or what ends before it by time alone: a consent that runs out, a birthday that changes who signs, the
    day on which another policy holds.

    Only consents that count for what is shown are asked, and birthdays of those of whom something rests on one: the end
    of any other consent would tell that there is one.
    """
    resting = {part.person for part in shown if part.consents}
    ends = [c.valid_until for part in shown for c in part.consents if c.valid_until]
    if policy_changes is not None:
        ends.append(berlin_midnight(policy_changes))
    for knowledge in known:
        birthday = next_coming_of_age(knowledge.birth_date, berlin_day(now))
        if birthday and knowledge.person in resting:
            ends.append(berlin_midnight(birthday))
    return min([now + timedelta(seconds=lease), *(end for end in ends if end > now)])


def next_coming_of_age(birth_date: date | None, today: date) -> date | None:
    """The day on which the person turns 15 or 18, if that is tomorrow or the day after."""
    if birth_date is None:
        return None
    for days in (1, 2):
        day = today + timedelta(days=days)
        if comes_of_age(birth_date, day):
            return day
    return None


def comes_of_age(birth_date: date, day: date) -> bool:
    """Whether somebody turns 15 or 18 on this Berlin day."""
    return any(
        age_on(day, birth_date) == age > age_on(day - timedelta(days=1), birth_date) for age in COMING_OF_AGE
    )
