"""`hub danger`: reports of danger to a child (§ 8a SGB VIII) on their own path, from either side."""

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.danger.box import Out, Refusal
from connectors.danger.content import FLAGS, Report
from connectors.danger.intake import Received
from connectors.danger.reporter import KEPT, SENT, Reported, Status
from connectors.danger.sealing import PrivateKey, decoded, new_private_key
from hub.cli.danger.desk import Config, ReportId, id_of, opened_desk
from hub.cli.danger.run import forget, run
from hub.cli.language import AgencyTyper
from hub.cli.output import AsJson, print_json, print_lines, rfc3339_of
from hub.domain.clock import moment
from hub.errors import NoInput, ServiceUnavailable, UsageError

app = AgencyTyper(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Gefährdungsmeldungen (§ 8a SGB VIII) auf ihrem eigenen Weg.",
)
app.command()(run)
app.command()(forget)

_MARKS = {
    "cut": "zu lang, gekürzt", "encoding": "Zeichen nicht lesbar", "no_form": "kein Formular, Text wie er kam",
    "further": "Angaben außerhalb des Formulars", "unopened": "lässt sich nicht öffnen: sofort anrufen",
    "gap": "Meldungen fehlen im Log: sofort anrufen", "no_letter": "unlesbarer Eintrag: sofort anrufen",
    "other_sender": "Absender passt nicht zum Topic: sofort anrufen",
}  # fmt: skip
_FIELDS_DE = {
    "child": "Kind", "signs": "Anhaltspunkte", "family_informed": "Familie informiert", "channel": "Weg der Meldung",
}  # fmt: skip
_FLAGS_DE = {"confirmed": "bestätigt", "acted": "tätig geworden", "still_acting": "noch tätig"}
_ANSWER = {True: "ja", False: "nein", None: "offen"}
_TOLD = {
    SENT: "Übergeben. Die Aufnahme muss noch bestätigen: hub danger status CONFIG",
    KEPT: "NOCH NICHT ÜBERGEBEN: sicher verwahrt, wird weiter versucht. Rufen Sie jetzt an: {}",
}
_KINDS = {"reported": "Meldung", "acknowledged": "Bestätigung", "answered": "Antwort"}
_CAUSES = {
    "not_taken": "das Log antwortet für diesen Fall nicht", "too_large": "zu groß für das Log",
    "refused": "das Log weist sie ab",
}  # fmt: skip
_UNKEPT = "Übergeben, aber hier nicht verwahrt (Datei nicht benutzbar). Rufen Sie zur Sicherheit an: {}"


@app.command()
def keys(
    file: Annotated[
        Path, typer.Argument(help="Datei mit dem Schlüssel dieses Amts; wird angelegt, wenn sie fehlt")
    ],
    as_json: AsJson = False,
) -> None:
    """Den Schlüssel des Amts anlegen und zeigen, was die Partner davon bekommen. Der Schlüssel selbst bleibt hier."""
    key = _key(file)
    if as_json:
        print_json({"public_key": key.public.text, "key_id": key.public.key_id.hex()})
    else:
        print_lines(
            [f"Für die Partner (public_key): {key.public.text}", f"Kennung: {key.public.key_id.hex()}"]
        )


