"""`hub connect pause` and `resume`: a running connector rests after the step it is in, and goes on where it was."""

from contextlib import closing
from typing import Annotated

import typer

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.state.heartbeat import Pulse
from hub.cli.connect.given import Config, clock_of
from hub.cli.language import message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json


def pause(
    config: Config,
    reason: Annotated[str, typer.Option("--reason", help="steht in `hub connect status`")] = "",
    as_json: AsJson = False,
) -> None:
    """Anhalten nach dem begonnenen Schritt; auch ein neu gestarteter Anschluss wartet dann. Nichts geht verloren."""
    settings = load_config(config)
    with closing(Pulse(settings.state)) as pulse:
        pulse.pause(clock_of(settings).now(), reason.strip())
    if as_json:
        print_json({"paused": True})
        return
    print_messages(
        [
            message("The connector pauses after the step it is in."),
            message("Meanwhile it reads no withdrawals either: do not let it pause longer than necessary."),
        ]
    )


def resume(config: Config, as_json: AsJson = False) -> None:
    """Weitermachen. Ende 1, wenn nichts ruhte."""
    with closing(Pulse(load_config(config).state)) as pulse:
        rested = pulse.resume()
    if as_json:
        print_json({"resumed": rested})
    else:
        print_messages([message("The connector goes on." if rested else "It was not paused.")])
    if not rested:
        raise typer.Exit(1)
