"""Invented families that many tests tell alike."""

from datetime import timedelta

from sqlalchemy import select

from hub.store import tables
from tests.support.publisher import START, Publisher
from tests.support.workers import JOBCENTER, YOUTH_OFFICE, Rig


class Families:
    """Families of one adult each, known to both offices, whose jobcenter data may be shown to the youth office."""

    def __init__(self, rig: Rig, count: int) -> None:
        self._rig = rig
        self.jobcenter: Publisher = rig.publisher(JOBCENTER)
        self.youth_office: Publisher = rig.publisher(YOUTH_OFFICE)
        self.names = [str(number) for number in range(count)]
        self.consents: dict[str, str] = {}
        self.told: set[str] = set()
        self._measures = 0

    def meet(self) -> None:
        """Everybody is recorded at both offices, linked, and has consented."""
        for name in self.names:
            for office in (self.jobcenter, self.youth_office):
                office.person(name, name)
                office.link(name, name, f"CODE-{name}")
            self.consents[name] = self.jobcenter.grant(name, name, [YOUTH_OFFICE])
        self.jobcenter.flush()
        self.youth_office.flush()

    def go_on(self, rounds: int = 1) -> None:
        """One more measure for each family in each round; `told` collects their record refs."""
        for _ in range(rounds):
            self._measures += 1
            for name in self.names:
                self.told.add(self.jobcenter.measure(name, name, self._measures, [self.consents[name]]))
        self.jobcenter.flush()

    def say_more(self, rounds: int = 1) -> None:
        """Something for the consents worker: a consent of each family is withdrawn in part that nobody uses."""
        for _ in range(rounds):
            self._measures += 1
            for name in self.names:
                scope = {"categories": ["TM"], "purposes": ["cost_contribution"]}
                at = START + timedelta(days=1, seconds=self._measures)
                self.jobcenter.withdraw(name, name, self.consents[name], scope=scope, at=at)
        self.jobcenter.flush()

    def version_shown(self, name: str) -> int:
        """The newest version of the youth office's views of a family that show something; 0 where none does."""
        v = tables.view_state.c
        mine = v.case_ref == self.youth_office.case_key(name)
        with self._rig.parts.store.transaction() as connection:
            rows = connection.execute(select(v.version).where(mine, v.state != "pending", ~v.removed))
            return max(rows.scalars(), default=0)
