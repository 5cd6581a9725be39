"""Stage disclose: marked cases become views for their recipients (protocol rules 18 and 19).

A worker claims the oldest marks, so that several share them. It reads their cases under the locks, and decides, cuts
and seals with no lock held, for a long case takes long. Transaction one records each view as pending; transaction two
locks again, compares, delivers, and only then clears the mark that was read. What is pending counts as delivered:
whatever may have been shown gets its deletion.

A worker may stand still at any moment, and go on after a withdrawal. Transaction two then has lost its locks, and each
view says until when it may be appended: sinks and the auditor hold the broker's time against it (`view_record`).

A case of which no view can be built or delivered is quarantined under the mark that was read, and the next mark tries
it again. Where that mark may stand for something that narrows, all that its recipients have is taken away.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.errors import DataError, ServiceUnavailable, TryAgain
from hub.failpoints import fail_point
from hub.isolation import halved, note_failure
from hub.parts import Parts
from hub.ports import Outgoing
from hub.store import evidence, quarantines, subjects, views
from hub.store.quarantines import Item
from hub.store.views import DirtyCase, ViewRow
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from hub.views.case_file import CaseFile, read_cases
from hub.views.plan import ViewPlan, disclosure_rows, grounds, view_row
from hub.views.record import Draft, SealedView, seal_views
from schemas import topics

STAGE = views.DISCLOSE
_SHARE = (
    0.75  # of the time for which a worker may stand still: the rest is what two hosts' clocks may differ by
)
_CASES, _BYTES = 30, 4_000_000  # of one delivery: how long a withdrawal may have to wait for it
_REFUSED = (DataError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError)


@dataclass(slots=True)
class DiscloseOutcome:
    """What one round did; `aborted` views met a change between the transactions, or came too late to be appended, and
    are tried again; `quarantined` counts cases."""

    marks: int = 0
    delivered: int = 0
    removed: int = 0
    aborted: int = 0
    quarantined: int = 0
    urgent: bool = False  # something was withdrawn, granted or ended: what is left may be urgent too
    waits: list[int] = field(
        default_factory=list
    )  # microseconds since 1970 at which the cleared marks were set
    effects: list[int] = field(
        default_factory=list
    )  # of each view that a withdrawal changed: when the withdrawal was received


@dataclass(frozen=True, slots=True)
class _Work:
    """One claimed joint case with the views that it owes."""

    joint_case: str
    marks: Sequence[DirtyCase]
    file: CaseFile | None = None
    drafts: Sequence[Draft] = ()
    before: Mapping[tuple[str, str, str, str], ViewRow] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(len(content) for draft in self.drafts for content in draft.contents)


@dataclass(frozen=True, slots=True)
class _Pending:
    draft: Draft
    row: ViewRow
    before: ViewRow | None
    records: Sequence[Outgoing]
    deadline: "Deadline"


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when a view may be appended, by the hub's clock and by this process's own, which no clock step moves."""

    at: datetime
    monotonic: float

    @classmethod
    def of(cls, parts: Parts) -> "Deadline":
        within = parts.store.standstill * _SHARE
        return cls(parts.clock.now() + timedelta(seconds=within), time.monotonic() + within)

    def left(self, parts: Parts) -> float:
        """Seconds that are left; none, and the view is not appended."""
        return min((self.at - parts.clock.now()).total_seconds(), self.monotonic - time.monotonic())


class TooLateError(TryAgain):
    """The view must not be appended any more; its case stays marked and the next round delivers it."""


def disclose(parts: Parts, limit: int = 30) -> DiscloseOutcome:
    """One round over the oldest marks; call again until `marks` is 0."""
    now = micros(parts.clock.now())
    with parts.store.transaction() as connection:
        claim = views.claim(connection, limit, now)
    outcome = DiscloseOutcome(
        marks=sum(len(marks) for marks in claim.marks.values()),
        urgent=any(mark.urgent for marks in claim.marks.values() for mark in marks),
    )
    try:
        works = [_Work(joint, marks) for joint, marks in claim.marks.items()]
        drafted = halved(
            works, lambda some: _draft(parts, some), lambda one, error: _failed(parts, one, error, outcome)
        )
        for some in _deliveries([one for found in drafted for one in found]):
            _deliver_or_part(parts, some, outcome)
    finally:
        with suppress(ServiceUnavailable):
            _release(parts, claim)
    return outcome


def _release(parts: Parts, claim: views.Claim) -> None:
    if claim.number:
        with parts.store.transaction() as connection:
            views.release_claim(connection, claim)


