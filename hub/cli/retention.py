"""`hub retention`: what has been kept long enough, first shown, then removed."""

from typing import Annotated

import typer

from hub.cli.language import message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json
from hub.erasure.retention import Due, retain
from hub.subjects.consent_barrier import require_open


def retention(
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Really delete; without it rows are counted only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Retention periods that have passed. The hub deletes at midnight by itself; here it is shown before."""
    with opened_parts() as parts:
        if apply:
            require_open(parts)
        due = retain(parts, apply=apply)
        norms = {one.state: one.norm for one in parts.retention}
    if as_json:
        print_json({"applied": apply, "due": [one._asdict() | {"norm": norms[one.state]} for one in due]})
    else:
        _show(due, apply=apply)


def _show(due: list[Due], *, apply: bool) -> None:
    if not due:
        print_messages([message("Nothing is kept beyond its period.")])
        return
    title = message("Deleted" if apply else "Kept beyond its period (nothing was deleted; for that: --apply)")
    columns = (
        message("Subject"),
        message("State"),
        message("Table"),
        message("Category"),
        message("Rows"),
    )
    print_message_table(title, columns, [tuple(map(verbatim, one)) for one in due])
