"""`hub consent form`: the printed form, as HTML or through the browser of this machine as PDF."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.clocks import SystemClock
from hub.cli.consent.input import family_of, opened_desk
from hub.cli.files import write
from hub.cli.language import message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_document, print_json
from hub.config import load_agencies, load_settings
from hub.desk.form import FormPage, Printed
from hub.desk.offer import Direction, offered
from hub.desk.texts import LANGUAGES, consent_text
from hub.domain.agencies import TWO_AGENCIES, Agency
from hub.domain.clock import berlin_day
from hub.domain.pairing import new_code
from hub.errors import UsageError
from hub.policy.facts import Sender
from hub.policy.gate import Declared
from hub.policy.load import default_policy

Language = Annotated[str, typer.Option(help=" | ".join(LANGUAGES))]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PRINT_SECONDS = 120


def form(
    language: Language = "de",
    agency: Annotated[
        list[str] | None, typer.Option(help="die beiden Ämter; ohne Angabe die der Agenturdatei")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Datei: .html oder .pdf; ohne Angabe HTML auf die Ausgabe")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="mit --case: Namen der Familie eintragen")] = None,
    case: Annotated[str, typer.Option("--case", help="Fallnummer, wie sie im Amt heißt")] = "",
    persons: Annotated[int, typer.Option(min=1, max=12, help="Zeilen für Personen")] = 5,
    as_json: AsJson = False,
) -> None:
    """Den Bogen drucken (A4), mit einem neuen Code für das zweite Amt."""
    clock = SystemClock()
    today = berlin_day(clock.now())
    pair = _pair(agency or ())
    directions = _directions(pair)
    policy = default_policy()
    page = FormPage(
        text=consent_text(language, today),
        names={one.id: one.name for one in pair},
        directions=directions,
        offered={one.key: offered(policy, one, clock.now()) for one in directions},
        code=new_code(secrets.choice),
        persons=_printed(config, case, persons, today),
    )
    if out is None:
        print_document(page.html())
        return
    _write(out, page.html())
    found = {"file": str(out), "language": language, "version": page.text.id, "sha256": page.text.sha256}
    if as_json:
        print_json(found)
    else:
        print_messages([message("Form written: {} ({}).", out, page.text.id)])


def _pair(named: Sequence[str]) -> Sequence[Agency]:
    """Two agencies: those named, those of the agency file, or simply a jobcenter and a youth office."""
    settings = load_settings()
    known = load_agencies(settings.agencies) if settings.agencies.exists() else TWO_AGENCIES
    chosen = [one for one in known if not named or one.id in named]
    if len(chosen) != len(named or chosen) or len(chosen) != 2:
        raise UsageError(
            "a form is for two agencies",
            place="--agency",
            remedy="name two of " + ", ".join(one.id for one in known),
        )
    return chosen


def _directions(pair: Sequence[Agency]) -> list[Direction]:
    one, other = pair
    return [
        Direction(
            Sender(controller=sender.id, kind=sender.kind),
            to.id,
            to.kind,
            tuple(Declared(to.id, to.kind, role, to.undertaking) for role in to.roles),
        )
        for sender, to in ((one, other), (other, one))
    ]


def _printed(config: Path | None, case: str, rows: int, today: date) -> list[Printed]:
    if not (config and case):
        return [Printed()] * rows
    with opened_desk(config) as (desk, clock):
        members = family_of(desk, case, clock).household.members
    names: Mapping[str, str] = {one.ref: one.name for one in members}
    return [
        Printed(
            one.name,
            f"{one.birth_date:%d.%m.%Y}" if one.birth_date else "",
            tuple(names.get(ref, "") for ref in sorted(one.must_sign(today) or ())) or ("", ""),
        )
        for one in members
    ]


def _write(out: Path, html: str) -> None:
    if out.suffix == ".pdf":
        _print(out, html)
    else:
        write(out, html.encode())


def _print(out: Path, html: str) -> None:
    """By the browser of this machine, without a network; raises UsageError when there is none."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise UsageError(
            "no Chromium to print with", place="--out", remedy="write .html and print it in a browser"
        )
    with tempfile.TemporaryDirectory(prefix="hub-form-") as folder:
        page = Path(folder) / "form.html"
        page.write_text(html, encoding="utf-8")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}",
        ]
        done = subprocess.run(
            [browser, *options, f"--print-to-pdf={out.absolute()}", page.as_uri()],
            capture_output=True,
            timeout=PRINT_SECONDS,
            check=False,
        )
    if done.returncode or not out.exists():
        raise UsageError(
            "Chromium did not print", place=out.name, remedy="write .html and print it in a browser"
        )
