"""`hub view CASE`: what a role sees of a case now, as the page and the API give it. Each look is recorded."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from hub.cli.language import Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, rfc3339_of
from hub.domain.agencies import Agency
from hub.errors import UsageError
from hub.parts import Parts
from hub.policy.facts import PURPOSES, Recipient
from hub.store import subjects
from hub.subjects.consent_barrier import require_open
from hub.views.joint_view import joint_view
from hub.views.opening import open_view

SUBJECT = "subject"


def view(
    case: Annotated[str, typer.Argument(metavar="CASE", help="The agency's own pseudonym of the case.")],
    agency: Annotated[str, typer.Option(metavar="ID", help="The agency that looks.")],
    role: Annotated[str, typer.Option(help="The role that looks, or 'subject'.")],
    purpose: Annotated[str, typer.Option(help="For what, for example joint_case_management.")],
    worker: Annotated[
        str, typer.Option(help="Who is named in a consent; of a subject the agency's pseudonym.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """What a role sees of a case now. Holds content; an unknown case answers like an empty one."""
    if purpose not in PURPOSES:
        raise UsageError("no such purpose", place="--purpose", remedy=f"one of {', '.join(sorted(PURPOSES))}")
    with opened_parts() as parts:
        recipient = _recipient(parts, _agency(parts, agency, role), role, worker)
        require_open(parts)
        opened = open_view(parts, case, recipient, purpose)
        found = joint_view(parts, case, opened)
    if as_json:
        print_json(found)
        return
    columns = [message("when"), message("from"), message("event"), message("fields")]
    for person in found["persons"]:
        print_message_table(verbatim(person["ref"]), columns, _entries(person["entries"]))
    for name, rows in found["models"].items():
        if rows:
            cells = [[verbatim(_plain(value)) for value in row.values()] for row in rows]
            print_message_table(verbatim(name), list(map(verbatim, rows[0])), cells)
    as_of = message("As of {}.", rfc3339_of(opened.question.at))
    print_messages([as_of] if found["persons"] else [message("Nothing is shown."), as_of])


def _agency(parts: Parts, name: str, role: str) -> Agency:
    if name not in parts.agencies:
        known = ", ".join(sorted(parts.agencies))
        raise UsageError("no such agency", place="--agency", remedy=f"one of {known}")
    agency = parts.agencies[name]
    if role not in {*agency.roles, SUBJECT}:
        roles = ", ".join(sorted({*agency.roles, SUBJECT}))
        raise UsageError("this agency has no such role", place="--role", remedy=f"one of {roles}")
    return agency


def _recipient(parts: Parts, agency: Agency, role: str, worker: str) -> Recipient:
    named: str | None = worker or None
    if role == SUBJECT and worker:
        key = f"{agency.id}:{worker}"
        with parts.store.transaction() as connection:
            named = subjects.persons(connection, [key]).get(key, key)
    kind = SUBJECT if role == SUBJECT else agency.kind
    return Recipient(
        controller=agency.id,
        kind=kind,
        role=role,
        worker=named,
        assigned=role != SUBJECT,
        undertaking=agency.undertaking,
    )


def _entries(entries: Sequence[Mapping[str, Any]]) -> list[Sequence[Message]]:
    return [
        [verbatim(_plain(one[name])) for name in ("occurred_at", "sender", "type", "fields")]
        for one in entries
    ]


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(map(_plain, value))
    return "" if value is None else str(value)
