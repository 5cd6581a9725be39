"""`hub audit verify`: was everything that was passed on covered by a consent that counted?"""

from datetime import timedelta
from typing import Annotated

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines, rfc3339
from hub.domain.clock import micros
from hub.operations.audit.verify import Audit, verify

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Nachrechnen, was weitergegeben wurde."
)


@app.callback()
def audit() -> None:
    """Nachrechnen, was weitergegeben wurde."""


@app.command("verify")
def run(
    days: Annotated[int, typer.Option(min=0, help="nur die letzten Tage; 0: alles")] = 0,
    as_json: AsJson = False,
) -> None:
    """Jede Weitergabe mit den Einwilligungen im Log vergleichen. Endet mit 1, wenn eine ohne war."""
    with opened_parts() as parts:
        since = micros(parts.clock.now() - timedelta(days=days)) if days else 0
        found = verify(parts, since)
    if as_json:
        print_json(_as_json(found))
    else:
        print_lines(_sentences(found))
    raise typer.Exit(1 if found.breaches else 0)


def _as_json(found: Audit) -> dict[str, object]:
    return {
        "releases": found.releases, "fields": found.fields, "without_consent": found.without_consent,
        "in_flight": found.in_flight, "unprovable": found.unprovable, "worthless": found.worthless,
        "breaches": [
            {"view_id": one.view_id, "sender": one.sender, "recipient": one.recipient, "role": one.role,
             "at": rfc3339(one.at), "fields": list(one.fields)}
            for one in found.breaches
        ],
    }  # fmt: skip


def _sentences(found: Audit) -> list[str]:
    said = [f"{found.releases} Weitergaben mit {found.fields} Angaben nachgerechnet."]
    if found.in_flight:
        said.append(f"{found.in_flight} Angaben gingen hinaus, während ihr Widerruf gerade eintraf.")
    if found.unprovable:
        said.append(
            f"{found.unprovable} Angaben sind nicht mehr zu belegen: der Nachweis ist nach Frist gelöscht."
        )
    if found.worthless:
        said.append(
            f"{found.worthless} Weitergaben kamen nach der Frist ihrer Sicht ins Log: kein Empfänger übernimmt sie."
        )
    said += [
        f"OHNE EINWILLIGUNG: Sicht {one.view_id}, {one.sender} an {one.recipient} ({one.role}), {rfc3339(one.at)}: "
        + ", ".join(one.fields)
        for one in found.breaches
    ]
    listed = sum(len(one.fields) for one in found.breaches)
    if found.without_consent > listed:
        said.append(f"… und {found.without_consent - listed} weitere Angaben ohne Einwilligung.")
    return said if found.breaches else [*said, "Keine ohne Einwilligung."]
