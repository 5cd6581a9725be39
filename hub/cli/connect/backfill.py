"""`hub connect backfill`: the running connector gives its streams once more, beside what changes and after it."""

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from connectors.contract import Rereading
from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import agency_keys, first_of
from connectors.pipeline.run.pipeline import source_to_look_at
from connectors.pipeline.state.backfill_requests import Backfills, Request
from connectors.pipeline.state.sqlite_files import holder, lease_of
from connectors.pipeline.state.state import State
from hub.cli.connect.given import Config, clock_of, state_beside
from hub.cli.language import Message, message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json, rfc3339
from hub.domain.clock import micros
from hub.errors import UsageError

PLACE = "hub connect backfill"


def backfill(
    config: Config,
    stream: Annotated[
        list[str] | None, typer.Option("--stream", help="nur dieser Datenstrom; mehrfach")
    ] = None,
    rows_per_second: Annotated[
        int | None, typer.Option("--rows-per-second", min=1, help="Tempo; sonst wie in [connector]")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="nicht weiter nachliefern")] = False,
    as_json: AsJson = False,
) -> None:
    """Alle Zeilen noch einmal liefern, neben dem laufenden Betrieb. Noch einmal gesagt ändert es nur das Tempo."""
    settings = load_config(config)
    with closing(state_beside(settings)) as state:
        names, left_out = _chosen(settings, state, stream or [], stop=stop)
        requests = Backfills(state.db)
        with state.transaction():
            if stop:
                names = requests.stop(names)
            else:
                requests.ask(names, rows_per_second, micros(clock_of(settings).now()))
        found = [as_object(one, settings) for one in requests.all()]
    running = holder(lease_of(settings.state)) is not None
    if as_json:
        told = {"stopped" if stop else "asked": names, "left_out": left_out, "running": running}
        print_json(told | {"backfill": found})
    else:
        print_messages(_stopped(names) if stop else _asked(names, left_out, running=running))
    if stop and not names:
        raise typer.Exit(1)


def as_object(request: Request, settings: ConnectorConfig) -> dict[str, Any]:
    """For --json, here and in `status`: counts and times."""
    return {
        "stream": request.stream,
        "rows": request.rows,
        "asked": rfc3339(request.asked),
        "done": None if request.done is None else rfc3339(request.done),
        "waits": request.waits,
        "rows_per_second": request.rate or settings.backfill_rows_per_second,
    }


def _chosen(
    settings: ConnectorConfig, state: State, wanted: Sequence[str], *, stop: bool
) -> tuple[list[str], list[str]]:
    """The streams to give, and those that the source cannot give again; raises UsageError."""
    if stop:  # also what the configuration names no longer
        return [one.stream for one in Backfills(state.db).open() if one.stream in wanted or not wanted], []
    if unknown := sorted(set(wanted) - settings.streams.keys()):
        raise UsageError(
            f"no stream of this name: {', '.join(unknown)}",
            place=PLACE,
            remedy="name a stream of the configuration",
        )
    names = [name for name in settings.streams if name in wanted or not wanted]
    possible = _rereadable(settings, state)
    left_out = [name for name in names if name not in possible]
    if left_out and (wanted or left_out == names):
        raise UsageError(
            f"the source keeps nothing to read again: {', '.join(left_out)}",
            place=PLACE,
            remedy="put the files into the inbox again, or have the entries written to the outbox again",
        )
    return [name for name in names if name in possible], left_out


def _rereadable(settings: ConnectorConfig, state: State) -> frozenset[str]:
    source = source_to_look_at(settings, state, first_of(agency_keys(settings.keys.agency_key_file)))
    with closing(source):
        return frozenset(source.rereadable()) if isinstance(source, Rereading) else frozenset()


def _asked(names: Sequence[str], left_out: Sequence[str], *, running: bool) -> list[Message]:
    lines = [message("To be delivered again: {}. Changes go first.", ", ".join(names))]
    if left_out:
        lines.append(message("Cannot be read again and left out: {}.", ", ".join(left_out)))
    if running:
        begins = message("The connector begins with its next step. See: hub connect status CONFIG")
    else:
        begins = message(
            "The connector begins as soon as it is started: it does not run now. See: hub connect status CONFIG"
        )
    return [*lines, begins]


def _stopped(names: Sequence[str]) -> list[Message]:
    if not names:
        return [message("Nothing is being delivered again.")]
    return [message("No longer delivered again: {}. What is delivered stays so.", ", ".join(names))]
