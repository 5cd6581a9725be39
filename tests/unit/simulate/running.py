"""Write simulated days into a folder and read them back as an agency would."""

import csv
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from sqlite3 import connect

from hub.dev.simulate import DayReport, Simulation

START = date(2026, 6, 1)


@dataclass(frozen=True)
class Run:
    folder: Path
    simulation: Simulation
    reports: list[DayReport]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(connect(self.folder / "jobcenter.sqlite")) as connection:
            return list(connection.execute(query))

    def read(self, name: str, day: int = 0) -> list[dict[str, str]]:
        path = self.folder / "jugendamt" / f"2026-06-{day + 1:02d}" / f"{name}.csv"
        with path.open(encoding="cp1252", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))


def simulate(folder: Path, days: int, *, seed: int = 1, families: int = 20, canary: str | None = None) -> Run:
    url = f"sqlite:///{folder / 'jobcenter.sqlite'}"
    simulation = Simulation(families, seed, START, url, folder / "jugendamt", canary=canary)
    chosen = list(islice(simulation.days, days))
    reports = [simulation.write_day(day, at_month_end=day == chosen[-1]) for day in chosen]
    return Run(folder, simulation, reports)
