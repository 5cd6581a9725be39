"""Stage disclose: marked cases become views for their recipients (protocol rules 18 and 19).

Transaction one decides under the locks and records; transaction two locks again, compares, delivers, and only then
clears the mark that was read. What is pending counts as delivered: whatever may have been shown gets its deletion.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from hub.adapters.store import evidence, subjects, views
from hub.adapters.store.views import Mark, ViewRow
from hub.domain.clock import micros
from hub.failpoints import fail_point
from hub.ports import Outgoing
from hub.stages.case_file import CaseFile, read_cases
from hub.stages.drafting import Drafting, disclosure_rows, grounds, view_row
from hub.stages.knowledge import Knowledge
from hub.stages.learning import learn
from hub.stages.parts import Parts
from hub.stages.view_record import view_records

DEADLINE = 10.0  # seconds for the broker to confirm, shorter than any transaction may take


@dataclass(slots=True)
class DiscloseOutcome:
    """What one round did; `aborted` views met a change between the transactions and are tried again."""

    marks: int = 0
    delivered: int = 0
    removed: int = 0
    aborted: int = 0
    urgent: bool = False  # something was withdrawn, granted or ended: what is left may be urgent too
    waits: list[int] = field(
        default_factory=list
    )  # microseconds since 1970 at which the cleared marks were set
    effects: list[int] = field(
        default_factory=list
    )  # of each view that a withdrawal changed: when the withdrawal was received


@dataclass(frozen=True, slots=True)
class _Pending:
    row: ViewRow
    before: ViewRow | None
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    """What transaction one left for transaction two."""

    marks: Mapping[str, Sequence[Mark]]  # by joint case
    pending: Sequence[_Pending]


def disclose(parts: Parts, limit: int = 30) -> DiscloseOutcome:
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
    if not marks:
        return _Round({}, ())
    joint = subjects.joint_cases(connection, [mark.case_key for mark in marks])
    by_joint: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        by_joint[joint[mark.case_key]].append(mark)
    views.one_at_a_time(connection, by_joint)
    return _Round(by_joint, _draft(connection, parts, read_cases(connection, parts, by_joint)))


def _draft(connection: Connection, parts: Parts, files: Mapping[str, CaseFile]) -> list[_Pending]:
    """Decide, cut, seal and record every view that must change."""
    before, generation = views.newest(connection, files), views.restore_generation(connection)
    drafting = Drafting(parts, before, generation, parts.clock.now())
    drafted = [one for file in files.values() for one in drafting.drafts(file)]
    values = view_records(parts, [draft for draft, _ in drafted])
    rows = [view_row(draft, mac, value) for (draft, mac), value in zip(drafted, values, strict=True)]
    views.save_views(connection, rows)
    policy = parts.gate.policy.version
    views.save_disclosures(
        connection, [row for draft, _ in drafted for row in disclosure_rows(draft, policy)]
    )
    evidence.save_grounds(connection, [one for draft, _ in drafted for one in grounds(draft)])
    return [
        _Pending(row, before.get(row.key), tuple(sorted(draft.file.known)))
        for row, (draft, _) in zip(rows, drafted, strict=True)
    ]


def _deliver(connection: Connection, parts: Parts, first: _Round) -> DiscloseOutcome:
    """Lock again; what differs, or has run out meanwhile, is left to the next round with its mark, as if it had never
    been: a number left out would tell the recipient that something had happened."""
    people = {key for one in first.pending for key in one.people}
    now = learn(connection, parts.keys, parts.knowledge, people, lock=True)
    at = micros(parts.clock.now())
    aborted = {
        one.row.joint_case for one in first.pending if not _unchanged(one, now) or at >= one.row.not_after
    }
    for one in first.pending:
        if one.row.joint_case in aborted:
            views.put_back(connection, one.row, one.before)
    going = [one for one in first.pending if one.row.joint_case not in aborted]
    _append(parts, going)
    fail_point("disclose.after_produce")
    views.delivered(connection, [one.row.view_id for one in going], at)
    views.ended(connection, [(one.before.view_id, one.row.view_id) for one in going if one.before], at)
    done = [mark for joint, marks in first.marks.items() if joint not in aborted for mark in marks]
    views.clear(connection, done)
    removed = sum(one.row.removed for one in going)
    return DiscloseOutcome(
        marks=sum(len(marks) for marks in first.marks.values()),
        delivered=len(going) - removed,
        removed=removed,
        aborted=len(first.pending) - len(going),
        urgent=any(mark.urgent for marks in first.marks.values() for mark in marks),
        waits=[mark.since for mark in done],
        effects=[received for one in going if (received := _withdrawn(first.marks[one.row.joint_case]))],
    )


def _withdrawn(marks: Sequence[Mark]) -> int | None:
    """When the first withdrawal among these marks was received."""
    return min((mark.withdrawn_at for mark in marks if mark.withdrawn_at), default=None)


def _unchanged(one: _Pending, now: Mapping[str, Knowledge]) -> bool:
    return ";".join(f"{key}={now[key].epoch}" for key in one.people) == one.row.epochs


def _append(parts: Parts, going: Sequence[_Pending]) -> None:
    by_topic: defaultdict[str, list[Outgoing]] = defaultdict(list)
    for one in going:
        by_topic[f"agency.{one.row.recipient}.views"].append(
            Outgoing(one.row.case_ref.encode(), one.row.value)
        )
    for topic, records in sorted(by_topic.items()):
        parts.log.append(topic, records, deadline=DEADLINE)
