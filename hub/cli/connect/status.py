"""`hub connect status`, `accept` and `reject`: what a connector is doing, what waits, and the word on what is held."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from connectors.contract import Held
from connectors.pipeline.config.certificates import Certificate
from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.state.backfill_requests import Request
from hub.cli import waiting
from hub.cli.connect.backfill import as_object as backfill_object
from hub.cli.connect.given import Config, clock_of
from hub.cli.connect.quarantine import as_object as entry_object
from hub.cli.connect.quarantine import print_waiting
from hub.cli.connect.standing import RENEW_DAYS, Standing, decide_held, standing
from hub.cli.connect.words import ago, counted, state
from hub.cli.language import Message, message, said, verbatim
from hub.cli.messages import clear_screen, print_messages
from hub.cli.output import AsJson, print_json, print_json_line, rfc3339_of
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
    if watch:
        waiting.end()
    try:
        while True:
            found, now = standing(settings), clock.now()
            if as_json:
                shown = {"agency": settings.agency, "kind": settings.kind, **as_object(found, settings, now)}
                (print_json_line if watch else print_json)(shown)
            else:
                if watch:
                    clear_screen()
                _print(settings.agency, found, now)
            if not watch:
                return
            time.sleep(every)
    except KeyboardInterrupt:
        return


Name = Annotated[str, typer.Argument(metavar="[NAME]", help="welche Lieferung, wenn mehrere warten")]


def accept(config: Config, name: Name = "", as_json: AsJson = False) -> None:
    """Bestätigt eine angehaltene Lieferung, in der zu viele Schlüssel fehlen oder Neues steht."""
    held = _decided(config, name, reject=False, as_json=as_json)
    share = f"{held.share:.1%}"
    if as_json:
        print_json({"accepted": held._asdict()})
    else:
        print_messages(
            [message("Accepted: {} ({}, {} of the keys are missing).", held.name, held.stream, share)]
        )


def reject(config: Config, name: Name = "", as_json: AsJson = False) -> None:
    """Verwirft eine angehaltene Lieferung: sie wird nie gelesen, und keine andere wartet auf sie."""
    held = _decided(config, name, reject=True, as_json=as_json)
    if as_json:
        print_json({"rejected": held._asdict()})
    else:
        print_messages([message("Rejected: {} ({}).", held.name, held.stream)])


def _decided(config: Config, name: str, *, reject: bool, as_json: bool) -> Held:
    settings = load_config(config)
    if not settings.state.exists():
        raise ConfigurationError(
            "has no state yet", place="config.connector.state", remedy="run it once first"
        )
    held = decide_held(settings, name, reject=reject)
    if held is None:
        if as_json:
            print_json({"rejected" if reject else "accepted": None})
        else:
            print_messages([message("No delivery waits.")])
        raise typer.Exit(1)
    return held


def as_object(found: Standing, settings: ConnectorConfig, now: datetime) -> dict[str, Any]:
    """For --json: times, counts and places, no value."""
    beat = found.beat
    return {
        "state": found.state,
        "pid": found.pid,
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
            {
                "setting": one.setting,
                "not_after": one.not_after and rfc3339_of(one.not_after),
                "days": one.days(now),
            }
            for one in found.certificates
        ],
        "backfill": [backfill_object(one, settings) for one in found.backfills],
        "quarantine": [entry_object(entry) for entry in found.quarantined],
    }


def _print(agency: str, found: Standing, now: datetime) -> None:
    lines = [_headline(agency, found)]
    if found.paused:
        lines.append(message("Paused since {}.", rfc3339_of(found.paused.since)))
        lines += [verbatim(found.paused.why)] if found.paused.why else []
    if beat := found.beat:
        lines.append(
            message("Last success: {}; last step: {}", _since(beat.last_success, now), _since(beat.at, now))
        )
        if beat.register_as_of:
            lines.append(message("The hub's register: {}", _since(beat.register_as_of, now)))
        if beat.totals:
            lines.append(message("Since the start: {}", counted(beat.totals)))
    if stuck := found.trouble:
        lines.append(
            message("{} since {}: {} → {}", stuck.status, stuck.since, said(stuck.place), said(stuck.remedy))
        )
    lines += [_certificate(one, now) for one in found.certificates]
    lines += _backfills(found.backfills, running=found.state == "running")
    if held := found.held:
        lines.append(
            message(
                "Held: {} ({} of the keys are missing): hub connect accept | reject CONFIG",
                held.name,
                f"{held.share:.1%}",
            )
        )
    print_messages(lines)
    title = message("{} in quarantine", len(found.quarantined))
    if found.quarantined:
        print_waiting(title, found.quarantined)
    else:
        print_messages([title])


def _headline(agency: str, found: Standing) -> Message:
    if found.pid is None:
        return message("{}: {}", agency, state(found.state))
    if not found.pid:
        return message("{}: {} (process unknown)", agency, state(found.state))
    return message("{}: {} (process {})", agency, state(found.state), found.pid)


def _since(at: datetime | None, now: datetime) -> Message:
    return ago(None if at is None else int((now - at).total_seconds()))


def _backfills(found: Sequence[Request], *, running: bool) -> Iterator[Message]:
    """A line each, and one for all that have not begun."""
    yield from (_backfill(one, running=running) for one in found if one.rows or one.done or one.waits)
    if rest := [one.stream for one in found if not (one.rows or one.done or one.waits)]:
        begins = (
            "Backfill not yet begun: {}"
            if running
            else "Backfill not yet begun: {} (the connector is stopped)"
        )
        yield message(begins, ", ".join(rest))


def _backfill(request: Request, *, running: bool) -> Message:
    if request.done is not None:
        state = message("done")
    elif request.waits:
        state = message("waits for the source ({})", request.waits)
    else:
        state = message("runs" if running else "waits for the connector")
    return message("Backfill {}: {} rows, {}", request.stream, request.rows, state)


def _certificate(one: Certificate, now: datetime) -> Message:
    days = one.days(now)
    if days is None:
        return message("Certificate {}: cannot be read", one.setting)
    if days < 0:
        return message("Certificate {}: EXPIRED {} days ago", one.setting, -days)
    left = "Certificate {}: {} days left, renew now" if days < RENEW_DAYS else "Certificate {}: {} days left"
    return message(left, one.setting, days)
