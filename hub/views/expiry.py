"""How long a view may stand without being looked at again. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from hub.domain.clock import berlin_midnight
from hub.subjects.knowledge import Knowledge
from hub.views.redaction import Part


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
        if knowledge.person in resting:
            ends += knowledge.moments()
    return min([now + timedelta(seconds=lease), *(end for end in ends if end > now)])
