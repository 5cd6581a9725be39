"""`hub audit verify`: was everything that was passed on covered by a consent that counted?"""

from datetime import timedelta
from typing import Annotated

import typer

from hub.cli.language import Message, message
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, State, print_json, rfc3339
from hub.domain.clock import micros
from hub.operations.audit.verify import Audit, verify

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Recompute what was disclosed.")


@app.callback()
def audit() -> None:
    """Recompute what was disclosed."""


@app.command("verify")
def run(
    days: Annotated[int, typer.Option(min=0, help="The last days only; 0: all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare every disclosure with the consents in the log. Exit 1 where one had none."""
    with opened_parts() as parts:
        since = micros(parts.clock.now() - timedelta(days=days)) if days else 0
        found = verify(parts, since)
    if as_json:
        print_json(_as_json(found))
    else:
        print_messages(_sentences(found))
    raise typer.Exit(1 if found.breaches else 0)


def _as_json(found: Audit) -> dict[str, object]:
    return {
        "releases": found.releases,
        "fields": found.fields,
        "without_consent": found.without_consent,
        "in_flight": found.in_flight,
        "unprovable": found.unprovable,
        "worthless": found.worthless,
        "breaches": [
            {
                "view_id": one.view_id,
                "sender": one.sender,
                "recipient": one.recipient,
                "role": one.role,
                "at": rfc3339(one.at),
                "fields": list(one.fields),
            }
            for one in found.breaches
        ],
    }


def _sentences(found: Audit) -> list[Message | State]:
    said: list[Message | State] = [
        message("{} disclosures with {} fields recomputed.", found.releases, found.fields)
    ]
    if found.in_flight:
        said.append(message("{} fields left while their withdrawal was arriving.", found.in_flight))
    if found.unprovable:
        said.append(
            message(
                "{} fields can no longer be proven: the evidence was deleted at the end of its retention.",
                found.unprovable,
            )
        )
    if found.worthless:
        said.append(
            message(
                "{} disclosures reached the log after their view had expired: no recipient takes them.",
                found.worthless,
            )
        )
    said += [
        State(
            message(
                "WITHOUT CONSENT: view {}, {} to {} ({}), {}: {}",
                *(one.view_id, one.sender, one.recipient, one.role, rfc3339(one.at), ", ".join(one.fields)),
            ),
            ok=False,
        )
        for one in found.breaches
    ]
    listed = sum(len(one.fields) for one in found.breaches)
    if found.without_consent > listed:
        said.append(message("… and {} more fields without consent.", found.without_consent - listed))
    return said if found.breaches else [*said, State(message("None without consent."), ok=True)]
