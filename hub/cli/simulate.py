"""`hub simulate`: two invented agencies on disk."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import track

from hub.dev.simulate import DayReport, Simulation

FIRST_DAY = datetime(2026, 6, 1)  # noqa: DTZ001 - a calendar day, as Typer hands it over


def simulate(
    out: Annotated[Path, typer.Option(help="Empty folder for jobcenter.sqlite and jugendamt/.")],
    families: Annotated[
        int, typer.Option(min=1, help="The first twenty cover every kind; 9800 are a Kreis.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days to write; the scripted changes need five.")] = 5,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])] = FIRST_DAY,
    jobcenter_url: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL instead of the SQLite file.")
    ] = None,
    canary: Annotated[
        str | None, typer.Option(help="Marker put into every free-text field, for leak tests.")
    ] = None,
    month_end: Annotated[
        bool, typer.Option("--month-end", help="Pay the coming month on the last day written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Write two synthetic agencies: a jobcenter's database and a youth welfare office's nightly exports."""
    out.mkdir(parents=True, exist_ok=True)
    url = jobcenter_url or f"sqlite:///{out / 'jobcenter.sqlite'}"
    simulation = Simulation(families, seed, start.date(), url, out / "jugendamt", canary=canary)
    chosen = list(islice(simulation.days, days))
    console = Console(stderr=True)
    reports = [
        simulation.write_day(day, at_month_end=month_end and day == chosen[-1])
        for day in track(
            chosen, description="Tage", console=console, disable=not console.is_terminal, transient=True
        )
    ]
    summary = _summary(simulation, reports)
    typer.echo(orjson.dumps(summary).decode() if as_json else _sentence(summary))


def _summary(simulation: Simulation, reports: Iterable[DayReport]) -> dict[str, object]:
    world = simulation.world
    return {
        "families": len(world.families),
        "persons": sum(1 for _ in world.persons),
        "joint_families": len(world.joint_families),
        "days": [
            {"day": r.day.isoformat(), "jobcenter": r.jobcenter, "youth_office": r.youth_office}
            for r in reports
        ],
    }


def _sentence(summary: dict[str, object]) -> str:
    days = summary["days"]
    count = len(days) if isinstance(days, list) else 0
    return (
        f"{summary['families']} Familien, {summary['persons']} Personen, davon {summary['joint_families']} "
        f"Familien in beiden Ämtern; {count} Tage geschrieben."
    )
