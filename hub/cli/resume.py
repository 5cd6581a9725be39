"""`hub resume`: an operator lets a stopped hub go on after a restore."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines
from hub.config import Settings, load_settings
from hub.hosts.worker.roles import WorkerRole
from hub.operations.recover import disagreements
from hub.operations.recover import resume as go_on
from hub.parts import Parts


def resume(
    yes: Annotated[
        bool, typer.Option("--yes", help="Wirklich weitergehen; ohne dies wird nur gezeigt.")
    ] = False,
    group: Annotated[
        str, typer.Option(envvar="HUB_GROUP", help="Anfang der Gruppennamen der Worker.")
    ] = "hub",
    as_json: AsJson = False,
) -> None:
    """Nach dem Einspielen einer Sicherung des Logs weitergehen. Mit Bestand oder Schlüsseln: `hub restore`."""
    settings = load_settings()
    with opened_parts(settings) as parts:
        found = let_go_on(parts, settings, group) if yes else _shown(parts)
    if as_json:
        print_json(found)
    else:
        print_lines(_told(found, done=yes))
    raise typer.Exit(0 if yes or not found["findings"] else 1)


def _shown(parts: Parts) -> dict[str, Any]:
    return {"findings": [asdict(finding) for finding in disagreements(parts)]}


def let_go_on(parts: Parts, settings: Settings, group: str) -> dict[str, Any]:
    """First the store, then the broker's memory: a crash in between is met by doing it again."""
    outcome = asdict(go_on(parts))
    if not settings.kafka_bootstrap:
        return outcome
    from hub.adapters.log.groups import forget

    groups = [f"{group}.{role.value}" for role in WorkerRole]
    security = settings.broker_security().clients()
    return outcome | {"groups": forget(settings.kafka_bootstrap, groups, security)}


def _told(found: dict[str, Any], *, done: bool) -> list[str]:
    findings = found["findings"]
    lines = [f"{one['topic']} {one['stage']}: {one['what']} ({one['code']})" for one in findings]
    lines = lines or ["Bestand, Log und Schlüssel stimmen überein."]
    if not done:
        return [*lines, "Nichts wurde geändert. Alle Worker anhalten, dann: hub resume --yes"]
    return [
        *lines,
        f"Nachgetragen: {found['appended'] or 'nichts'}. Generation {found['generation']}.",
        f"{found['views_to_look_at']} gemeinsame Fälle werden neu geprüft.",
        f"{found['adopted_views']} ausgelieferte Sichten waren dem Store unbekannt.",
        "Jetzt zuerst den Worker consents starten, dann die anderen.",
    ]
