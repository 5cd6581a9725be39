"""`hub connect status`, `accept` and `reject`: what a connector is doing, what waits, and the word on what is held."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from connectors.runtime.backfill import Request
from connectors.runtime.certificates import Certificate
from connectors.runtime.config import ConnectorConfig, load_config
from connectors.runtime.ports import Held
from hub.cli.connect.backfill import as_object as backfill_object
from hub.cli.connect.given import Config, clock_of
from hub.cli.connect.quarantine import as_object as entry_object
from hub.cli.connect.standing import RENEW_DAYS, Standing, decide_held, standing
from hub.cli.connect.words import STATES, ago, counted
from hub.cli.language import said
from hub.cli.output import AsJson, print_json, print_lines, print_table, rfc3339_of
from hub.errors import ConfigurationError


def status(
    config: Config,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="immer wieder, bis Strg-C")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Sekunden dazwischen")] = 2.0,
) -> None:
    """Was der Anschluss tut: Zustand, letzter Erfolg, was wartet, Zertifikate."""
    settings = load_config(config)
    clock = clock_of(settings)
    try:
        while True:
            found, now = standing(settings), clock.now()
            if as_json:
                print_json(
                    {"agency": settings.agency, "kind": settings.kind, **as_object(found, settings, now)}
                )
            else:
                if watch:
                    Console().clear()
                _print(settings.agency, found, now)
            if not watch:
                return
            time.sleep(every)
    except KeyboardInterrupt:
        return


Name = Annotated[str, typer.Argument(metavar="[NAME]", help="welche Lieferung, wenn mehrere warten")]


def accept(config: Config, name: Name = "") -> None:
    """Bestätigt eine angehaltene Lieferung, in der zu viele Schlüssel fehlen oder Neues steht."""
    held = _decided(config, name, reject=False)
    typer.echo(f"Bestätigt: {held.name} ({held.stream}, {held.share:.1%} der Schlüssel fehlen).")


def reject(config: Config, name: Name = "") -> None:
    """Verwirft eine angehaltene Lieferung: sie wird nie gelesen, und keine andere wartet auf sie."""
    held = _decided(config, name, reject=True)
    typer.echo(f"Verworfen: {held.name} ({held.stream}).")


def _decided(config: Config, name: str, *, reject: bool) -> Held:
    settings = load_config(config)
    if not settings.state.exists():
        raise ConfigurationError(
            "has no state yet", place="config.connector.state", remedy="run it once first"
        )
    held = decide_held(settings, name, reject=reject)
    if held is None:
        typer.echo("Es wartet kein Abzug.")
        raise typer.Exit(1)
    return held


def as_object(found: Standing, settings: ConnectorConfig, now: datetime) -> dict[str, Any]:
    """For --json: times, counts and places, no value."""
    beat = found.beat
    return {
        "state": found.state, "pid": found.pid,
        "last_step": beat and rfc3339_of(beat.at),
        "last_success": beat and beat.last_success and rfc3339_of(beat.last_success),
        "lag_s": beat and beat.last_success and max(0, int((now - beat.last_success).total_seconds())),
        "more": bool(beat and beat.more),
        "register_age_s": beat and beat.register_as_of and int((now - beat.register_as_of).total_seconds()),
        "closed": beat.closed if beat else "",
        "trouble": found.trouble and found.trouble._asdict(),
        "totals": beat.totals if beat else {},
        "paused": found.paused and {"since": rfc3339_of(found.paused.since), "why": found.paused.why},
        "held": found.held and found.held._asdict(),
        "certificates": [
            {"setting": one.setting, "not_after": one.not_after and rfc3339_of(one.not_after), "days": one.days(now)}
            for one in found.certificates
        ],
        "backfill": [backfill_object(one, settings) for one in found.backfills],
        "quarantine": [entry_object(entry) for entry in found.quarantined],
    }  # fmt: skip


def _print(agency: str, found: Standing, now: datetime) -> None:
    process = "" if found.pid is None else f" (Prozess {found.pid or 'unbekannt'})"
    lines = [f"{agency}: {STATES[found.state]}{process}"]
    if found.paused:
        lines.append(f"Ruht seit {rfc3339_of(found.paused.since)}. {found.paused.why}".rstrip())
    if beat := found.beat:
        lines.append(
            f"Letzter Erfolg: {_since(beat.last_success, now)}; letzter Schritt: {_since(beat.at, now)}"
        )
        if beat.register_as_of:
            lines.append(f"Register des Hubs: {_since(beat.register_as_of, now)}")
        if beat.totals:
            lines.append(f"Seit dem Start: {counted(beat.totals)}")
    if stuck := found.trouble:
        lines.append(f"{stuck.status} seit {stuck.since}: {said(stuck.place)} → {said(stuck.remedy)}")
    lines += [_certificate(one, now) for one in found.certificates]
    lines += _backfills(found.backfills, running=found.state == "running")
    if held := found.held:
        lines.append(
            f"Angehalten: {held.name} ({held.share:.1%} der Schlüssel fehlen): hub connect accept | reject CONFIG"
        )
    print_lines(lines)
    rows = [
        (entry.name, entry.reason, entry.place, entry.column, said(entry.remedy))
        for entry in found.quarantined
    ]
    if rows:
        print_table(f"{len(rows)} in Quarantäne", ("Name", "Grund", "Ort", "Spalte", "Abhilfe"), rows)
    else:
        print_lines(["0 in Quarantäne"])


def _since(at: datetime | None, now: datetime) -> str:
    return ago(None if at is None else int((now - at).total_seconds()))


def _backfills(found: Sequence[Request], *, running: bool) -> Iterator[str]:
    """A line each, and one for all that have not begun."""
    yield from (_backfill(one, running=running) for one in found if one.rows or one.done or one.waits)
    if rest := [one.stream for one in found if not (one.rows or one.done or one.waits)]:
        yield f"Nachlieferung noch nicht begonnen: {', '.join(rest)}" + (
            "" if running else " (der Anschluss steht)"
        )


def _backfill(request: Request, *, running: bool) -> str:
    state = "läuft" if running else "wartet auf den Anschluss"
    if request.done is not None:
        state = "fertig"
    elif request.waits:
        state = f"wartet auf die Quelle ({request.waits})"
    return f"Nachlieferung {request.stream}: {request.rows} Zeilen, {state}"


def _certificate(one: Certificate, now: datetime) -> str:
    days = one.days(now)
    if days is None:
        return f"Zertifikat {one.setting}: nicht lesbar"
    if days < 0:
        return f"Zertifikat {one.setting}: ABGELAUFEN seit {-days} Tagen"
    return f"Zertifikat {one.setting}: noch {days} Tage" + (", jetzt erneuern" if days < RENEW_DAYS else "")
