"""`hub connect shadow`: for some weeks, what would have flowed from the agency's own exports. Nothing is sent."""

import signal
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import agency_keys, first_of
from connectors.pipeline.state.sqlite_files import open_file
from connectors.tools.dry_run.offline import offline
from connectors.tools.dry_run.shadow import Figures, Report, totals
from hub.cli import waiting
from hub.cli.connect.given import clock_of
from hub.cli.connect.pages import PageTable, page_of, write_page
from hub.cli.language import Message, error_said, message, verbatim
from hub.cli.messages import Cell, print_message_table, print_messages, warn_of
from hub.cli.output import AsJson, print_json
from hub.config import load_settings
from hub.errors import ServiceUnavailable


def shadow(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei der Quelle")],
    watch: Annotated[bool, typer.Option("--watch", help="weiterlesen, bis SIGTERM kommt")] = False,
    report: Annotated[bool, typer.Option("--report", help="nur berichten, nichts lesen")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Bericht als eine HTML-Seite")] = None,
    as_json: AsJson = False,
) -> None:
    """Probemonat: liest wie im Betrieb, zählt, was geflossen und was geblieben wäre, und sendet nichts."""
    settings = load_config(config)
    place = settings.state.with_name("shadow.sqlite")
    if not report:
        _read(settings, place, watch=watch)
    with closing(open_file(place)) as db:
        found = Figures(db).report()
    if html:
        write_page(html, _page(settings.agency, found))
    if as_json:
        print_json(as_object(found))
    else:
        _print(found)


def as_object(found: Report) -> dict[str, Any]:
    return {
        "days": found.days,
        "first": found.first and found.first.isoformat(),
        "last": found.last and found.last.isoformat(),
        "withheld": dict(sorted(totals(found.lines).items())),
        "events": [line.as_json() for line in found.lines],
    }


def _read(settings: ConnectorConfig, place: Path, *, watch: bool) -> None:
    """One reading, or one after another; a source that is away is asked again next time."""
    stop = Event()
    if watch:
        waiting.end()
    for number in (signal.SIGTERM, signal.SIGINT) if watch else ():
        signal.signal(number, lambda *_: stop.set())
    key, files = first_of(agency_keys(settings.keys.agency_key_file)), load_settings().policy_files
    while not stop.is_set():
        try:
            with offline(settings, key, files, place) as house:
                Figures(house.state.db).take(house, clock_of(settings).now())
        except ServiceUnavailable as error:
            if not watch:
                raise
            warn_of(error_said(error))
        if not watch:
            return
        stop.wait(max(settings.interval_seconds, 1.0))


def _rows(found: Report) -> list[tuple[Cell, ...]]:
    return [
        (
            verbatim(line.event_type),
            line.flowed,
            verbatim(", ".join(f"{rule}: {n}" for rule, n in sorted(line.withheld.items()))),
            line.unreadable,
            message("yes" if line.reportable else "no"),
        )
        for line in found.lines
    ]


def _columns() -> tuple[Message, ...]:
    return (
        message("Event"),
        message("would have flowed"),
        message("would have stayed (per rule)"),
        message("unreadable"),
        message("reportable"),
    )


def _remark() -> Message:
    return message("Reportable: at least 5 persons and 3 families, 10 persons for help and benefit cuts.")


def _title(found: Report) -> Message:
    if found.first is None or found.last is None:
        return message("Nothing read yet")
    first, last = (f"{day:%d.%m.%Y}" for day in (found.first, found.last))
    return message("{} days, {} to {}; nothing was sent", found.days, first, last)


def _print(found: Report) -> None:
    print_message_table(_title(found), _columns(), _rows(found))
    print_messages([_remark()])


def _page(agency: str, found: Report) -> str:
    return page_of(
        "shadow.html",
        message("Trial month {}", agency),
        days=_title(found),
        found=PageTable(message("Data that would have flowed"), _columns(), _rows(found)),
        remark=_remark(),
    )
