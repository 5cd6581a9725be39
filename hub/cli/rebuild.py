"""`hub rebuild NAME`: a read model once more from the log, beside the live one."""

from dataclasses import asdict
from typing import Annotated

import typer

from hub.cli.language import Message, message
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, progress
from hub.operations.rebuild import RebuildOutcome, topics_of
from hub.operations.rebuild import rebuild as run
from hub.parts import Parts
from hub.ports import TopicState


def rebuild(
    name: Annotated[str, typer.Argument(help="joint_case, consent_register or another one.")],
    as_json: AsJson = False,
) -> None:
    """Build a read model anew from the log, compare it with the live one and switch over."""
    with opened_parts() as parts, progress(name, _length(parts, name)) as advance:
        outcome = run(parts, name, advance)
    if as_json:
        print_json(asdict(outcome))
    else:
        print_messages([_sentence(outcome)])


def _length(parts: Parts, name: str) -> int:
    """How many records the bar counts to."""
    return sum(_records(state) for state in parts.log.state(topics_of(parts, name)).values())


def _records(state: TopicState) -> int:
    return sum(end - state.first[partition] for partition, end in state.end.items())


def _sentence(outcome: RebuildOutcome) -> Message:
    differs = outcome.divergence
    compared = message("{} differences", differs) if differs else message("without a difference")
    return message(
        "{}: {} rows from {} events, {} from the state before; generation {} counts now.",
        *(outcome.name, outcome.rows, outcome.events, compared, outcome.generation),
    )
