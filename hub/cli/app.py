"""All verbs of `hub`. Each is imported when it is called: an agency's install starts without the hub's extras."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from hub.cli.language import AGENCY, Lang, speak

VERBS: Mapping[str, tuple[str, str]] = {
    "demo": ("hub.cli.demo:demo", "Zwei erfundene Ämter, der ganze Weg, ohne Server und Netz."),
    "up": ("hub.cli.up:up", "Den eingebetteten Hub mit echter Konfiguration betreiben."),
    "decide": ("hub.cli.decide:decide", "Was würde geschehen, wenn …: eine Anfrage, eine Entscheidung."),
    "rehearse": ("hub.cli.rehearse:rehearse", "Die Geschichte einer Familie: was jedes Amt gesehen hätte."),
    "explain": ("hub.cli.explain.explain:explain", "Was mit einem Ereignis geschah, und nach welcher Norm."),
    "doctor": ("hub.cli.doctor:doctor", "Prüft Installation, Einstellungen, Datenbanken und Log."),
    "audit": ("hub.cli.audit:app", "Nachrechnen: war alles Weitergegebene von Einwilligungen gedeckt?"),
    "rebuild": ("hub.cli.rebuild:rebuild", "Ein Lesemodell aus dem Log neu aufbauen und vergleichen."),
    "restore": ("hub.cli.restore:restore", "Nach einer Sicherung: was vernichtet war, wieder vernichten."),
    "resume": ("hub.cli.resume:resume", "Nach dem Einspielen einer Sicherung weitergehen."),
    "quarantine": ("hub.cli.quarantine:app", "Was nicht gelesen werden konnte und was dahinter wartet."),
    "worker": ("hub.cli.worker:worker", "Die Stufen auf Kafka: ein Prozess je Rolle."),
    "connect": ("hub.cli.connect:app", "Die Seite des Amtes: Quellen lesen, Sichten zurückschreiben."),
    "connectors": ("hub.cli.connectors:connectors", "Welche Anschlüsse sich melden, und welche schweigen."),
    "danger": ("hub.cli.danger:app", "Gefährdungsmeldungen (§ 8a SGB VIII) auf ihrem eigenen Weg."),
    "topics": ("hub.cli.topics:app", "Topics anlegen und mit dem Soll vergleichen."),
    "consent": ("hub.cli.consent.commands:app", "Einwilligungen: Bogen, erteilen, zurücknehmen, nachsehen."),
    "retention": (
        "hub.cli.retention:retention",
        "Fristen: was lange genug aufbewahrt ist, erst zeigen, dann löschen.",
    ),
    "subject": ("hub.cli.subject:app", "Rechte der Betroffenen: Löschung mit Nachweis, Auskunft."),
    "keys": ("hub.cli.keys:app", "Schlüssel erzeugen, wechseln, ausgeben: der Schlüsseldienst."),
    "bench": ("hub.cli.bench:bench", "Wie schnell der Weg ist, im Verhältnis zum Mindestaufwand."),
    "simulate": ("hub.cli.simulate:simulate", "Zwei erfundene Ämter auf die Platte schreiben."),
}
"""Verb → where it is (a function, or a Typer app of sub-verbs), and what `hub --help` says of it."""


class _Verb(TyperCommand):
    """Stands for a verb until it is called."""

    def __init__(self, name: str, target: str, text: str) -> None:
        super().__init__(name, help=text, add_help_option=False)
        self._target = target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return _load(str(self.name), self._target).make_context(info_name, args, parent, **extra)


class _Verbs(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _Verb(cmd_name, *VERBS[cmd_name]) if cmd_name in VERBS else None


def _load(name: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    verb = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    verb.command(name)(found)
    return typer.main.get_command(verb)


app = typer.Typer(
    name="hub", cls=_Verbs, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def hub(ctx: typer.Context, lang: Lang = None) -> None:
    """Fallbrücke: gemeinsame Fallarbeit von Jobcenter und Jugendamt, mit Einwilligung."""
    speak(lang or ("de" if ctx.invoked_subcommand in AGENCY else "en"))
