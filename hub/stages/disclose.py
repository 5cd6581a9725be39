"""Stage disclose: marked cases become views for their recipients (protocol rules 18 and 19).

Transaction one decides under the locks and records; transaction two locks again, compares, delivers, and only then
clears the mark that was read. What is pending counts as delivered: whatever may have been shown gets its deletion.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Connection

from hub.adapters.store import subjects, views
from hub.adapters.store.views import DisclosureRow, Mark, ViewRow
from hub.domain.agencies import Agency
from hub.domain.clock import micros
from hub.failpoints import fail_point
from hub.policy.facts import Recipient
from hub.ports import Outgoing
from hub.stages.case_file import CaseFile, read_cases
from hub.stages.cut import Cut, Evidence, Question, cut
from hub.stages.expiry import shown_until
from hub.stages.knowledge import Knowledge, learn
from hub.stages.parts import Parts
from hub.stages.view_record import view_record

PURPOSE = "joint_case_management"
DEADLINE = 10.0  # seconds for the broker to confirm, shorter than any transaction may take


@dataclass(slots=True)
class DiscloseOutcome:
    """What one round did; `aborted` views met a change between the transactions and are tried again."""

    marks: int = 0
    delivered: int = 0
    removed: int = 0
    unchanged: int = 0
    aborted: int = 0
    waits: list[int] = field(
        default_factory=list
    )  # microseconds since 1970 at which the delivered marks were set


@dataclass(frozen=True, slots=True)
class _Pending:
    row: ViewRow
    disclosures: tuple[DisclosureRow, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    """What transaction one left for transaction two: marks by joint case, views to deliver."""

    marks: Mapping[str, tuple[Mark, ...]]
    pending: tuple[_Pending, ...]
    unchanged: int


def disclose(parts: Parts, limit: int = 50) -> DiscloseOutcome:
    """One round over the oldest marks; call again until `marks` is 0."""
    with parts.store.transaction() as connection:
        first = _prepare(connection, parts, limit)
    if not first.marks:
        return DiscloseOutcome()
    fail_point("disclose.between")
    with parts.store.transaction() as connection:
        outcome = _deliver(connection, parts, first)
        fail_point("disclose.in_transaction")
    return outcome


def _prepare(connection: Connection, parts: Parts, limit: int) -> _Round:
    marks = views.marks(connection, limit)
    joint = subjects.joint_cases(connection, [mark.case_key for mark in marks])
    files = read_cases(connection, parts, joint.values())
    before = views.newest(connection, files)
    generation, now = views.restore_generation(connection), parts.clock.now()
    pending: list[_Pending] = []
    unchanged = 0
    for file in files.values():
        for agency, role in _recipients(parts, file, before):
            made = _view(
                parts, file, agency, role, before.get((file.joint_case, agency.id, role)), generation, now
            )
            pending += [made] if made else []
            unchanged += made is None
    views.save_views(connection, [one.row for one in pending])
    views.save_disclosures(connection, [row for one in pending for row in one.disclosures])
    by_joint: dict[str, tuple[Mark, ...]] = {}
    for mark in marks:
        by_joint[joint[mark.case_key]] = (*by_joint.get(joint[mark.case_key], ()), mark)
    return _Round(by_joint, tuple(pending), unchanged)


def _recipients(
    parts: Parts, file: CaseFile, before: Iterable[tuple[str, str, str]]
) -> list[tuple[Agency, str]]:
    """Every role of every agency that knows the family, and whoever was shown something before."""
    asked = {
        (agency.id, role)
        for agency in parts.agencies.values()
        if file.case_of(agency.id)
        for role in agency.roles
    }
    asked |= {(recipient, role) for joint, recipient, role in before if joint == file.joint_case}
    return [(parts.agencies[agency], role) for agency, role in sorted(asked)]


def unit(agency: Agency, role: str, file: CaseFile) -> Recipient:
    """The unit as a recipient: assigned while its agency has the case; a coordinator only where consents name one."""
    named = {
        worker
        for knowledge in file.known.values()
        for consent in knowledge.consents
        if agency.id in consent.recipients
        for worker in consent.recipient_workers
    }
    worker = named.pop() if role == "coordinator" and len(named) == 1 else None
    return Recipient(
        controller=agency.id,
        kind=agency.kind,
        role=role,
        worker=worker,
        assigned=file.case_of(agency.id) is not None,
        undertaking=agency.undertaking,
    )


def _view(
    parts: Parts,
    file: CaseFile,
    agency: Agency,
    role: str,
    before: ViewRow | None,
    generation: int,
    now: datetime,
) -> _Pending | None:
    """The view to deliver, or None when what the recipient has is still right."""
    question = Question(unit(agency, role, file), PURPOSE, now)
    made = cut(
        parts.gate.policy, parts.agencies, question, _from_others(file, agency), file.known, file.names
    )
    shown = bool(made.parts)
    if not shown and (before is None or (before.removed and before.state != "pending")):
        return None
    not_after = (
        micros(shown_until(now, parts.lease, file.known.values()))
        if shown
        else micros(now + timedelta(days=7))
    )
    mac = _mac(parts.secret, made)
    if before is not None and shown and _still_right(before, mac, not_after, micros(now), parts.lease):
        return None
    version = 1 if before is None else before.version + 1
    view_id = secrets.token_bytes(16)
    case_ref = file.case_of(agency.id) or (before.case_ref if before else "")
    value = view_record(
        parts,
        made,
        view_id=view_id,
        recipient=agency.id,
        role=role,
        case_ref=case_ref,
        generation=generation,
        version=version,
        as_of=micros(now),
        not_after=not_after,
        file=file,
    )
    row = ViewRow(
        file.joint_case,
        agency.id,
        role,
        view_id.hex(),
        case_ref,
        generation,
        version,
        "pending",
        not shown,
        mac,
        micros(now),
        not_after,
        file.epochs,
        value,
    )
    return _Pending(row, tuple(_disclosures(parts, file, made, row)), tuple(sorted(file.known)))


def _from_others(file: CaseFile, agency: Agency) -> list[Evidence]:
    """A staging table shows what comes from elsewhere: the agency's own data stand in its own system already."""
    return [one for one in file.evidence if one.envelope.controller_id != agency.id]