@app.command()
def report(
    config: Config,
    file: Annotated[
        Path, typer.Argument(metavar="FILE|-", help="die Meldung als JSON; - liest die Standardeingabe")
    ],
    to: Annotated[str, typer.Option(help="Jugendamt, wenn es mehrere gibt")] = "",
    again: Annotated[
        bool, typer.Option("--new", help="eine neue Meldung, auch wenn es dieselbe heute schon gab")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Eine Meldung an die Aufnahme des Jugendamts geben. Auch eine unvollständige geht hin, mit Kennzeichnung."""
    data = _bytes(file)
    with opened_desk(config) as desk:
        try:
            done = desk.reporter.report(data, to, again=again)
        except ServiceUnavailable as error:
            phones = ", ".join(f"{one.id} {one.phone}" for one in desk.config.partners.values())
            raise ServiceUnavailable(error.message, place=error.place, remedy=f"CALL NOW: {phones}") from None
    if as_json:
        print_json(_reported(done))
    else:
        print_lines(_told(done))
    if done.state == KEPT:
        raise typer.Exit(75)


@app.command()
def inbox(
    config: Config,
    everything: Annotated[bool, typer.Option("--all", help="auch beantwortete")] = False,
    as_json: AsJson = False,
) -> None:
    """Was bei der Aufnahme eingegangen ist, mit Inhalt. Nur hier lässt es sich öffnen."""
    with opened_desk(config) as desk:
        fresh = desk.try_to(desk.post.fetch)
        found = [one for one in desk.intake.reports() if everything or one.answered_at is None]
    if as_json:
        print_json({"fresh": fresh, "reports": [_received(one) for one in found]})
    else:
        print_lines(line for one in found for line in _shown(one))
        print_lines([f"{len(found)} Meldungen."])


@app.command()
def acknowledge(config: Config, report_id: ReportId, as_json: AsJson = False) -> None:
    """Bestätigen, dass eine Person die Meldung hat. Der Melder sieht es sofort."""
    with opened_desk(config) as desk:
        desk.try_to(desk.post.fetch)
        _say(desk.intake.acknowledge(id_of(report_id)), as_json)


@app.command()
def answer(
    config: Config,
    report_id: ReportId,
    confirmed: Annotated[
        bool | None, typer.Option("--confirmed/--not-confirmed", help="Gefährdung bestätigt")
    ] = None,
    acted: Annotated[bool | None, typer.Option("--acted/--not-acted", help="tätig geworden")] = None,
    still_acting: Annotated[
        bool | None, typer.Option("--still-acting/--not-still-acting", help="noch tätig")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Dem Melder antworten: höchstens drei Angaben und nichts sonst (§ 4 Abs. 4 KKG)."""
    flags = dict(zip(FLAGS, (confirmed, acted, still_acting), strict=True))
    with opened_desk(config) as desk:
        desk.try_to(desk.post.fetch)
        _say(desk.intake.answer(id_of(report_id), flags), as_json)


@app.command()
def status(config: Config, as_json: AsJson = False) -> None:
    """Was bestätigt ist und was zu lange wartet. Ende 1 heißt Alarm: anrufen."""
    with opened_desk(config) as desk:
        fresh = desk.try_to(desk.post.send) and desk.try_to(desk.post.fetch)
        overdue = desk.overdue()
        found = [] if desk.config.intake else [_status(one) for one in desk.reporter.statuses()]
        phones = [f"{one.id}: {one.phone}" for one in desk.config.partners.values()]
        refused = desk.refused()
    if as_json:
        told = [_refused(*one) for one in refused]
        print_json({"fresh": fresh, "overdue": overdue, "reports": found, "refused": told})
    else:
        print_lines(_summary(one) for one in found)
        print_lines(_not_taken(*one) for one in refused)
        print_lines(
            ["ALARM: Eine Meldung wartet zu lange auf ihre Bestätigung.", *phones]
            if overdue
            else ["Kein Alarm."]
        )
    if overdue:
        raise typer.Exit(1)


def _key(file: Path) -> PrivateKey:
    """The key in the file, or a new one for its owner's eyes; never over one that exists."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raw = decoded(file.read_text(encoding="ascii", errors="replace"))
        if raw is None:
            raise UsageError("holds no key", place=file.name, remedy="name a new file") from None
        return PrivateKey(raw)
    except OSError:
        raise NoInput(
            "cannot be written", place=file.name, remedy="name a file in a folder that exists"
        ) from None
    key = new_private_key()
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(key.text + "\n")
    return key


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError:
        raise NoInput(
            "cannot be read", place="FILE", remedy="name a readable file, or report by telephone"
        ) from None


def _reported(done: Reported) -> dict[str, Any]:
    return {
        "report_id": done.report_id.hex(), "intake": done.intake.id, "state": done.state, "marks": list(done.marks),
        "phone": done.intake.phone,
    }  # fmt: skip


def _told(done: Reported) -> Iterator[str]:
    yield f"Meldung {done.report_id.hex()} an {done.intake.id}"
    yield _TOLD.get(done.state, _UNKEPT).format(done.intake.phone)
    if done.marks:
        yield f"So gekennzeichnet: {_marks(done.marks)}"


def _say(sent: bool, as_json: bool) -> None:
    if as_json:
        print_json({"sent": sent})
    else:
        print_lines(
            ["Übergeben." if sent else "Verwahrt; wird übergeben, sobald das Log antwortet. Bitte anrufen."]
        )
    if not sent:
        raise typer.Exit(75)


def _received(one: Received) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(), "reporter": one.reporter, "at": rfc3339_of(one.at), "place": one.place,
        "versions": [version.as_json() for version in one.versions], "acknowledged_at": _time(one.acknowledged_at),
        "answered_at": _time(one.answered_at), "overdue": one.overdue,
    }  # fmt: skip


def _shown(one: Received) -> Iterator[str]:
    state = "beantwortet" if one.answered_at else "bestätigt" if one.acknowledged_at else "NICHT BESTÄTIGT"
    yield f"{rfc3339_of(one.at)}  {one.reporter}  {one.report_id.hex()}  {state}"
    for version in one.versions:
        yield from (f"    {line}" for line in _content(version))


def _content(version: Report) -> Iterator[str]:
    for name, value in version.as_json()["fields"].items():
        yield f"{_FIELDS_DE.get(name, name)}: {_plain(value)}"
    if version.unread:
        yield f"Text: {_plain(version.unread)}"
    if version.marks:
        yield f"Kennzeichnung: {_marks(version.marks)}"


def _plain(value: object) -> str:
    """As text for a terminal, which must obey nothing that somebody wrote into a report."""
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else _ANSWER[value]
        if isinstance(value, bool)
        else str(value)
    )
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def _marks(marks: tuple[str, ...]) -> str:
    words = {"missing": "fehlt", "unreadable": "nicht lesbar"}
    told = (
        _MARKS.get(mark) or mark.replace(head := mark.split(":")[0], words.get(head, head)) for mark in marks
    )
    return "; ".join(told)


def _status(one: Status) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(), "intake": one.intake, "at": rfc3339_of(one.at), "sent": one.sent,
        "acknowledged_at": _time(one.acknowledged_at), "flags": dict(one.flags), "overdue": one.overdue,
    }  # fmt: skip


def _summary(one: Mapping[str, Any]) -> str:
    state = (
        "bestätigt" if one["acknowledged_at"] else "ÜBERFÄLLIG" if one["overdue"] else "noch nicht bestätigt"
    )
    flags = ", ".join(f"{_FLAGS_DE[name]}: {_ANSWER[value]}" for name, value in one["flags"].items())
    return f"{one['at']}  {one['intake']}  {one['report_id']}  {state}{'  ' + flags if flags else ''}"


def _refused(one: Out, refusal: Refusal) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(), "kind": one.kind, "cause": refusal.cause, "tries": refusal.tries,
        "tried_at": rfc3339_of(moment(refusal.at)),
    }  # fmt: skip


def _not_taken(one: Out, refusal: Refusal) -> str:
    return (
        f"NICHT ÜBERGEBEN: {one.report_id.hex()} ({_KINDS.get(one.kind, one.kind)}): {_CAUSES[refusal.cause]}; "
        f"{refusal.tries} Versuche, es wird weiter versucht. Rufen Sie an."
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339_of(at)
