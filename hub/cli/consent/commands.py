"""`hub consent`: what is recorded at the counter, with the agency's own configuration. Only `show` asks the hub."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.consent.form import Language, form
from hub.cli.consent.input import day_of, family_of, opened_desk, pairs_of, ref_of
from hub.cli.language import AgencyTyper, Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.output import AsJson, print_json, rfc3339_of
from hub.desk.book import Grant
from hub.desk.desk import Desk, Family
from hub.desk.offer import Direction
from hub.desk.records import Member
from hub.desk.signing import missing
from hub.desk.texts import consent_text
from hub.desk.ticks import Ticks
from hub.domain.clock import berlin_day, berlin_midnight
from hub.domain.consent import Consent
from hub.errors import UsageError
from hub.ports import Clock

app = AgencyTyper(
    help="Einwilligungen: Bogen drucken, erteilen, zurücknehmen, nachsehen.",
)
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei des Einwilligungsschalters")]
Case = Annotated[str, typer.Option("--case", help="Fallnummer, wie sie im Amt heißt")]


app.command()(form)


@app.command()
def grant(
    config: Config,
    case: Case,
    signed: Annotated[
        list[str], typer.Option(help="PERSON=WER[,WER]: für welche Person wer unterschrieben hat")
    ],
    to: Annotated[list[str], typer.Option(help="VON>AN=ID,HH,…: was welches Amt welchem mitteilen darf")],
    purpose: Annotated[
        list[str] | None, typer.Option(help="Zweck; ohne Angabe gemeinsame Fallarbeit")
    ] = None,
    worker: Annotated[list[str] | None, typer.Option(help="VON>AN=KENNUNG: nur für diese Fachkraft")] = None,
    language: Language = "de",
    interpreter: Annotated[
        str, typer.Option(help="none | professional | mediator | companion | worker")
    ] = "none",
    until: Annotated[str, typer.Option(help="letzter Tag, JJJJ-MM-TT; ohne Angabe ein Jahr")] = "",
    code: Annotated[str, typer.Option(help="Code des Bogens, mit --place")] = "",
    place: Annotated[list[str] | None, typer.Option(help="PERSON=NR: Nummer auf dem Bogen")] = None,
    as_json: AsJson = False,
) -> None:
    """Festhalten, was unterschrieben wurde. Was es ersetzt, endet im selben Augenblick."""
    with opened_desk(config) as (desk, clock):
        now = clock.now()
        family = family_of(desk, case, clock)
        ticks = Ticks(
            signed={
                ref_of(family, person): frozenset(ref_of(family, one) for one in by.split(","))
                for person, by in pairs_of(signed, "signed")
            },
            opened={key: frozenset(codes.split(",")) for key, codes in pairs_of(to, "to")},
            purposes=frozenset(purpose or ["joint_case_management"]),
            workers=dict(pairs_of(worker or (), "worker")),
            interpreter=interpreter,
            valid_until=day_of(until),
            code=code,
            places={ref_of(family, person): int(number) for person, number in pairs_of(place or (), "place")},
        )
        directions = _chosen(desk, ticks, clock)
        done = desk.sign(family, ticks, directions, consent_text(language, berlin_day(now)), now)
        lacking = list(_lacking(family, ticks, clock))
        ids = [entry.consent_id for entry in desk.grants()[0] if entry.process == done.process]
    if as_json:
        print_json({"process": done.process, "consents": ids, "proof": done.proof, "missing": lacking})
    else:
        print_messages([message("Process {}: {} consents recorded.", done.process, len(ids)), *lacking])


@app.command()
def withdraw(
    config: Config,
    case: Case,
    consent: Annotated[list[str] | None, typer.Option(help="Nummer; ohne Angabe alle dieser Familie")] = None,
    category: Annotated[list[str] | None, typer.Option(help="nur dies")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="nur für diesen Zweck")] = None,
    recipient: Annotated[list[str] | None, typer.Option(help="nur an dieses Amt")] = None,
    by_number: Annotated[
        bool, typer.Option("--by-number", help="auch was in einem anderen Amt unterschrieben wurde")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Zurücknehmen: ganz, oder wo alles zutrifft, was genannt ist."""
    scope = {
        "categories": frozenset(category or ()),
        "purposes": frozenset(purpose or ()),
        "recipients": frozenset(recipient or ()),
    }
    with opened_desk(config) as (desk, clock):
        family = family_of(desk, case, clock)
        now = clock.now()
        if by_number:
            if any(scope.values()):
                raise UsageError(
                    "by its number a consent is taken back whole",
                    place="--by-number",
                    remedy="leave the part away",
                )
            ended = desk.withdraw_by_number(family, consent or (), now)
        else:
            ids = consent or [one.id for one in family.standing if one.in_force(now)]
            ended = desk.withdraw(family, ids, now, scope=scope)
    if as_json:
        print_json({"withdrawn": ended, "at": rfc3339_of(now), "partly": any(scope.values())})
    else:
        print_messages(
            [message("Withdrawn: {}. For its effect at the other agency see hub consent show NUMBER.", ended)]
        )


@app.command(name="object")
def object_to(
    config: Config,
    case: Case,
    person: Annotated[str, typer.Option(help="Personennummer")],
    as_json: AsJson = False,
) -> None:
    """Widerspruch nach § 76 SGB X festhalten."""
    with opened_desk(config) as (desk, clock):
        family = family_of(desk, case, clock)
        number = desk.object_to(family, ref_of(family, person), clock.now())
    if as_json:
        print_json({"objection": number})
    else:
        print_messages([message("Objection recorded: {}.", number)])


