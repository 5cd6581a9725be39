"""`hub danger run | forget`: the process that carries letters and watches the clock, and the end of their time."""

import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Annotated

import structlog
import typer

from hub.cli.danger.desk import Config, Desk, opened_desk
from hub.cli.language import message, verbatim
from hub.cli.logs import log_to_stderr
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json, print_json_line, rfc3339_of
from hub.domain.clock import moment
from hub.errors import HubError, ServiceUnavailable
from hub.metrics.danger import serve_danger

LONGEST = 16_000_000  # bytes of a file that are read; `hub.danger.content.MOST` are carried

log = structlog.get_logger()


def run(
    config: Config,
    metrics_port: Annotated[
        int, typer.Option(envvar="HUB_METRICS_PORT", help="Port der Metrik, nur auf diesem Rechner")
    ] = 0,
    once: Annotated[bool, typer.Option("--once", help="ein Schritt, dann Ende")] = False,
    as_json: AsJson = False,
) -> None:
    """Läuft, bis SIGTERM kommt: sendet, holt ab, leert den Ordner, gibt Alarm. Mit --once: Ende 1 bei Alarm."""
    log_to_stderr()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        serve_danger(metrics_port, lambda: _late(config))
    with opened_desk(config) as desk:
        late = _told(desk, step(desk), as_json=as_json)
        while not once and not stop.wait(desk.config.interval_seconds):
            late = _told(desk, step(desk), as_json=as_json)
    if as_json:
        print_json_line({"state": "stopped", "overdue": late})
    if once and late:
        raise typer.Exit(1)


def _told(desk: Desk, late: bool, *, as_json: bool) -> bool:
    if as_json:
        at = rfc3339_of(desk.clock.now())
        print_json_line({"at": at, "state": "running", "agency": desk.config.agency, "overdue": late})
    return late


def step(desk: Desk) -> bool:
    """One round: folder, send, fetch; whether a report waits too long. Nothing that fails stops what comes after it."""
    if not desk.config.intake and desk.config.folder:
        take_folder(desk, desk.config.folder)
    for carry in (desk.post.send, desk.post.fetch):
        try:
            carry()
        except HubError as error:
            log.warning("danger.waiting", place=error.place, cause=error.message)
    _name_refused(desk)
    late = _is_late(desk)
    if late:
        log.error("danger.overdue", agency=desk.config.agency, remedy="call")
    return late


def _name_refused(desk: Desk) -> None:
    """Each letter that the log does not take, by its report's number."""
    with suppress(ServiceUnavailable):
        for one, refusal in desk.refused():
            where = f"letter {one.report_id.hex()}"
            log.error("danger.refused", place=where, kind=one.kind, cause=refusal.cause, remedy="call")


def _is_late(desk: Desk) -> bool:
    """Whether a report waits too long; also when that cannot be told (§ 8a: the alarm fails open)."""
    try:
        return desk.overdue()
    except HubError as error:
        log.warning("danger.unknown", place=error.place, cause=error.message, remedy="call")
        return True


def take_folder(desk: Desk, folder: Path) -> None:
    """Reports that the agency's own system drops as files: each leaves the folder only when it is kept or sent.

    A file whose name begins with a dot or ends with .part is still being written.
    """
    for file in sorted(folder.glob("*")):
        if file.is_file() and not file.name.startswith(".") and file.suffix != ".part":
            try:
                desk.reporter.report(start_of(file))
                file.unlink()
            except (OSError, HubError) as error:
                log.warning("danger.folder", cause=type(error).__name__, remedy="call")


def start_of(file: Path) -> bytes:
    """The file, or so much of one of any size that the report says it was cut."""
    with file.open("rb") as content:
        return content.read(LONGEST)


def forget(
    config: Config,
    yes: Annotated[
        bool, typer.Option("--yes", help="wirklich löschen; ohne dies wird nur gezeigt, was fällig ist")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Meldungen löschen, deren Frist (retention_days nach dem letzten Schreiben) vorbei ist. Unbestätigte bleiben."""
    with opened_desk(config) as desk:
        due = due_reports(desk)
        if yes:
            desk.box.forget(due)
    if as_json:
        print_json({"due": [one.hex() for one in due], "deleted": yes})
    else:
        done = message("{} erased." if yes else "{} due; erase with --yes.", len(due))
        print_messages([*(verbatim(one.hex()) for one in due), done])


def due_reports(desk: Desk) -> list[bytes]:
    """Reports whose last letter is older than their time, and that nobody waits for any more."""
    last: dict[bytes, int] = {}
    for report_id, at in desk.box.times():
        last[report_id] = max(at, last.get(report_id, 0))
    limit = desk.clock.now() - timedelta(days=desk.config.retention_days)
    waiting = desk.intake.reports() if desk.config.intake else desk.reporter.statuses()
    kept = {one.report_id for one in waiting if one.acknowledged_at is None}
    return sorted(report for report, at in last.items() if moment(at) < limit and report not in kept)


def _late(config: Path) -> Mapping[str, bool]:
    """Asked from the metrics' own thread, so with files of its own."""
    with opened_desk(config) as desk:
        return {desk.config.agency: desk.overdue()}
