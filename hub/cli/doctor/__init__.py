"""`hub doctor`: is everything there, reachable and in order? Looks only: nothing is created or changed."""

import time
from collections.abc import Sequence
from typing import Any

import typer

from hub.cli.doctor.check import Check
from hub.cli.doctor.checks import all_checks
from hub.cli.language import message, verbatim
from hub.cli.messages import Cell, print_message_table, print_messages
from hub.cli.output import AsJson, State, ok_or_fail, print_json


def doctor(as_json: AsJson = False) -> None:
    """Check installation, settings, keys, databases, log and progress. Exit 1 where something is missing."""
    began = time.monotonic()
    checks = list(all_checks())
    ok = all(check.ok for check in checks)
    if as_json:
        seconds = round(time.monotonic() - began, 3)
        print_json({"ok": ok, "checks": [_entry(check) for check in checks], "seconds": seconds})
    else:
        rows: list[Sequence[Cell]] = [
            (
                ok_or_fail(check.ok),
                *map(verbatim, (check.name, check.found, "" if check.ok else check.remedy)),
            )
            for check in checks
        ]
        columns = (message("State"), message("Check"), message("Found"), message("Remedy"))
        print_message_table(message("Checks"), columns, rows)
        print_messages([State(message("Everything is in order." if ok else "Something is missing."), ok)])
    if not ok:
        raise typer.Exit(1)


def _entry(check: Check) -> dict[str, Any]:
    return {"name": check.name, "ok": check.ok, "found": check.found, "remedy": check.remedy}
