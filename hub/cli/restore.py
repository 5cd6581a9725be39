"""`hub restore`: after store, log or keys were restored from a backup, what had been destroyed is destroyed again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.adapters.keys import journal
from hub.cli.language import Message, message
from hub.cli.ledger import opened_keys
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json
from hub.cli.resume import let_go_on
from hub.config import Settings, load_settings
from hub.erasure.after_restore import end_lost_consents, end_lost_rows
from hub.errors import KeysAreOlder, Refused
from hub.hosts.embedded import Embedded
from hub.parts import Parts
from hub.ports import Certificate


def restore(
    ledger: Annotated[
        Path,
        typer.Option("--ledger", help="The newest ledger of destroyed keys: `hub keys ledger export`."),
    ],
    group: Annotated[
        str, typer.Option(envvar="HUB_GROUP", help="Begins the consumer groups' names.")
    ] = "hub",
    as_json: AsJson = False,
) -> None:
    """After a backup was restored: destroy again what had been destroyed, then go on. Stop all workers first."""
    settings = load_settings()
    proofs = journal.read(ledger)
    with opened_keys() as keys:
        lived = keys.replay(proofs)
        known = keys.ledger()
    with opened_parts(settings) as parts:
        found = {"lived": lived, "destroyed": sum(len(one.versions) for one in known)}
        found |= _gone_on(parts, known, settings, group)
    if as_json:
        print_json(found)
    else:
        print_messages(_told(found))


def _gone_on(parts: Parts, known: Sequence[Certificate], settings: Settings, group: str) -> dict[str, Any]:
    """As `hub resume`, then all consents are read, so that only those withdrawals count as lost that no log has."""
    try:
        outcome = let_go_on(parts, settings, group)
    except KeysAreOlder as error:
        raise Refused(
            f"this ledger is an old one: {error.message}",
            reason="ledger",
            place="hub restore --ledger",
            remedy="give the newest export, or the file that HUB_LEDGER_FILE names",
        ) from None
    host = Embedded(parts)
    host.catch_up()
    ended, removed = end_lost_consents(parts, known), end_lost_rows(parts, known)
    host.catch_up()
    return outcome | {"ended_consents": ended, "removed_rows": removed}


def _told(found: dict[str, Any]) -> list[Message]:
    return [
        message("{lived} destroyed keys were back; {destroyed} are destroyed now.", **found),
        message(
            "{ended_consents} consents counted again whose withdrawal the backup does not know: ended.",
            **found,
        ),
        message("{views_to_look_at} joint cases are checked again. Generation {generation}.", **found),
        message("Now start the worker consents first, then the others."),
    ]
