"""`hub danger`: reports of danger to a child (§ 8a SGB VIII) on their own path, from either side."""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.danger.desk import Config, ReportId, id_of, opened_desk
from hub.cli.danger.run import forget, run
from hub.cli.files import write_new
from hub.cli.language import AgencyTyper, Message, message, verbatim, word_of
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json, rfc3339_of
from hub.danger.box import Out, Refusal
from hub.danger.content import FLAGS, DangerReport
from hub.danger.intake import ReceivedReport
from hub.danger.reporter import KEPT, SENT, DangerReported, Status
from hub.danger.sealing import PrivateKey, decoded, new_private_key
from hub.domain.clock import moment
from hub.errors import NoInput, ServiceUnavailable, UsageError

app = AgencyTyper(
    help="Gefährdungsmeldungen (§ 8a SGB VIII) auf ihrem eigenen Weg.",
)
app.command()(run)
app.command()(forget)

_MARKS = {
    "cut": "too long, cut",
    "encoding": "characters unreadable",
    "no_form": "no form, text as it came",
    "further": "data outside the form",
    "unopened": "cannot be opened: call at once",
    "gap": "reports are missing in the log: call at once",
    "no_letter": "unreadable record: call at once",
    "other_sender": "sender does not fit the topic: call at once",
}
_PARTS = {"missing": "missing", "unreadable": "unreadable"}  # marks that name a field
_FIELDS = {
    "child": "Child",
    "signs": "Signs",
    "family_informed": "Family informed",
    "channel": "Channel",
}
_FLAGS = {"confirmed": "confirmed", "acted": "acted", "still_acting": "still acting"}
_ANSWER = {True: "yes", False: "no", None: "open"}
_TOLD = {
    SENT: "Handed over. The intake must still acknowledge it: hub danger status CONFIG",
    KEPT: "NOT YET HANDED OVER: kept safely, it is tried again. Call now: {}",
}
_KINDS = {"reported": "report", "acknowledged": "acknowledgement", "answered": "answer"}
_CAUSES = {
    "not_taken": "the log does not answer for this case",
    "too_large": "too large for the log",
    "refused": "the log refuses it",
}
_UNKEPT = "Handed over, but not kept here (file unusable). Call to be safe: {}"


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
        print_messages(
            [
                message("For the partners (public_key): {}", key.public.text),
                message("Key id: {}", key.public.key_id.hex()),
            ]
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
        print_messages(_told(done))
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
        print_messages(line for one in found for line in _shown(one))
        print_messages([message("{} reports.", len(found))])


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
        print_messages(_summary(one) for one in found)
        print_messages(_not_taken(*one) for one in refused)
        print_messages(
            [message("ALARM: a report waits too long for its acknowledgement."), *map(verbatim, phones)]
            if overdue
            else [message("No alarm.")]
        )
    if overdue:
        raise typer.Exit(1)


def _key(file: Path) -> PrivateKey:
    """The key in the file, or a new one for its owner's eyes; never over one that exists."""
    if file.exists():
        try:
            raw = decoded(file.read_text(encoding="ascii", errors="replace"))
        except OSError:
            raise NoInput("cannot be read", place=file.name, remedy="check path and permissions") from None
        if raw is None:
            raise UsageError("holds no key", place=file.name, remedy="name a new file")
        return PrivateKey(raw)
    key = new_private_key()
    write_new(file, f"{key.text}\n".encode())
    return key


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError:
        raise NoInput(
            "cannot be read", place="FILE", remedy="name a readable file, or report by telephone"
        ) from None


def _reported(done: DangerReported) -> dict[str, Any]:
    return {
        "report_id": done.report_id.hex(),
        "intake": done.intake.id,
        "state": done.state,
        "marks": list(done.marks),
        "phone": done.intake.phone,
    }


def _told(done: DangerReported) -> Iterator[Message]:
    yield message("Report {} to {}", done.report_id.hex(), done.intake.id)
    yield message(_TOLD.get(done.state, _UNKEPT), done.intake.phone)
    if done.marks:
        yield message("Marked: {}", _marks(done.marks))


def _say(sent: bool, as_json: bool) -> None:
    if as_json:
        print_json({"sent": sent})
    else:
        print_messages(
            [
                message("Handed over.")
                if sent
                else message("Kept; it is handed over as soon as the log answers. Please call.")
            ]
        )
    if not sent:
        raise typer.Exit(75)


def _received(one: ReceivedReport) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(),
        "reporter": one.reporter,
        "at": rfc3339_of(one.at),
        "place": one.place,
        "versions": [version.as_json() for version in one.versions],
        "acknowledged_at": _time(one.acknowledged_at),
        "answered_at": _time(one.answered_at),
        "overdue": one.overdue,
    }


def _shown(one: ReceivedReport) -> Iterator[Message]:
    state = message(
        "answered" if one.answered_at else "acknowledged" if one.acknowledged_at else "NOT ACKNOWLEDGED"
    )
    yield verbatim(f"{rfc3339_of(one.at)}  {one.reporter}  {one.report_id.hex()}  {state}")
    for version in one.versions:
        yield from (verbatim(f"    {line}") for line in _content(version))


def _content(version: DangerReport) -> Iterator[Message]:
    for name, value in version.as_json()["fields"].items():
        yield verbatim(f"{word_of(_FIELDS, name)}: {_plain(value)}")
    if version.unread:
        yield message("Text: {}", _plain(version.unread))
    if version.marks:
        yield message("Mark: {}", _marks(version.marks))


def _plain(value: object) -> str:
    """As text for a terminal, which must obey nothing that somebody wrote into a report."""
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else message(_ANSWER[value])
        if isinstance(value, bool)
        else str(value)
    )
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def _marks(marks: tuple[str, ...]) -> str:
    return "; ".join(map(_mark, marks))


def _mark(mark: str) -> str:
    if mark in _MARKS:
        return message(_MARKS[mark])
    head, colon, name = mark.partition(":")
    return f"{message(_PARTS[head])}{colon}{name}" if head in _PARTS else mark


def _status(one: Status) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(),
        "intake": one.intake,
        "at": rfc3339_of(one.at),
        "sent": one.sent,
        "acknowledged_at": _time(one.acknowledged_at),
        "flags": dict(one.flags),
        "overdue": one.overdue,
    }


def _summary(one: Mapping[str, Any]) -> Message:
    state = message(
        "acknowledged" if one["acknowledged_at"] else "OVERDUE" if one["overdue"] else "not yet acknowledged"
    )
    flags = ", ".join(
        f"{message(_FLAGS[name])}: {message(_ANSWER[value])}" for name, value in one["flags"].items()
    )
    line = f"{one['at']}  {one['intake']}  {one['report_id']}  {state}"
    return verbatim(f"{line}  {flags}" if flags else line)


def _refused(one: Out, refusal: Refusal) -> dict[str, Any]:
    return {
        "report_id": one.report_id.hex(),
        "kind": one.kind,
        "cause": refusal.cause,
        "tries": refusal.tries,
        "tried_at": rfc3339_of(moment(refusal.at)),
    }


def _not_taken(one: Out, refusal: Refusal) -> Message:
    kind, cause = word_of(_KINDS, one.kind), message(_CAUSES[refusal.cause])
    return message(
        "NOT HANDED OVER: {} ({}): {}; tried {} times, it is tried again. Call.",
        one.report_id.hex(),
        kind,
        cause,
        refusal.tries,
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339_of(at)
