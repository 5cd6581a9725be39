"""`hub connect pause` and `resume`: a running connector rests after the step it is in, and goes on where it was."""

from contextlib import closing
from typing import Annotated

import typer

from connectors.runtime.config import load_config
from connectors.runtime.pulse import Pulse
from hub.cli.connect.given import Config, clock_of
from hub.cli.output import print_lines


def pause(
    config: Config,
    reason: Annotated[str, typer.Option("--reason", help="steht in `hub connect status`")] = "",
) -> None:
    """Anhalten nach dem begonnenen Schritt; auch ein neu gestarteter Anschluss wartet dann. Nichts geht verloren."""
    settings = load_config(config)
    with closing(Pulse(settings.state)) as pulse:
        pulse.pause(clock_of(settings).now(), reason.strip())
    print_lines(
        [
            "Der Anschluss ruht nach dem begonnenen Schritt.",
            "Auch Widerrufe liest er solange nicht: nicht länger ruhen lassen als nötig.",
        ]
    )


def resume(config: Config) -> None:
    """Weitermachen. Ende 1, wenn nichts ruhte."""
    with closing(Pulse(load_config(config).state)) as pulse:
        rested = pulse.resume()
    print_lines(["Der Anschluss macht weiter." if rested else "Er ruhte nicht."])
    if not rested:
        raise typer.Exit(1)
