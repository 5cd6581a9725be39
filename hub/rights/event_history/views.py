"""Who was shown an event, and who would be shown what of it now."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, select

from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.parts import CASES, Parts
from hub.policy.decide import decide
from hub.ports import Record
from hub.rights.event_history.found import EventTraces, case_place
from hub.rights.event_history.places import place_of
from hub.rights.event_history.steps import HistoryStep
from hub.store import evidence, links, subjects, views
from hub.store.evidence import FieldsGround
from hub.store.tables import decision, disclosure
from hub.store.views import DisclosureRow
from hub.views.case_file import CaseFile, read_cases
from hub.views.plan import PURPOSE, unit, units
from hub.views.redaction import Evidence, Question, is_joint, request_of
from schemas import InvalidPayload, UnknownSchema, decode_single, topics

NOT_LINKED = "not_linked"
_CODES = {"fenced": "key_fenced"}
"""State of a content that does not open → its code, where that is another word."""


def disclosed(
    connection: Connection, parts: Parts, found: EventTraces, envelope: Envelope
) -> Iterator[HistoryStep]:
    """Releases that held this kind of record of this person while this version of it was the newest."""
    if found.admitted_at is None:
        return
    first, last = found.admitted_at, _superseded_at(connection, found)
    subject, d = f"{envelope.controller_id}:{envelope.subject_ref}", disclosure.c
    persons = {
        subjects.persons(connection, [subject]).get(subject, subject),
        *links.names_of(connection, subject),
    }
    mine = (d.person.in_(sorted(persons)), d.sender == envelope.controller_id, d.at >= first, d.at < last)
    to: set[tuple[str, str, str]] = set()
    rows = [DisclosureRow(*row) for row in connection.execute(select(disclosure).where(*mine))]
    grounds = evidence.grounds_of(connection, [row.view_id for row in rows])
    for row in rows:
        names = (name.partition(".") for name in row.fields.split(","))
        kept = tuple(name for kind, _, name in names if kind == envelope.event_type)
        if kept:
            to.add((row.joint_case, row.recipient, row.role))
            yield _release(parts, row, kept, _names(grounds.get(row.key, ()), row.grounds, kept, envelope))
    yield from _removals(connection, parts, to, first)


def _names(
    grounds: Sequence[FieldsGround], joined: str, kept: Sequence[str], envelope: Envelope
) -> tuple[str, ...]:
    """What those fields of this kind of record rested on, whatever else the release held."""
    fields = {f"{envelope.event_type}.{name}" for name in kept}
    mine = [ground for ground in grounds if not fields.isdisjoint(ground.fields)]
    return evidence.names_of(mine, "" if grounds else joined)


def _release(
    parts: Parts, row: DisclosureRow, kept: tuple[str, ...], grounds: tuple[str, ...]
) -> HistoryStep:
    outcome = row.answer or ("delivered" if row.delivered_at else "pending")
    return HistoryStep(
        at=row.delivered_at or row.at,
        point="disclose",
        where=_view_place(parts, row.recipient, row.view_id, row.at),
        outcome=outcome,
        kept=kept,
        recipient=f"{row.recipient}/{row.role}",
        grounds=grounds,
    )


def _view_place(parts: Parts, recipient: str, view_id: str, at: int) -> str:
    """Where a view stands on its recipient's topic, as long as that keeps it."""
    return place_of(
        parts.log, topics()["views"].of(recipient), None, at, lambda record: _is_view(record, view_id)
    )


def _is_view(record: Record, view_id: str) -> bool:
    try:
        return bytes(decode_single(record.value)[1].get("view_id", b"")).hex() == view_id
    except (InvalidPayload, UnknownSchema):
        return False


def _superseded_at(connection: Connection, found: EventTraces) -> int:
    """When a newer version of the record was admitted; the end of time while there is none."""
    newer = [row.event_id for row in found.shown if not found.is_mine(row)]
    wanted = select(decision.c.at).where(decision.c.event_id.in_(newer), decision.c.outcome == "admitted")
    return min((int(at) for at in connection.execute(wanted).scalars()), default=2**62)


def _removals(
    connection: Connection, parts: Parts, to: set[tuple[str, str, str]], first: int
) -> Iterator[HistoryStep]:
    """Views that were shown and are taken back: nothing at all is left of them."""
    newest = views.newest(connection, {joint for joint, _, _ in to})
    for key, row in newest.items():
        if key[:3] in to and row.removed and row.as_of >= first:
            where = _view_place(parts, row.recipient, row.view_id, row.as_of)
            recipient = f"{row.recipient}/{row.role}"
            yield HistoryStep(
                at=row.as_of, point="disclose", where=where, outcome="removed", recipient=recipient
            )


def shown_now(connection: Connection, parts: Parts, found: EventTraces) -> Iterator[HistoryStep]:
    """What every role of every other agency in the joint case would get of it at this moment, by which rules."""
    mine = [row for row in found.shown if found.is_mine(row)]
    case_keys = [row.case_key for row in mine]
    where = case_place(parts, mine[0], found.admitted_at) if mine and found.admitted_at is not None else CASES
    joint = subjects.joint_cases(connection, case_keys)
    for file in _files(connection, parts, joint.values()) if joint else ():
        for one in file.evidence:
            if one.envelope.event_id.hex() != found.event_id:
                continue
            if one.content.state == "open":
                yield from _for_each_role(parts, file, one, where)
            elif one.content.state != "erased":  # of a destroyed key the ledger's own step tells
                yield _unopened(parts, one, where)


def _unopened(parts: Parts, one: Evidence, where: str) -> HistoryStep:
    """A record whose boxes do not open: nobody is shown it, and the code says why."""
    return HistoryStep(
        at=micros(parts.clock.now()),
        point="disclose",
        where=where,
        outcome="unreadable",
        rules=(_CODES.get(one.content.state, one.content.state),),
        now=True,
    )


def _files(connection: Connection, parts: Parts, joint: Iterable[str]) -> Iterable[CaseFile]:
    return read_cases(connection, parts, joint).opened(parts, connection).values()


def _for_each_role(parts: Parts, file: CaseFile, one: Evidence, where: str) -> Iterator[HistoryStep]:
    for agency in sorted(parts.agencies.values(), key=lambda agency: agency.id):
        if agency.id == one.envelope.controller_id or file.case_of(agency.id) is None:
            continue
        for _, role, worker in units(agency, file):
            question = Question(unit(agency, role, worker, file), PURPOSE, parts.clock.now())
            yield _answer(parts, file, one, question, where)


def _answer(parts: Parts, file: CaseFile, one: Evidence, question: Question, where: str) -> HistoryStep:
    known = file.known[one.subject]
    recipient = f"{question.recipient.controller}/{question.recipient.role}"
    at = micros(question.at)
    if not is_joint(question, one, known):
        dropped = dict.fromkeys(one.envelope.fields, NOT_LINKED)
        return HistoryStep(
            at=at,
            point="disclose",
            where=where,
            outcome="deny",
            rules=(NOT_LINKED,),
            dropped=dropped,
            recipient=recipient,
            now=True,
        )
    decision = decide(
        parts.gate.policy, request_of(parts.agencies, question, one.envelope, known, file.names)
    )
    kept = decision.kept if decision.outcome in ("allow", "redact") else ()
    return HistoryStep(
        at=at,
        point="disclose",
        where=where,
        outcome=decision.outcome,
        rules=decision.rules,
        kept=tuple(kept),
        dropped=decision.dropped,
        recipient=recipient,
        nearly=decision.nearly,
        now=True,
    )
