"""`hub doctor`: is everything there, reachable and in order? Looks only: nothing is created or changed."""

import time
from typing import Any

import typer
from rich.console import Console

from hub.cli.doctor.check import Check
from hub.cli.doctor.checks import all_checks
from hub.cli.output import AsJson, print_json, print_table


def doctor(as_json: AsJson = False) -> None:
    """Installation, Einstellungen, Schlüssel, Datenbanken, Log und Fortschritt prüfen. Ende 1, wenn etwas fehlt."""
    began = time.monotonic()
    checks = list(all_checks())
    ok = all(check.ok for check in checks)
    if as_json:
        seconds = round(time.monotonic() - began, 3)
        print_json({"ok": ok, "checks": [_entry(check) for check in checks], "seconds": seconds})
    else:
        rows = [
            ("ja" if check.ok else "NEIN", check.name, check.found, "" if check.ok else check.remedy)
            for check in checks
        ]
        print_table("Prüfung", ("in Ordnung", "was", "gefunden", "zu tun"), rows)
        Console().print("Alles in Ordnung." if ok else "Es fehlt etwas.")
    if not ok:
        raise typer.Exit(1)


def _entry(check: Check) -> dict[str, Any]:
    return {"name": check.name, "ok": check.ok, "found": check.found, "remedy": check.remedy}