def _still_right(before: ViewRow, mac: str, not_after: int, now: int, lease: int) -> bool:
    """The same content was delivered, and its lease has more than half of its time to go or cannot be longer."""
    if before.removed or before.state == "pending" or before.content_mac != mac:
        return False
    return before.not_after - now > lease * 500_000 or before.not_after >= not_after


def _mac(secret: bytes, made: Cut) -> str:
    """Whether a view says the same as the last one, without keeping what it says."""
    content = [
        [
            part.person,
            part.sender,
            [entry.as_json() for entry in part.entries],
            list(made.withheld.get(part.person, ())),
        ]
        for part in made.parts
    ]
    return hmac.new(secret, orjson.dumps(content), hashlib.sha256).hexdigest()[:32]


def _disclosures(parts: Parts, file: CaseFile, made: Cut, row: ViewRow) -> Iterable[DisclosureRow]:
    epochs = {knowledge.person: knowledge.epoch for knowledge in file.known.values()}
    for part in made.parts:
        yield DisclosureRow(
            row.view_id,
            part.person,
            part.sender,
            row.recipient,
            row.role,
            file.joint_case,
            PURPOSE,
            ",".join(part.fields),
            ",".join(part.grounds),
            parts.gate.policy.version,
            epochs.get(part.person, 0),
            row.as_of,
        )


def _deliver(connection: Connection, parts: Parts, first: _Round) -> DiscloseOutcome:
    """Lock again; what differs is left to the next round with its mark."""
    people = {key for one in first.pending for key in one.people}
    now = learn(connection, parts.keys, parts.knowledge, people, lock=True)
    aborted = {one.row.joint_case for one in first.pending if not _unchanged(one, now)}
    going = [one for one in first.pending if one.row.joint_case not in aborted]
    _append(parts, going)
    fail_point("disclose.after_produce")
    views.delivered(connection, [one.row.view_id for one in going], micros(parts.clock.now()))
    done = [mark for joint, marks in first.marks.items() if joint not in aborted for mark in marks]
    views.clear(connection, done)
    removed = sum(one.row.removed for one in going)
    return DiscloseOutcome(
        marks=sum(len(marks) for marks in first.marks.values()),
        delivered=len(going) - removed,
        removed=removed,
        unchanged=first.unchanged,
        aborted=len(first.pending) - len(going),
        waits=[mark.since for mark in done],
    )


def _unchanged(one: _Pending, now: Mapping[str, Knowledge]) -> bool:
    epochs = ";".join(f"{key}={now[key].epoch}" for key in one.people)
    return epochs == one.row.epochs


def _append(parts: Parts, going: Sequence[_Pending]) -> None:
    by_topic: dict[str, list[Outgoing]] = {}
    for one in going:
        outgoing = Outgoing(one.row.case_ref.encode(), one.row.value)
        by_topic.setdefault(f"agency.{one.row.recipient}.views", []).append(outgoing)
    for topic, records in sorted(by_topic.items()):
        parts.log.append(topic, records, deadline=DEADLINE)
