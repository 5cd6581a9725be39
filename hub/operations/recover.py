"""Letting a stopped hub go on after a restore: nothing is lost, nothing withdrawn is shown (rules 13, 18, 19).

A worker that stopped with 82, 83 or 84 waits for a person; this is what that person starts. With every worker stopped:

- what the store knows and a restored log lost is appended to it again: consents and withdrawals to `hub.words`, for an
  agency's topics are written by that agency alone, admitted events to the event store. It is byte for byte what was
  published and guarded by ids and versions, so what was not lost has no effect;
- positions go back to where the log really ends, or to its beginning where the topic is another one;
- the restore generation rises above every view that was ever delivered, so that the next view and the next deletion
  win at the recipient;
- every view in the views topics counts as shown, also one that a restored store has forgotten; all of them are looked
  at again, first of all, after consents have caught up.

Records that were deleted unread (81) cannot be brought back: on a consents topic they may have been withdrawals, and
the hub stays closed.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from hub import read_models
from hub.domain.clock import micros
from hub.errors import LogIsOlder, OffsetGap, Refused, StoppedToBeSafe, TopicRecreated
from hub.operations import restore_guard
from hub.parts import CASES, Parts
from hub.ports import KeepsRecords, Outgoing, SealedRecord, TopicState
from hub.sealed.decode import whole_headers
from hub.sealed.words import repeated
from hub.stages import consents
from hub.stages.register import write_again
from hub.store import meta, positions, subjects, views
from hub.store.tables import view_state
from hub.store.views import ViewRow
from hub.topology import CONSENTS, HUB_WORDS, PROJECT, topic_agency, topics_read
from hub.views.record import VIEW, VIEW_PART
from schemas import InvalidPayload, UnknownSchema, decode_single, topics
from schemas.wire import HEADER

_GENERATION = "restore_generation"
_PENDING = "recover.lost_topics"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Where store and log disagree, and the exit code with which a worker stops there; `stage` is empty where store and
    keys do."""

    stage: str
    topic: str
    code: int
    what: str


@dataclass(slots=True)
class ResumeOutcome:
    """What was found, and what was done about it."""

    findings: list[Finding] = field(default_factory=list)
    appended: dict[str, int] = field(default_factory=dict)
    adopted_views: int = 0
    views_to_look_at: int = 0
    generation: int = 0


def disagreements(parts: Parts) -> list[Finding]:
    """Where a worker would stop: an older store (82) by what the keys know of it; a broker's committed offsets may tell
    more of that, but only a worker asks for them."""
    found = _restored(parts)
    read = topics_read(parts.agencies)
    states = parts.log.state(list(read))
    with parts.store.transaction() as connection:
        for topic, stage in read.items():
            try:
                positions.check(states[topic], positions.load(connection, stage, topic), {})
            except StoppedToBeSafe as error:
                found.append(Finding(stage, topic, error.exit_code, error.message))
    return found


def resume(parts: Parts) -> ResumeOutcome:
    """Do what the module says. Every worker must be stopped. Raises Refused when withdrawals may be lost, and
    KeysAreOlder while keys that were destroyed are back: `hub restore` replays the ledger first."""
    restore_guard.require_current_keys(parts)
    outcome = ResumeOutcome(findings=disagreements(parts))
    for finding in outcome.findings:
        if finding.code == OffsetGap.exit_code and finding.stage == consents.STAGE:
            raise Refused(
                "records of a consents topic were deleted unread: they may have been withdrawals",
                reason="gap",
                place=finding.topic,
                remedy="restore a copy of the log that holds them",
            )
    for topic, batches in _lost(parts, _reset_positions(parts, outcome.findings)):
        outcome.appended[topic] = _append(parts, topic, batches)
    with parts.store.transaction() as connection:
        meta.write(connection, _PENDING, "")
    newest = list(_newest_views(parts))
    with parts.store.transaction() as connection:
        outcome.generation = _raise_generation(connection, newest)
        outcome.adopted_views = _adopt(connection, newest)
        outcome.views_to_look_at = _look_again(connection, micros(parts.clock.now()))
        write_again(connection)
    restore_guard.settle(parts)
    return outcome


def _restored(parts: Parts) -> list[Finding]:
    try:
        restore_guard.require_current(parts)
    except StoppedToBeSafe as error:
        return [Finding("", "store and keys", error.exit_code, error.message)]
    return []


def _reset_positions(parts: Parts, findings: Sequence[Finding]) -> set[str]:
    """Make the stages' positions true again, before anything is appended: a longer topic would hide what is missing.
    Returns the topics that lost something, also those of an earlier call that did not come to its end."""
    read = [one for one in findings if one.stage]
    states = parts.log.state([one.topic for one in read])
    lost = {one.topic for one in read if one.code in (LogIsOlder.exit_code, TopicRecreated.exit_code)}
    with parts.store.transaction() as connection:
        for one in read:
            stored = positions.load(connection, one.stage, one.topic)
            positions.reset(
                connection, one.stage, states[one.topic], _true_positions(states[one.topic], stored)
            )
        lost |= {*(meta.text(connection, _PENDING) or "").split()}
        meta.write(connection, _PENDING, " ".join(sorted(lost)))
    return lost