@app.command()
def custody(
    config: Config,
    case: Case,
    child: Annotated[str, typer.Option(help="Personennummer des Kindes")],
    holder: Annotated[
        list[str] | None, typer.Option(help="Personennummer, je sorgeberechtigte Person einmal")
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="niemand ist sorgeberechtigt")] = False,
    since: Annotated[
        str, typer.Option("--from", help="ab welchem Tag, JJJJ-MM-TT; ohne Angabe ab jetzt")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Festhalten, wer für ein Kind sorgeberechtigt ist. Derselbe Tag noch einmal berichtigt den ersten Eintrag."""
    if bool(holder) is nobody:
        raise UsageError(
            "either custodians or nobody must be named", place="--holder", remedy="name them, or --nobody"
        )
    with opened_desk(config) as (desk, clock):
        now, day = clock.now(), day_of(since, "--from")
        family = family_of(desk, case, clock)
        begins = berlin_midnight(day) if day else now
        number = desk.record_custody(family, ref_of(family, child), holder or (), begins, now)
    if as_json:
        print_json(
            {"custody": number, "from": rfc3339_of(begins.astimezone(UTC)), "custodians": len(holder or ())}
        )
    else:
        who = message("{} person(s)", len(holder)) if holder else message("nobody")
        day_said = f"{berlin_day(begins):%d.%m.%Y}"
        print_messages([message("Custody recorded: {}. Custodians from {}: {}.", number, day_said, who)])


@app.command(name="list")
def list_(config: Config, case: Case = "", as_json: AsJson = False) -> None:
    """Was in diesem Amt unterschrieben und zurückgenommen wurde; mit --case auch aus der Fachanwendung."""
    with opened_desk(config) as (desk, clock):
        rows = list(_of_case(desk, case, clock) if case else _of_book(desk))
    if as_json:
        print_json({"consents": rows})
    else:
        columns = (
            message("Number"),
            message("from"),
            message("to"),
            message("Scope"),
            message("until"),
            message("withdrawn"),
        )
        print_message_table(message("Consents"), columns, map(_cells, rows))


@app.command()
def show(
    consent_id: Annotated[str, typer.Argument(metavar="NUMMER", help="Nummer der Einwilligung")],
    as_json: AsJson = False,
) -> None:
    """Was aus einer Einwilligung wurde: was wer bekam, wer wann vom Ende erfuhr und was er geantwortet hat."""
    from hub.cli.consent.show import show_story  # the hub's own parts: an agency's installation has none

    show_story(consent_id, as_json=as_json)


def _cells(row: dict[str, Any]) -> tuple[Message, ...]:
    to, scope = ", ".join(row["recipients"]), " ".join(row["categories"])
    ends = (row["valid_until"] or "–", row["withdrawn_at"] or "–")
    return tuple(map(verbatim, (row["id"], row["sender"], to, scope, *ends)))


def _of_case(desk: Desk, case: str, clock: Clock) -> Iterator[dict[str, Any]]:
    for one in family_of(desk, case, clock).standing:
        parts = [
            {
                "at": rfc3339_of(part.at),
                "categories": sorted(part.categories),
                "purposes": sorted(part.purposes),
                "recipients": sorted(part.recipients),
            }
            for part in one.scoped_withdrawals
        ]
        yield _row(one.id, one, one.withdrawn_at) | {"withdrawn_parts": parts}


def _of_book(desk: Desk) -> Iterator[dict[str, Any]]:
    grants, ends = desk.grants()
    for one in grants:
        mine = [end for end in ends if end.consent_id == one.consent_id]
        whole = [end.withdrawn_at for end in mine if not (end.categories or end.purposes or end.recipients)]
        told = {"language": one.language, "interpreter": one.interpreter, "text_version": one.text_version}
        yield _row(one.consent_id, one, min(whole, default=None)) | told


def _row(number: str, one: Consent | Grant, withdrawn_at: datetime | None) -> dict[str, Any]:
    return {
        "id": number,
        "sender": one.sender,
        "recipients": sorted(one.recipients),
        "categories": sorted(one.categories),
        "purposes": sorted(one.purposes),
        "granted_at": rfc3339_of(one.granted_at),
        "valid_until": rfc3339_of(one.valid_until) if one.valid_until else None,
        "withdrawn_at": rfc3339_of(withdrawn_at) if withdrawn_at else None,
    }


def _chosen(desk: Desk, ticks: Ticks, clock: Clock) -> list[Direction]:
    """The directions that were ticked; raises UsageError for one, or a category, that is not offered."""
    known = {one.key: one for one in desk.directions()}
    for key, codes in ticks.opened.items():
        if key not in known or not codes <= {*desk.offered(known[key], clock.now())}:
            raise UsageError(
                "this cannot be opened by a consent",
                place="--to",
                remedy="directions: " + ", ".join(sorted(known)),
            )
    return [known[key] for key in ticks.opened]


def _lacking(family: Family, ticks: Ticks, clock: Clock) -> Iterator[Message]:
    """What is missing, in words."""
    for member in family.household.members:
        signed = ticks.signed.get(member.ref)
        if signed:
            yield from _lack(family, member, missing(member, signed, clock.now()))


def _lack(family: Family, member: Member, lacking: frozenset[str] | None) -> Iterator[Message]:
    if lacking is None:
        yield message(
            "For {}: this agency does not know the custodians; the hub checks it with the youth office's data.",
            member.id,
        )
    elif lacking:
        names = [one.id for one in family.household.members if one.ref in lacking]
        others = len(lacking) - len(names)
        more = [message("{} more person(s)", others)] if others else []
        yield message(
            "For {} the signature of {} is still missing. Until then nothing opens for this person.",
            member.id,
            ", ".join([*names, *more]),
        )
