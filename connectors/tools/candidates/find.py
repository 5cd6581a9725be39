"""The agency's own mapped records → which cases meet which target groups. Pure; no rank, no score, no sum."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.tools.candidates.groups import Group
from hub.domain.clock import berlin_day, moment
from hub.policy.grounds import MAJORITY, age_on

_BORN = frozenset({"SubjectRecorded", "SubjectChanged", "PersonRegistered", "PersonChanged"})
_BENEFITS = frozenset({"BenefitGranted", "BenefitChanged"})


@dataclass(slots=True)
class _Family:
    case_id: str = field(default="", repr=False)
    born: dict[str, date] = field(default_factory=dict, repr=False)
    left: set[str] = field(default_factory=set, repr=False)
    months: set[int] = field(default_factory=set, repr=False)
    interpreter: dict[str, bool] = field(default_factory=dict, repr=False)
    helps: dict[bytes, bool] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A case by the agency's own number, and the groups it meets, in the order of the file."""

    case_id: str = field(repr=False)
    groups: tuple[str, ...]


def find(events: Iterable[MappedEvent], groups: Sequence[Group], day: date) -> list[Candidate]:
    """The cases that meet at least one group, in order of their numbers: the list ranks nobody."""
    families = _families(events, day)
    met = (
        Candidate(family.case_id, tuple(group.id for group in groups if _meets(family, group, day)))
        for family in families
    )
    return sorted((one for one in met if one.groups), key=lambda one: one.case_id)


def _families(events: Iterable[MappedEvent], day: date) -> Iterable[_Family]:
    families: dict[str, _Family] = defaultdict(_Family)
    for event in events:
        family = families[event.case_ref]
        family.case_id = event.case_id
        _take(family, event, day)
    return families.values()


def _take(family: _Family, event: MappedEvent, day: date) -> None:
    kind, person, payload = event.schema.event_type, event.subject_ref, event.payload
    if kind in _BORN and isinstance(payload.get("birth_date"), date):
        family.born[person] = payload["birth_date"]
    if kind in _BORN and "interpreter" in payload:
        family.interpreter[person] = payload["interpreter"] is True
    if kind == "MemberLeft" or (kind == "MemberJoined" and _over(event, day)):
        family.left.add(person)
    elif kind == "MemberJoined":
        family.left.discard(person)
    if kind in _BENEFITS:
        family.months.update(_months(event, day))
    if kind in ("HelpStarted", "MeasureStarted"):
        family.helps[event.record_ref] = kind == "HelpStarted" and not _over(event, day)


def _over(event: MappedEvent, day: date) -> bool:
    return event.valid_to is not None and berlin_day(moment(event.valid_to)) < day


def _months(event: MappedEvent, day: date) -> Iterator[int]:
    """The months that a benefit covers up to the day of asking, each counted from the year 0."""
    named = str(event.payload.get("month") or "")
    if len(named) == 7 and named[4] == "-" and named.replace("-", "").isdigit():
        yield int(named[:4]) * 12 + int(named[5:]) - 1
        return
    first = berlin_day(moment(event.valid_from if event.valid_from is not None else event.occurred_at))
    last = min(berlin_day(moment(event.valid_to)), day) if event.valid_to is not None else day
    yield from range(_month(first), _month(last) + 1)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _meets(family: _Family, group: Group, day: date) -> bool:
    ages = [age_on(day, born) for person, born in family.born.items() if person not in family.left]
    adults = sum(age >= MAJORITY for age in ages)
    within = range(_month(day) - group.benefit_months_of + 1, _month(day) + 1)
    return all(
        (
            group.benefit_months_at_least is None
            or sum(month in within for month in family.months) >= group.benefit_months_at_least,
            _aged(ages, group.member_age_from, group.member_age_to),
            group.adults_exactly is None or adults == group.adults_exactly,
            group.children_at_least is None or len(ages) - adults >= group.children_at_least,
            group.members_at_least is None or len(ages) >= group.members_at_least,
            not group.interpreter_needed
            or any(needed for person, needed in family.interpreter.items() if person not in family.left),
            not group.help_running or any(family.helps.values()),
        )
    )


def _aged(ages: Sequence[int], youngest: int | None, oldest: int | None) -> bool:
    if youngest is None and oldest is None:
        return True
    return any((youngest or 0) <= age <= (oldest if oldest is not None else 200) for age in ages)
