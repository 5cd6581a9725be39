"""`hub connect shadow`: for some weeks, what would have flowed from the agency's own exports. Nothing is sent."""

import signal
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from connectors.looking.offline import offline
from connectors.looking.shadow import Figures, Report, totals
from connectors.runtime.config import ConnectorConfig, load_config
from connectors.runtime.files import open_file
from connectors.runtime.ring import agency_keys, first_of
from hub.cli.connect.given import clock_of
from hub.cli.connect.pages import table, whole, write_page
from hub.cli.language import error_said
from hub.cli.output import AsJson, print_json, print_lines, print_table, warn
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
        "days": found.days, "first": found.first and found.first.isoformat(),
        "last": found.last and found.last.isoformat(), "withheld": dict(sorted(totals(found.lines).items())),
        "events": [line.as_json() for line in found.lines],
    }  # fmt: skip


def _read(settings: ConnectorConfig, place: Path, *, watch: bool) -> None:
    """One reading, or one after another; a source that is away is asked again next time."""
    stop = Event()
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
            warn(error_said(error))
        if not watch:
            return
        stop.wait(max(settings.interval_seconds, 1.0))


def _rows(found: Report) -> list[tuple[object, ...]]:
    return [
        (
            line.event_type, line.flowed, ", ".join(f"{rule}: {n}" for rule, n in sorted(line.withheld.items())),
            line.unreadable, "ja" if line.reportable else "nein",
        ) for line in found.lines
    ]  # fmt: skip


_COLUMNS = ("Ereignis", "wäre geflossen", "wäre geblieben (je Regel)", "nicht lesbar", "berichtsfähig")
_REMARK = "Berichtsfähig: mindestens 5 Personen und 3 Familien, bei Hilfen und Minderungen 10 Personen."


def _title(found: Report) -> str:
    if found.first is None or found.last is None:
        return "Noch nichts gelesen"
    return f"{found.days} Tage, {found.first:%d.%m.%Y} bis {found.last:%d.%m.%Y}; gesendet wurde nichts"


def _print(found: Report) -> None:
    print_table(_title(found), _COLUMNS, _rows(found))
    print_lines([_REMARK])


def _page(agency: str, found: Report) -> str:
    parts = [
        f"<p>{_title(found)}.</p>",
        table("Was geflossen wäre", _COLUMNS, _rows(found)),
        f"<p>{_REMARK}</p>",
    ]
    return whole(f"Probemonat {agency}", parts)
