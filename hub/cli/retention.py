"""`hub retention`: what has been kept long enough, first shown, then removed."""

from typing import Annotated

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines, print_table
from hub.erasure.retention import Due, retain
from hub.subjects.consent_barrier import require_open


def retention(
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="wirklich löschen; ohne dies wird nur gezählt")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fristen: was lange genug aufbewahrt ist. Der Hub löscht es selbst um Mitternacht; hier wird es vorher gezeigt."""
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
        print_lines(["Nichts ist über seine Frist hinaus aufbewahrt."])
        return
    title = "Gelöscht" if apply else "Über die Frist hinaus aufbewahrt (nichts wurde gelöscht; dazu: --apply)"
    print_table(title, ("Was", "Zustand", "Tabelle", "Kategorie", "Zeilen"), due)
