"""What was ticked and signed on a form, and what follows from it alone. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from hub.desk.offer import Direction
from hub.desk.records import Household
from hub.domain.clock import berlin_day, berlin_midnight
from hub.errors import UsageError

INTERPRETERS = ("none", "professional", "mediator", "companion", "worker")
OFFERED_PURPOSES = ("joint_case_management", "cost_contribution", "benefit_administration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What was ticked and signed. `signed`: person's ref → refs of those who signed for them; a person whom nobody is
    named for is left out. `opened`: direction's key → categories."""

    signed: Mapping[str, frozenset[str]] = field(repr=False)
    opened: Mapping[str, frozenset[str]]
    purposes: frozenset[str]
    workers: Mapping[str, str] = field(repr=False)  # direction's key → the one worker it is for
    interpreter: str = "none"
    valid_until: date | None = None  # the last day
    code: str = ""
    places: Mapping[str, int] = field(
        default_factory=dict
    )  # person's ref → number on the form that bears the code


def check(ticks: Ticks) -> None:
    """Raises UsageError unless somebody signed something that can be agreed to."""
    if not any(ticks.signed.values()):
        raise UsageError("nobody has signed", place="consent desk", remedy="name who signed for whom")
    if not any(ticks.opened.values()) or not ticks.purposes:
        raise UsageError(
            "nothing is ticked", place="consent desk", remedy="tick what was agreed, or withdraw"
        )
    if ticks.interpreter not in INTERPRETERS:
        raise UsageError(
            "unknown interpreter", place="consent desk", remedy="one of " + ", ".join(INTERPRETERS)
        )
    if not ticks.purposes <= set(OFFERED_PURPOSES):
        raise UsageError(
            "unknown purpose", place="consent desk", remedy="one of " + ", ".join(OFFERED_PURPOSES)
        )


def covered(household: Household, ticks: Ticks) -> list[tuple[str, frozenset[str]]]:
    """Refs of those whom the form is about, each with the refs of who signed for them."""
    signed = ((member.ref, ticks.signed.get(member.ref, frozenset())) for member in household.members)
    return [(ref, signers) for ref, signers in signed if signers]


def lettered(directions: Sequence[Direction]) -> Iterable[tuple[str, Direction]]:
    """Each direction with the letter that its consents' numbers end in."""
    return zip("ABCDEFGH", directions, strict=False)


def until(ticks: Ticks, at: datetime) -> datetime | None:
    """The first moment after the last day; a year when none is named."""
    last = ticks.valid_until or berlin_day(at) + timedelta(days=365)
    return berlin_midnight(last + timedelta(days=1))
