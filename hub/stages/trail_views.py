"""Who was shown an event, and who would be shown what of it now."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from hub.adapters.store import subjects, views
from hub.adapters.store.tables import decision, disclosure
from hub.adapters.store.views import DisclosureRow
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.policy.decide import decide
from hub.stages.case_file import CaseFile, read_cases
from hub.stages.cut import Evidence, Question, is_joint, request_of
from hub.stages.drafting import PURPOSE, unit, units
from hub.stages.parts import Parts
from hub.stages.trail_found import Found
from hub.stages.trail_steps import Step

NOT_LINKED = "not_linked"


def disclosed(connection: Connection, found: Found, envelope: Envelope) -> Iterator[Step]:
    """Releases that held this kind of record of this person while this version of it was the newest."""
    if found.admitted_at is None:
        return
    first, last = found.admitted_at, _superseded_at(connection, found)
    subject, d = f"{envelope.controller_id}:{envelope.subject_ref}", disclosure.c
    person = subjects.persons(connection, [subject]).get(subject, subject)
    mine = (d.person == person, d.sender == envelope.controller_id, d.at >= first, d.at < last)
    to: set[tuple[str, str, str]] = set()
    for row in (DisclosureRow(*row) for row in connection.execute(select(disclosure).where(*mine))):
        names = (name.partition(".") for name in row.fields.split(","))
        kept = tuple(name for kind, _, name in names if kind == envelope.event_type)
        if kept:
            to.add((row.joint_case, row.recipient, row.role))
            yield _release(row, kept)
    yield from _removals(connection, to, first)


def _release(row: DisclosureRow, kept: tuple[str, ...]) -> Step:
    outcome = row.answer or ("delivered" if row.delivered_at else "pending")
    return Step(
        at=row.delivered_at or row.at,
        point="disclose",
        where=f"agency.{row.recipient}.views {row.view_id}",
        outcome=outcome,
        kept=kept,
        recipient=f"{row.recipient}/{row.role}",
        grounds=tuple(ground for ground in row.grounds.split(",") if ground),
    )


def _superseded_at(connection: Connection, found: Found) -> int:
    """When a newer version of the record was admitted; the end of time while there is none."""
    newer = [row.event_id for row in found.shown if not found.is_mine(row)]
    wanted = select(decision.c.at).where(decision.c.event_id.in_(newer), decision.c.outcome == "admitted")
    return min((int(at) for at in connection.execute(wanted).scalars()), default=2**62)


def _removals(connection: Connection, to: set[tuple[str, str, str]], first: int) -> Iterator[Step]:
    """Views that were shown and are taken back: nothing at all is left of them."""
    newest = views.newest(connection, {joint for joint, _, _ in to})
    for key, row in newest.items():
        if key[:3] in to and row.removed and row.as_of >= first:
            where = f"agency.{row.recipient}.views {row.view_id}"
            recipient = f"{row.recipient}/{row.role}"
            yield Step(at=row.as_of, point="disclose", where=where, outcome="removed", recipient=recipient)


def shown_now(connection: Connection, parts: Parts, found: Found) -> Iterator[Step]:
    """What every role of every other agency in the joint case would get of it at this moment, by which rules."""
    case_keys = [row.case_key for row in found.shown if found.is_mine(row)]
    joint = subjects.joint_cases(connection, case_keys)
    for file in read_cases(connection, parts, joint.values()).values() if joint else ():
        for one in file.evidence:
            if one.envelope.event_id.hex() == found.event_id and one.content.state == "open":
                yield from _for_each_role(parts, file, one)


def _for_each_role(parts: Parts, file: CaseFile, one: Evidence) -> Iterator[Step]:
    for agency in sorted(parts.agencies.values(), key=lambda agency: agency.id):
        if agency.id == one.envelope.controller_id or file.case_of(agency.id) is None:
            continue
        for _, role, worker in units(agency, file):
            question = Question(unit(agency, role, worker, file), PURPOSE, parts.clock.now())
            yield _answer(parts, file, one, question)


def _answer(parts: Parts, file: CaseFile, one: Evidence, question: Question) -> Step:
    known = file.known[one.subject]
    recipient = f"{question.recipient.controller}/{question.recipient.role}"
    at, where = micros(question.at), "joint case"
    if not is_joint(question, one, known):
        dropped = dict.fromkeys(one.envelope.fields, NOT_LINKED)
        return Step(
            at=at, point="disclose", where=where, outcome="deny", rules=(NOT_LINKED,), dropped=dropped,
            recipient=recipient, now=True,
        )  # fmt: skip
    decision = decide(
        parts.gate.policy, request_of(parts.agencies, question, one.envelope, known, file.names)
    )
    kept = decision.kept if decision.outcome in ("allow", "redact") else ()
    return Step(
        at=at, point="disclose", where=where, outcome=decision.outcome, rules=decision.rules, kept=tuple(kept),
        dropped=decision.dropped, recipient=recipient, now=True,
    )  # fmt: skip
