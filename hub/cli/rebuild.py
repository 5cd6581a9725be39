"""`hub rebuild NAME`: a read model once more from the log, beside the live one."""

from dataclasses import asdict
from typing import Annotated

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines, progress
from hub.operations.rebuild import RebuildOutcome, topics_of
from hub.operations.rebuild import rebuild as run
from hub.parts import Parts
from hub.ports import TopicState


def rebuild(
    name: Annotated[str, typer.Argument(help="joint_case, consent_register oder ein anderes")],
    as_json: AsJson = False,
) -> None:
    """Ein Lesemodell aus dem Log neu aufbauen, mit dem laufenden vergleichen und umschalten."""
    with opened_parts() as parts, progress(name, _length(parts, name)) as advance:
        outcome = run(parts, name, advance)
    if as_json:
        print_json(asdict(outcome))
    else:
        print_lines([_sentence(outcome)])


def _length(parts: Parts, name: str) -> int:
    """How many records the bar counts to."""
    return sum(_records(state) for state in parts.log.state(topics_of(parts, name)).values())


def _records(state: TopicState) -> int:
    return sum(end - state.first[partition] for partition, end in state.end.items())


def _sentence(outcome: RebuildOutcome) -> str:
    compared = f"{outcome.divergence} Abweichungen" if outcome.divergence else "ohne Abweichung"
    return (
        f"{outcome.name}: {outcome.rows} Zeilen aus {outcome.events} Ereignissen, {compared} zum bisherigen "
        f"Stand; jetzt gilt Generation {outcome.generation}."
    )
