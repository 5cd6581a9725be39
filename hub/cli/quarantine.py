"""`hub quarantine`: what could not be taken, what waits behind it, and letting it go on."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from hub.adapters.store import quarantines
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines, print_table, rfc3339
from hub.domain.clock import micros
from hub.errors import UsageError
from hub.stages.parts import Parts
from hub.stages.release import ReleaseOutcome
from hub.stages.release import release as let_go

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Was nicht gelesen werden konnte und was dahinter wartet.",
)


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """Jeder angehaltene Eintrag: Ort, Grund, Alter, und wie viele dahinter warten."""
    with opened_parts() as parts:
        found = _waiting(parts)
    if as_json:
        print_json({"quarantined": found, "parked": _parked(found)})
    elif not found:
        print_lines(["Nichts ist angehalten."])
    else:
        rows = [
            (one["stage"], one["lane"], one["place"], one["reason"], _age(one["age_s"]), one["waiting"])
            for one in found
        ]
        columns = ("Stufe", "Spur", "Ort", "Grund", "seit", "wartend")
        print_table(f"{len(rows)} angehalten, {_parked(found)} warten dahinter", columns, rows)


@app.command()
def release(
    lane: Annotated[
        str | None, typer.Argument(metavar="SPUR", help="Spur aus `hub quarantine list`, oder ihr Anfang")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="alle Spuren")] = False,
    as_json: AsJson = False,
) -> None:
    """Eine Spur weitergehen lassen: den angehaltenen Eintrag noch einmal versuchen, dann alles dahinter."""
    if bool(lane) == everything:
        raise UsageError("name one lane, or all", place="hub quarantine release", remedy="SPUR or --all")
    with opened_parts() as parts:
        outcomes = [let_go(parts, *chosen) for chosen in _chosen(parts, lane)]
    again = sum(sum(outcome.quarantined.values()) for outcome in outcomes)
    if as_json:
        print_json({"released": [asdict(outcome) for outcome in outcomes]})
    else:
        print_lines([_sentence(outcome) for outcome in outcomes] or ["Nichts ist angehalten."])
    if again:
        raise typer.Exit(1)


def _waiting(parts: Parts) -> list[dict[str, Any]]:
    now = micros(parts.clock.now())
    with parts.store.transaction() as connection:
        lanes = quarantines.waiting(connection)
    return [
        {
            "stage": one.stage,
            "lane": one.lane,
            "place": str(place),
            "reason": reason,
            "at": rfc3339(at),
            "age_s": (now - at) // 1_000_000,
            "waiting": one.parked,
        }
        for one in lanes
        for place, reason, at in one.bad
    ]


def _parked(found: list[dict[str, Any]]) -> int:
    """A lane with two bad records has one queue behind it."""
    queues: Mapping[tuple[str, str], int] = {(one["stage"], one["lane"]): one["waiting"] for one in found}
    return sum(queues.values())


def _chosen(parts: Parts, lane: str | None) -> list[tuple[str, str]]:
    with parts.store.transaction() as connection:
        every = [(one.stage, one.lane) for one in quarantines.waiting(connection)]
    if lane is None:
        return every
    found = [(stage, name) for stage, name in every if name.startswith(lane)]
    if len(found) != 1:
        message = "more than one lane begins so" if found else "no lane of this name waits"
        raise UsageError(message, place="hub quarantine release", remedy="see `hub quarantine list`")
    return found


def _sentence(outcome: ReleaseOutcome) -> str:
    text = f"{outcome.stage} {outcome.lane[:8]}: {outcome.taken} nachgeholt, {outcome.left_out} ausgelassen"
    if not outcome.quarantined:
        return text + "."
    reasons = ", ".join(outcome.quarantined)
    return f"{text}; wieder angehalten ({reasons}), {outcome.parked} warten weiter."


def _age(seconds: int) -> str:
    return str(timedelta(seconds=seconds))
