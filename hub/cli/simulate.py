"""`hub simulate`: two invented agencies on disk."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from hub.cli.language import Message, message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json, progress
from hub.dev.simulate import DayReport, Simulation
from hub.errors import UsageError

FIRST_DAY = datetime(2026, 6, 1)  # noqa: DTZ001 - a calendar day, as Typer hands it over


def simulate(
    out: Annotated[Path, typer.Option(help="Empty folder for jobcenter.sqlite and jugendamt/.")],
    families: Annotated[
        int, typer.Option(min=1, help="The first twenty cover every kind; 9800 are a Kreis.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days to write; the scripted changes need five.")] = 5,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = FIRST_DAY,
    jobcenter_url: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL instead of the SQLite file.")
    ] = None,
    canary: Annotated[
        str | None, typer.Option(help="Marker put into every free-text field, for leak tests.")
    ] = None,
    month_end: Annotated[
        bool, typer.Option("--month-end", help="Pay the coming month on the last day written.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write two synthetic agencies: a jobcenter's database and a youth welfare office's nightly exports."""
    out.mkdir(parents=True, exist_ok=True)
    url = jobcenter_url or f"sqlite:///{out / 'jobcenter.sqlite'}"
    simulation = Simulation(families, seed, start.date(), _database(url), out / "jugendamt", canary=canary)
    chosen = list(islice(simulation.days, days))
    reports: list[DayReport] = []
    with progress("Days", len(chosen)) as done:
        for day in chosen:
            reports.append(simulation.write_day(day, at_month_end=month_end and day == chosen[-1]))
            done(1)
    summary = _summary(simulation, reports)
    if as_json:
        print_json(summary)
    else:
        print_messages([_sentence(summary)])


def _database(url: str) -> str:
    """Raises UsageError for what is no address."""
    try:
        make_url(url)
    except ArgumentError:
        raise UsageError(
            "no database address", place="--jobcenter-url", remedy="write it as sqlite:///FILE"
        ) from None
    return url


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


def _sentence(summary: dict[str, object]) -> Message:
    days = summary["days"]
    count = len(days) if isinstance(days, list) else 0
    return message(
        "{} families, {} persons, {} families known to both agencies; {} days written.",
        *(summary["families"], summary["persons"], summary["joint_families"], count),
    )