def _draft(parts: Parts, works: Sequence[_Work]) -> list[_Work]:
    """Decide and cut every view that must change."""
    names = [work.joint_case for work in works]
    with parts.store.brief() as connection:
        sealed = read_cases(connection, parts, names)
    with parts.store.transaction() as connection:
        files = sealed.opened(parts, connection)
        before, generation = views.newest(connection, names), views.restore_generation(connection)
    drafting = ViewPlan(parts, before, generation, parts.clock.now())
    drafts = {name: drafting.drafts(files[name]) for name in names}
    renewed = _renewed(parts, before, [one for of in drafts.values() for one in of])
    return [
        replace(
            work,
            file=files[work.joint_case],
            drafts=[renewed.get(one.key, one) for one in drafts[work.joint_case]],
            before=before,
        )
        for work in works
    ]


def _renewed(
    parts: Parts, before: Mapping[views.ViewKey, ViewRow], drafts: Sequence[Draft]
) -> dict[views.ViewKey, Draft]:
    """Those that say what their recipient has on the same grounds: the release is the same one, with a longer lease."""
    same = {one.key: before[one.key] for one in drafts if one.made.parts and one.mac == _mac_of(before, one)}
    if not same:
        return {}
    ids = [row.view_id for row in same.values()]
    with parts.store.transaction() as connection:
        registered = views.registered_as(connection, ids)
        rested = evidence.grounds_of(connection, ids)
    policy = parts.gate.policy.version
    renewed = {}
    for one in drafts:
        row = same.get(one.key)
        if row is None:
            continue
        again = replace(one, view_id=bytes.fromhex(row.view_id))
        said = {release: list(of) for release, of in rested.items() if release[0] == row.view_id}
        if registered.get(row.view_id) == _register_entries(again, policy) and said == {
            release: list(of) for release, of in grounds(again)
        }:
            renewed[one.key] = again
    return renewed


def _mac_of(before: Mapping[views.ViewKey, ViewRow], draft: Draft) -> str | None:
    row = before.get(draft.key)
    return row.content_mac if row and not row.removed else None


def _register_entries(draft: Draft, policy: str) -> set[tuple[str, ...]]:
    return {
        (row.person, row.sender, row.fields, row.grounds, row.policy_version)
        for row in disclosure_rows(draft, policy)
    }


def _failed(parts: Parts, work: _Work, error: Exception, outcome: DiscloseOutcome) -> list[_Work]:
    """Set a case aside under the marks that were read; what they may narrow is taken away from everybody."""
    reason, at = note_failure(STAGE, error), micros(parts.clock.now())
    name = work.joint_case
    outcome.quarantined += 1
    with parts.store.transaction() as connection:
        for mark in work.marks:
            quarantines.put_item(connection, Item(STAGE, mark.case_key, reason, at, mark.number))
        before, generation = views.newest(connection, [name]), views.restore_generation(connection)
        cases = subjects.cases_of(connection, [name])[name]
    if not any(mark.urgent for mark in work.marks):
        return []
    drafting = ViewPlan(parts, before, generation, parts.clock.now())
    file = CaseFile(name, tuple(cases), (), {}, {})
    return [replace(work, marks=(), file=file, drafts=drafting.removals(file), before=before)]


def _deliveries(works: Sequence[_Work]) -> Iterator[list[_Work]]:
    """In pieces that are soon delivered, for a withdrawal waits meanwhile."""
    some: list[_Work] = []
    for work in works:
        if some and (len(some) == _CASES or sum(one.size for one in some) + work.size > _BYTES):
            yield some
            some = []
        some.append(work)
    if some:
        yield some


def _deliver_or_part(parts: Parts, works: Sequence[_Work], outcome: DiscloseOutcome) -> None:
    """Deliver these cases; one that cannot be delivered stands alone in the end."""
    try:
        _deliver(parts, works, outcome)
    except TooLateError:
        outcome.aborted += sum(len(work.drafts) for work in works)
    except _REFUSED as error:
        if len(works) > 1:
            middle = len(works) // 2
            for half in (works[:middle], works[middle:]):
                _deliver_or_part(parts, half, outcome)
        elif works[0].marks:
            for one in _failed(parts, works[0], error, outcome):
                _deliver_or_part(parts, [one], outcome)
        else:
            raise


def _deliver(parts: Parts, works: Sequence[_Work], outcome: DiscloseOutcome) -> None:
    drafts = [(work, draft) for work in works for draft in work.drafts]
    deadline = Deadline.of(parts)
    sealed = seal_views(parts, [draft for _, draft in drafts], micros(deadline.at))
    pending = [
        _pending(work, draft, view, deadline) for (work, draft), view in zip(drafts, sealed, strict=True)
    ]
    with parts.store.transaction() as connection:
        moved = _record(connection, parts, works, pending)
    fail_point("disclose.between")
    with parts.store.brief() as connection:
        done = _append_unchanged(connection, parts, works, pending, moved, deadline)
        fail_point("disclose.in_transaction")
    _count(outcome, [work for work in works if work.joint_case in done], pending)


