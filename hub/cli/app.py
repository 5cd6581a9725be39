"""All verbs of `hub`, each from the file of its group."""

import typer

from hub.cli.decide import decide
from hub.cli.simulate import simulate

app = typer.Typer(
    name="hub",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
    help="Fallbrücke: gemeinsame Fallarbeit von Jobcenter und Jugendamt, mit Einwilligung.",
)
app.command("decide")(decide)
app.command("simulate")(simulate)
