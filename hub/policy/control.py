"""Control data over time: birth date, capacity and custody, each from its own date (R06, protocol rule 7). Pure.

Offices record these facts in rows that carry a date of their own, correct the rows, and contradict each other. Hub and
gates read them by the same rules, so that both judge alike:

- Of each record the newest version counts (the caller passes no other).
- A statement holds from its own date: a future one changes nothing before, and needs nobody to act when its date comes.
- Custody is the list with the latest date that has come. Lists of one date that differ are all asked.
- Of capacity the latest statement holds. A record without a statement never lifts a denial that another record made.
- A birth date is a fact about the past: of each office its latest statement counts; offices that differ are all asked.
- A statement that cannot be read narrows: nobody holds custody, the person decides nothing alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

from hub.domain.clock import berlin_day, berlin_midnight
from hub.policy.facts import Subject
from hub.policy.grounds import MAJORITY, SELF_SIGNING, age_on, signers

T_co = TypeVar("T_co", covariant=True)

COMING_OF_AGE = (SELF_SIGNING, MAJORITY)
"""The ages at which another person signs than before (§ 36 SGB I, § 2 BGB)."""

_LOOSEST_FIRST = (True, None, False)


@dataclass(frozen=True, slots=True)
class Statement(Generic[T_co]):
    """The newest version of one control record: `office` states `value` from `since` on."""

    office: str
    since: datetime
    value: T_co = field(repr=False)


Custody = Statement[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ControlData:
    """All statements about one person. An empty custody list states that nobody holds custody; a birth date of None
    cannot be read; a capacity of None is recorded as unknown."""

    births: tuple[Statement[date | None], ...] = ()
    capacities: tuple[Statement[bool | None], ...] = ()
    custody: tuple[Custody, ...] = ()

    def changes(self) -> Iterator[datetime]:
        """Every moment from which one of the statements holds."""
        return (one.since for of in (self.births, self.capacities, self.custody) for one in of)

    def moments(self) -> Iterator[datetime]:
        """When time alone changes who signs: a statement begins to hold, or the person comes of age."""
        yield from self.changes()
        for born in filter(None, (one.value for one in self.births)):
            yield from (berlin_midnight(day) for age in COMING_OF_AGE if (day := coming_of_age(born, age)))

    def birth_dates(self, at: datetime) -> frozenset[date | None]:
        """The birth dates that may be right; more than one where offices differ."""
        offices = {one.office for one in self.births}
        return frozenset(
            one.value
            for office in offices
            for one in _ruling((one for one in self.births if one.office == office), at)
        )

    def capacity(self, at: datetime) -> bool | None:
        """The recorded judgement of capacity; None = none, age decides."""
        come = [one for one in self.capacities if one.since <= at]
        value: bool | None = None
        for one in sorted(come, key=lambda one: (one.since, _LOOSEST_FIRST.index(one.value))):
            if one.value is not None or value is True:
                value = one.value
        return value

    def custody_lists(self, at: datetime) -> list[Custody]:
        """The lists with the latest date that has come; several where records of one date differ."""
        return _ruling(self.custody, at)

    def adult(self, day: date, at: datetime) -> bool:
        """Whether the person is asked as an adult: of age by one of the dates, or of unknown age."""
        born = self.birth_dates(at) or {None}
        return any(one is None or age_on(day, one) >= MAJORITY for one in born)

    def subject(self, ref: str, at: datetime) -> Subject:
        """The person as the policy asks about them at `at`.

        Where birth dates differ in who must sign, everybody who would have to sign by one of them must sign.
        """
        lists = [one.value for one in self.custody_lists(at)]
        holders = tuple(dict.fromkeys(name for of in lists for name in of)) if all(lists) else ()
        capable = self.capacity(at)
        possible = [
            Subject(ref=ref, birth_date=born, capable=capable, custodians=holders)
            for born in sorted(self.birth_dates(at), key=str) or [None]
        ]
        asked = [signers(one, berlin_day(at)) for one in possible]
        if len(set(asked)) == 1:
            return possible[0]
        everybody = sorted(set().union(*(who or () for who in asked))) if None not in asked else ()
        return Subject(ref=ref, birth_date=None, capable=capable, custodians=tuple(everybody))


def _ruling(statements: Iterable[Statement[T_co]], at: datetime) -> list[Statement[T_co]]:
    """Those with the latest date that has come."""
    come = [one for one in statements if one.since <= at]
    latest = max((one.since for one in come), default=at)
    return [one for one in come if one.since == latest]


def coming_of_age(birth_date: date, age: int) -> date | None:
    """The Berlin day on which somebody completes `age` years (§§ 187, 188 BGB); None where no calendar has it."""
    try:
        return birth_date.replace(year=birth_date.year + age)
    except ValueError:  # 29 February in a common year, or beyond the last year
        year = birth_date.year + age
        return date(year, 3, 1) if year <= date.max.year else None
