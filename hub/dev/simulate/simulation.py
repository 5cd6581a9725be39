"""Both agencies, written day by day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from hub.dev.simulate.changes import Change
from hub.dev.simulate.jobcenter import Jobcenter
from hub.dev.simulate.story import changes_on, is_last_bank_day, month_end, opening
from hub.dev.simulate.world import build_world
from hub.dev.simulate.youth_office import YouthOffice
from hub.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class DayReport:
    """What a day wrote: changed rows per jobcenter table, rows per file of the youth office's snapshot."""

    day: date
    jobcenter: dict[str, int]
    youth_office: dict[str, int]

    @property
    def rows_written(self) -> int:
        return sum(self.jobcenter.values()) + sum(self.youth_office.values())


class Simulation:
    """A world and the two offices that keep its files.

    The same arguments give the same bytes: nothing reads a clock, and every choice comes from `random.Random`
    seeded with the seed and the name of the choice. With `canary` that marker stands in every field that a
    person typed.
    Raises ConfigurationError for a database or a day that was written before, and for days out of order.
    """

    def __init__(
        self,
        families: int,
        seed: int,
        start: date,
        jobcenter_url: str,
        youth_office_dir: Path,
        *,
        canary: str | None = None,
    ) -> None:
        self.world = build_world(families, seed, start)
        plant = None if canary is None else lambda value: f"{value} {canary}" if value else value
        self._jobcenter = Jobcenter(jobcenter_url, plant)
        self._youth_office = YouthOffice(youth_office_dir, plant)
        self._next = 0
        self._paid: set[tuple[int, int]] = set()

    @property
    def days(self) -> Iterator[date]:
        """The days of the story, without end; take as many as you want."""
        return (self.world.start + timedelta(days=n) for n in count())

    def write_day(self, day: date, *, at_month_end: bool = False) -> DayReport:
        """Apply that day's changes to the database and write its snapshot. Days come in order, each once.

        The last bank day of a month writes the month's payments; `at_month_end` treats any other day like it.
        """
        index = (day - self.world.start).days
        if index != self._next:
            raise ConfigurationError(
                "days must be written in order", place="Simulation.write_day", remedy="take them from `days`"
            )
        self._youth_office.require_new(day)
        changes = list(changes_on(self.world, index) if index else opening(self.world))
        changes += self._payments(day, forced=at_month_end)
        jobcenter = self._jobcenter.apply((c for c in changes if c.office == "jobcenter"), first=index == 0)
        youth_office = self._youth_office.apply((c for c in changes if c.office == "youth_office"), day)
        self._next += 1
        return DayReport(day=day, jobcenter=jobcenter, youth_office=youth_office)

    def _payments(self, day: date, *, forced: bool) -> Iterator[Change]:
        month = (day.year, day.month)
        if (forced or is_last_bank_day(day)) and month not in self._paid:
            self._paid.add(month)
            yield from month_end(self.world, day)
