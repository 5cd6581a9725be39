"""All verbs of `hub`. Each is imported when it is called: an agency's install starts without the hub's extras."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from hub.cli.language import AGENCY, Lang, speak


class Verb(NamedTuple):
    """Where a verb is (a function, or a Typer app of sub-verbs), and its line in `hub --help`."""

    target: str
    text: str


ROLES: Mapping[str, Mapping[str, Verb]] = {
    "Try and develop": {
        "demo": Verb("hub.cli.demo:demo", "Two invented agencies, the whole way, without server or network."),
        "decide": Verb("hub.cli.decide:decide", "A question in JSON, the policy's decision: what if?"),
        "rehearse": Verb("hub.cli.rehearse:rehearse", "A family's story: what each office would have seen."),
        "simulate": Verb("hub.cli.simulate:simulate", "Write two invented agencies to disk."),
        "bench": Verb(
            "hub.cli.bench:bench", "How fast the pipeline is, as a ratio to the least possible work."
        ),
    },
    "At an agency (German; --lang en)": {
        "connect": Verb(
            "hub.cli.connect:app", "Die Seite des Amtes: Quellen lesen, Sichten zurückschreiben."
        ),
        "consent": Verb(
            "hub.cli.consent.commands:app", "Einwilligungen: Bogen, erteilen, zurücknehmen, nachsehen."
        ),
        "work": Verb("hub.cli.work:app", "Arbeitsbuch: Vereinbarungen, Gespräche, Verweise, Anträge."),
        "danger": Verb("hub.cli.danger:app", "Gefährdungsmeldungen (§ 8a SGB VIII) auf ihrem eigenen Weg."),
    },
    "Operate a hub": {
        "init": Verb("hub.cli.init:init", "Set up a first embedded hub: agencies, keys, settings."),
        "up": Verb("hub.cli.up:up", "Run the embedded hub on real settings."),
        "worker": Verb("hub.cli.worker:worker", "Run the stages on Kafka, one process per role."),
        "topics": Verb("hub.cli.topics:app", "Create topics, and compare them with their declaration."),
        "doctor": Verb("hub.cli.doctor:doctor", "Check installation, settings, databases and log."),
        "connectors": Verb(
            "hub.cli.connectors:connectors", "Which connectors were heard of, and which are silent."
        ),
        "quarantine": Verb(
            "hub.cli.quarantine:app", "Records that could not be taken, and those that wait behind them."
        ),
        "rebuild": Verb("hub.cli.rebuild:rebuild", "Rebuild a read model from the log and compare it."),
        "restore": Verb(
            "hub.cli.restore:restore", "After a backup was restored: destroy again what had been destroyed."
        ),
        "resume": Verb("hub.cli.resume:resume", "Go on after a backup was restored."),
        "keys": Verb("hub.cli.keys:app", "Create, rotate and serve keys: the key service."),
    },
    "Data protection": {
        "explain": Verb("hub.cli.explain.explain:explain", "What happened to an event, and by which norm."),
        "view": Verb("hub.cli.view:view", "What a role sees of a case now."),
        "audit": Verb("hub.cli.audit:app", "Verify that consents covered everything that was released."),
        "subject": Verb("hub.cli.subject:app", "Rights of data subjects: erasure with proof, access."),
        "retention": Verb(
            "hub.cli.retention:retention",
            "Retention periods: show what is due, then delete it.",
        ),
    },
}
"""Role → verb → place of its code."""

VERBS: Mapping[str, Verb] = {name: verb for verbs in ROLES.values() for name, verb in verbs.items()}
_ROLE_OF = {name: role for role, verbs in ROLES.items() for name in verbs}


class _Verb(TyperCommand):
    """Stands for a verb until it is called."""

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, help=verb.text, add_help_option=False, rich_help_panel=_ROLE_OF[name])
        self._target = verb.target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return load(str(self.name), self._target).make_context(info_name, args, parent, **extra)


class _Verbs(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _Verb(cmd_name, VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does, whose suggestions know only what is loaded."""
        self.commands = {name: _Verb(name, verb) for name, verb in VERBS.items()}
        return super().resolve_command(ctx, args)


def load(name: str, target: str) -> Any:
    """The command of a verb, with its sub-verbs; imports the verb's module."""
    module, _, attribute = target.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    verb = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    verb.command(name)(found)
    return typer.main.get_command(verb)


app = typer.Typer(name="hub", cls=_Verbs, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hub {version('fallbruecke')}")
        raise typer.Exit


@app.callback()
def hub(
    ctx: typer.Context,
    lang: Lang = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fallbrücke: joint casework of jobcenter and youth welfare office, with consent."""
    speak(lang or ("de" if ctx.invoked_subcommand in AGENCY else "en"))