def _append(parts: Parts, topic: str, batches: Iterator[list[Outgoing]]) -> int:
    count = 0
    for batch in batches:
        parts.log.append(topic, batch)
        count += len(batch)
    return count


def _true_positions(state: TopicState, stored: dict[int, tuple[str, int]]) -> dict[int, int]:
    """Never beyond the log's end, never before its beginning; another topic is read from its beginning."""
    found = {}
    for partition, first in state.first.items():
        topic_id, following = stored.get(partition, (state.topic_id, first))
        following = first if topic_id != state.topic_id else following
        found[partition] = min(max(first, following), state.end[partition])
    return found


def _lost(parts: Parts, topics: AbstractSet[str]) -> Iterator[tuple[str, Iterator[list[Outgoing]]]]:
    """Topic → what the read models keep of what these topics lost, sealed as it came, in batches."""
    control = topics & {*CONSENTS.topics(parts.agencies)}
    if control:
        yield HUB_WORDS, _words(parts, control)
    if CASES in topics:
        yield CASES, _cases(parts)


def _words(parts: Parts, lost: AbstractSet[str]) -> Iterator[list[Outgoing]]:
    """The records of those agencies whose consents topics lost something; of all where the hub's words did, for none
    tells on which topic it stood."""
    of = None if HUB_WORDS in lost else {topic_agency(topic) for topic in lost}
    for records in _kept(parts, CONSENTS.stage, of):
        yield [repeated(parts.secret, one.agency, one.key, one.value, one.received_at) for one in records]


def _cases(parts: Parts) -> Iterator[list[Outgoing]]:
    for records in _kept(parts, PROJECT.stage):
        yield [Outgoing(one.key, one.value, whole_headers(one.value)) for one in records]


def _kept(
    parts: Parts, stage: str, agencies: AbstractSet[str] | None = None
) -> Iterator[Sequence[SealedRecord]]:
    """The records that the read models of the stage keep, some at a time."""
    for model in read_models.of_stage(parts, stage):
        if isinstance(model, KeepsRecords):
            with parts.store.transaction() as connection:
                live = subjects.live_generation(connection, model.name)
                records = list(model.records(connection, live, agencies))
            for start in range(0, len(records), _BATCH):
                yield records[start : start + _BATCH]


def _newest_views(parts: Parts) -> Iterator[dict[str, Any]]:
    """The newest view of each (recipient, role, worker, case) in the views topics, with the header of its format."""
    newest: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for agency in sorted(parts.agencies):
        for view in _views_of(parts, topics()["views"].of(agency)):
            key = (view["recipient"], view["role"], view["worker"] or "", view["case_ref"])
            if key not in newest or _order(newest[key]) < _order(view):
                newest[key] = view
    yield from newest.values()


def _views_of(parts: Parts, topic: str) -> Iterator[dict[str, Any]]:
    state = parts.log.state([topic])[topic]
    following = dict(state.first)
    while any(following[partition] < end for partition, end in state.end.items()):
        for record in parts.log.read(topic, following, _BATCH):
            following[record.partition] = record.offset + 1
            try:
                schema, view = decode_single(record.value)
            except (UnknownSchema, InvalidPayload):
                continue
            if schema in (VIEW, VIEW_PART):
                yield (
                    {"removed": False}
                    | view
                    | {"value": record.value if schema is VIEW else record.value[:HEADER]}
                )


def _order(view: dict[str, Any]) -> tuple[int, int]:
    return view["generation"], view["version"]


def _raise_generation(connection: Connection, newest: Sequence[dict[str, Any]]) -> int:
    seen = max((view["generation"] for view in newest), default=1)
    generation = max(seen, views.restore_generation(connection)) + 1
    meta.put(connection, _GENERATION, generation)
    return generation


def _adopt(connection: Connection, newest: Sequence[dict[str, Any]]) -> int:
    """Views that were delivered and that this store does not know: whatever may have been shown gets its deletion."""
    cases = subjects.joint_cases(connection, {f"{view['recipient']}:{view['case_ref']}" for view in newest})
    rows = [
        _row(cases[f"{view['recipient']}:{view['case_ref']}"], view) for view in newest if not view["removed"]
    ]
    known = views.newest(connection, {row.joint_case for row in rows})
    missing = [row for row in rows if row.key not in known or known[row.key].rank < row.rank]
    views.save_views(connection, missing)
    return len(missing)


def _row(joint_case: str, view: dict[str, Any]) -> ViewRow:
    return ViewRow(
        joint_case,
        view["recipient"],
        view["role"],
        view["worker"] or "",
        view["view_id"].hex(),
        view["case_ref"],
        view["generation"],
        view["version"],
        "pending",
        False,  # noqa: FBT003
        "",
        view["as_of"],
        view["not_after"],
        "",
        view["value"],
    )


def _look_again(connection: Connection, now: int) -> int:
    """Nothing that was delivered counts as right until it has been looked at once more."""
    connection.execute(update(view_state).values(state="pending"))
    joint = list(connection.execute(select(view_state.c.joint_case).distinct()).scalars())
    cases = {case for of in subjects.cases_of(connection, joint).values() for case in of}
    subjects.mark_dirty(connection, cases, now, urgent=True)
    return len(joint)
