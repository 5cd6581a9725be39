"""`hub resume`: an operator lets a stopped hub go on after a restore."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from hub.cli.language import Message, message, verbatim
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json
from hub.config import Settings, load_settings
from hub.hosts.worker.roles import WorkerRole
from hub.operations.recover import disagreements
from hub.operations.recover import resume as go_on
from hub.parts import Parts


def resume(
    yes: Annotated[
        bool, typer.Option("--yes", help="Really go on; without it the findings are shown only.")
    ] = False,
    group: Annotated[
        str, typer.Option(envvar="HUB_GROUP", help="Begins the consumer groups' names.")
    ] = "hub",
    as_json: AsJson = False,
) -> None:
    """Go on after a backup of the log was restored. With store or keys: `hub restore`."""
    settings = load_settings()
    with opened_parts(settings) as parts:
        found = let_go_on(parts, settings, group) if yes else _shown(parts)
    if as_json:
        print_json(found)
    else:
        print_messages(_told(found, done=yes))
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


def _told(found: dict[str, Any], *, done: bool) -> list[Message]:
    findings = found["findings"]
    lines = [verbatim(f"{one['topic']} {one['stage']}: {one['what']} ({one['code']})") for one in findings]
    lines = lines or [message("Store, log and keys agree.")]
    if not done:
        return [*lines, message("Nothing was changed. Stop all workers, then: hub resume --yes")]
    added = found["appended"] or message("nothing")
    return [
        *lines,
        message("Added to the log: {}. Generation {}.", added, found["generation"]),
        message("{} joint cases are checked again.", found["views_to_look_at"]),
        message("{} delivered views were unknown to the store.", found["adopted_views"]),
        message("Now start the worker consents first, then the others."),
    ]