def _pending(work: _Work, draft: Draft, view: SealedView, deadline: Deadline) -> _Pending:
    row = view_row(draft, view.value)
    return _Pending(draft, row, work.before.get(row.key), view.records, deadline)


def _record(
    connection: Connection, parts: Parts, works: Sequence[_Work], pending: Sequence[_Pending]
) -> set[str]:
    """Transaction one. Returns the cases of which another worker has recorded views since they were read."""
    owing = [work for work in works if work.drafts]
    if not owing:
        return set()
    names = [work.joint_case for work in owing]
    views.one_at_a_time(connection, names)
    newest = views.versions(connection, names)
    before = {key: (row.view_id, row.rank) for work in owing for key, row in work.before.items()}
    moved = {key[0] for key, found in newest.items() if before.get(key) != found}
    mine = [one for one in pending if one.row.joint_case not in moved]
    views.save_views(connection, [one.row for one in mine])
    policy = parts.gate.policy.version
    views.save_disclosures(connection, [row for one in mine for row in disclosure_rows(one.draft, policy)])
    evidence.save_grounds(connection, [found for one in mine for found in grounds(one.draft)])
    return moved


def _append_unchanged(
    connection: Connection,
    parts: Parts,
    works: Sequence[_Work],
    pending: Sequence[_Pending],
    moved: set[str],
    deadline: Deadline,
) -> set[str]:
    """Transaction two: lock again; what differs, or has run out meanwhile, is left to the next round with its mark, as
    if it had never been: a number left out would tell the recipient that something had happened."""
    people = {key for one in pending for key in one.draft.file.known}
    now = learn(connection, parts.keys, parts.knowledge, people, lock=True)
    at = micros(parts.clock.now())
    off = moved | {
        one.row.joint_case for one in pending if not _unchanged(one, now) or at >= one.row.not_after
    }
    going = [one for one in pending if one.row.joint_case not in off]
    taken = views.replaced(connection, [one.row for one in going])
    going = [one for one in going if one.row.joint_case not in taken]
    sent = {one.row.joint_case for one in going}
    late = bool(going) and deadline.left(parts) <= 0
    for one in pending:
        if one.row.joint_case not in moved and (late or one.row.joint_case not in sent):
            views.put_back(connection, one.row, one.before)
    if late:
        going, sent = [], set()
    _append(parts, going)
    fail_point("disclose.after_produce")
    views.delivered(connection, [one.row.view_id for one in going], at)
    ended = [
        (one.before.view_id, one.row.view_id)
        for one in going
        if one.before and one.before.view_id != one.row.view_id
    ]
    views.ended(connection, ended, at)
    done = sent | {work.joint_case for work in works if not work.drafts}
    cleared = [work for work in works if work.joint_case in done and work.marks]
    marks = [mark for work in cleared for mark in work.marks]
    views.clear(connection, marks)
    quarantines.remove_items(connection, STAGE, [mark.case_key for mark in marks])
    return done


def _unchanged(one: _Pending, now: Mapping[str, Knowledge]) -> bool:
    return all(now[key].epoch == known.epoch for key, known in one.draft.file.known.items())


def _count(outcome: DiscloseOutcome, works: Sequence[_Work], pending: Sequence[_Pending]) -> None:
    done = {work.joint_case: work for work in works}
    for one in pending:
        work = done.get(one.row.joint_case)
        if work is None:
            outcome.aborted += 1
            continue
        outcome.removed += one.row.removed
        outcome.delivered += not one.row.removed
        if received := _withdrawn(work.marks):
            outcome.effects.append(received)
    outcome.waits += [mark.since for work in works for mark in work.marks]


def _withdrawn(marks: Sequence[DirtyCase]) -> int | None:
    """When the first withdrawal among these marks was received."""
    return min((mark.withdrawn_at for mark in marks if mark.withdrawn_at), default=None)


def _append(parts: Parts, going: Sequence[_Pending]) -> None:
    by_topic: defaultdict[str, list[Outgoing]] = defaultdict(list)
    for one in going:
        by_topic[topics()["views"].of(one.row.recipient)] += one.records
    for topic, records in sorted(by_topic.items()):
        left = _time_left(parts, going)
        fail_point("disclose.before_produce")
        parts.log.append(topic, records, deadline=left)
    _time_left(parts, going)


def _time_left(parts: Parts, going: Sequence[_Pending]) -> float:
    """Seconds in which these views may be appended; raises TooLateError once there are none."""
    left = min((one.deadline.left(parts) for one in going), default=1.0)
    if left <= 0:
        raise TooLateError(
            "the views could not be appended in time", place="disclose", remedy="the next round delivers them"
        )
    return left
