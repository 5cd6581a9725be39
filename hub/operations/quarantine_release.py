"""Letting a quarantined lane go on: its records are read from the log again and taken by their stage, in order.

They stand below the stage's position, so nobody else will ever read them. `retry` tries the bad record again, for the
cause may be gone (a newer schema, a corrected agency file); `drop` gives it up. The lane stays closed until everything
behind it is taken: killed at any point, the next call begins again, and what was taken twice has no effect (rule 2). A
parked record that cannot be taken is quarantined in its turn, and the rest goes on waiting behind it.

Nothing waits behind what an added read model alone could not take (`hub.read_models`): it is tried there again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.erasure.key_revocation import end_grounds
from hub.errors import DataError, LogIsOlder, StoppedToBeSafe, TryAgain, UsageError
from hub.failpoints import fail_point
from hub.isolation import halved, is_outage, reason_of
from hub.operations.rebuild import take_one
from hub.parts import Parts
from hub.ports import Record, RecordPosition
from hub.read_models import quarantine_stage
from hub.sealed.decode import decode_event
from hub.sealed.words import decode_control
from hub.stages import admit, consents, project, receipts
from hub.stages.intake import BatchIntake, require_readable
from hub.store import positions, quarantines
from hub.store.quarantines import DroppedRecord, QuarantinedRecord
from hub.topology import topic_agency

Decode = Callable[[Parts, Record], Any]
_UNKNOWN_SCHEMA = "unknown_schema"
_REMEDY = "see docs/how-to/after-a-restore.md"


class Drop(NamedTuple):
    """Who gives bad records up, and why; `untried`: without trying them once more."""

    operator: str
    reason: str
    untried: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseOutcome:
    """`left_out`: bad records that were given up; `still`: reason → bad records that still cannot be taken;
    `quarantined`: the same of parked ones; `parked`: what waits behind them."""

    stage: str
    lane: str
    taken: int
    left_out: int
    still: Mapping[str, int]
    quarantined: Mapping[str, int]
    parked: int


@dataclass(slots=True)
class _Lane:
    """A lane while it is taken."""

    stage: str
    name: str
    drop: Drop | None
    bad: set[RecordPosition]
    topic_id: str = ""
    taken: int = 0
    good: list[RecordPosition] = field(default_factory=list)  # bad ones that were taken now
    dropped: list[tuple[RecordPosition, str]] = field(
        default_factory=list
    )  # with why they still cannot be taken
    still: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)

    @property
    def stopped(self) -> bool:
        return bool(self.still or self.new)


def retry(parts: Parts, stage: str, lane: str) -> ReleaseOutcome:
    """Try the bad records again, then all behind them; one that still cannot be taken stays, and its lane with it."""
    return _go_on(parts, stage, lane, None)


def retry_unknown_schemas(parts: Parts, *stages: str) -> int:
    """Try the lanes of these stages again that wait for a schema. Returns how many records were taken.

    With two releases side by side it is chance which of them reads a record in a schema that only the newer one knows;
    what the older one quarantined so, the newer one takes without an operator.
    """
    with parts.store.transaction() as connection:
        lanes = [
            (one.stage, one.lane)
            for one in quarantines.waiting(connection)
            if one.stage in stages and any(reason.endswith(_UNKNOWN_SCHEMA) for _, reason, _ in one.bad)
        ]
    taken = 0
    for stage, lane in lanes:
        with suppress(TryAgain, UsageError):  # another worker does it
            taken += retry(parts, stage, lane).taken
    return taken


def drop(parts: Parts, stage: str, lane: str, operator: str, reason: str) -> ReleaseOutcome:
    """Give the bad records up, on record, and take what waits behind them."""
    return _go_on(parts, stage, lane, Drop(operator, reason))


def release(parts: Parts, stage: str, lane: str, operator: str = "") -> ReleaseOutcome:
    """Try the bad records again and give up, on record, those that still cannot be taken."""
    return _go_on(parts, stage, lane, Drop(operator, "release", untried=False))


def _go_on(parts: Parts, stage: str, lane: str, giving: Drop | None) -> ReleaseOutcome:
    """Raises UsageError for a lane in which nothing waits, and what a worker would stop for."""
    with parts.store.transaction() as connection:
        bad, parked = quarantines.of_lane(connection, stage, lane)
    if not bad:
        raise UsageError(
            "nothing waits in this lane", place=f"{stage} {lane}", remedy="see `hub quarantine list`"
        )
    if stage not in _TAKE:
        return _of_one_read_model(parts, _Lane(stage, lane, giving, set(bad)))
    opened = _Lane(stage, lane, giving, set(bad))
    _check_topic(parts, opened, bad[0].topic)
    if giving and giving.untried:
        opened.dropped = [(place, "") for place in bad]
        bad = []
    while True:
        waiting = sorted((*bad, *parked), key=lambda place: place.offset)
        halved(waiting, lambda places: _take(parts, opened, places), lambda *one: _alone(parts, opened, *one))
        left = _close(parts, opened)
        if opened.stopped or not left:
            return _outcome(opened, len(left))
        bad, parked = [], left


def _of_one_read_model(parts: Parts, opened: _Lane) -> ReleaseOutcome:
    """What only one added read model could not take: nothing waits behind it, and its stage has long gone on. Raises
    UsageError for a record to be tried while the read model is not installed."""
    model = next((one for one in parts.read_models if quarantine_stage(one) == opened.stage), None)
    if model is None and not (opened.drop and opened.drop.untried):
        raise UsageError(
            f"the read model {opened.stage.partition('.')[2]} is not installed",
            place=f"{opened.stage} {opened.name}",
            remedy="install it, or give the record up with `hub quarantine drop`",
        )
    for place in sorted(opened.bad):
        if model is None or (opened.drop and opened.drop.untried):
            opened.dropped.append((place, ""))
            continue
        try:
            take_one(parts, model, _read(parts, place))
        except Exception as error:
            if is_outage(error) or isinstance(error, StoppedToBeSafe):
                raise
            _alone(parts, opened, place, error)
        else:
            opened.taken += 1
            opened.good.append(place)
    with parts.store.transaction() as connection:
        quarantines.remove(connection, opened.stage, opened.good)
        _note_dropped(connection, parts, opened)
    return _outcome(opened, 0)


def _check_topic(parts: Parts, opened: _Lane, topic: str) -> None:
    """A place means something in the topic that was read, and in no other of its name."""
    state = parts.log.state([topic]).get(topic)
    if state is None:
        raise LogIsOlder("the topic is gone", place=topic, remedy=_REMEDY)
    with parts.store.transaction() as connection:
        positions.check(state, positions.load(connection, opened.stage, topic), {})
    opened.topic_id = state.topic_id


def _take(parts: Parts, opened: _Lane, places: Sequence[RecordPosition]) -> None:
    """Raises DataError for what cannot be taken: `halved` finds which one it is."""
    if opened.stopped:
        return
    decode, take = _TAKE[opened.stage]
    take(parts, opened, [decode(parts, _read(parts, place)) for place in places], places)
    opened.taken += len(places)
    opened.good += [place for place in places if place in opened.bad]


def _read(parts: Parts, place: RecordPosition) -> Record:
    found = parts.log.read(place.topic, {place.partition: place.offset}, 1)
    if not found or found[0].place != place:
        raise LogIsOlder("the log does not hold this record", place=str(place), remedy=_REMEDY)
    require_readable(found[0])
    return found[0]


def _alone(parts: Parts, opened: _Lane, place: RecordPosition, error: Exception) -> None:
    """A record that cannot be taken: given up, or what is behind it goes on waiting."""
    reason = reason_of(error)
    if place in opened.bad:
        if opened.drop:
            opened.dropped.append((place, reason))
        else:
            opened.still[reason] += 1
        return
    opened.new[reason] += 1
    with parts.store.transaction() as connection:
        quarantines.release(connection, opened.stage, (), [place])
        found = QuarantinedRecord(place, opened.name, reason)
        quarantines.put(connection, opened.stage, [found], micros(parts.clock.now()))


def _take_consents(
    parts: Parts, opened: _Lane, events: Sequence[Any], places: Sequence[RecordPosition]
) -> None:
    found = consents.control_keys(parts, events)
    with parts.store.transaction() as connection:
        _lock(connection, opened, places)
        consents.apply_events(connection, parts, events, found)
        _done(connection, opened, places)
    if any(consents.ends(event) for event in events):
        end_grounds(parts)


def _take_admissions(
    parts: Parts, opened: _Lane, events: Sequence[Any], places: Sequence[RecordPosition]
) -> None:
    """Produced first, recorded second, like the stage itself."""
    while True:
        intake = BatchIntake(places[0].topic, opened.topic_id, events=list(events))
        desk = admit.decide_batch(parts, intake)
        if intake.bad:
            raise DataError("a box does not open", reason=intake.bad[0].reason, place=str(places[0]))
        admit.produce(desk)
        fail_point("release.after_produce")
        with parts.store.transaction() as connection:
            _lock(connection, opened, places)
            if admit.note_decisions(connection, desk):
                _done(connection, opened, places)
                return


def _take_cases(parts: Parts, opened: _Lane, events: Sequence[Any], places: Sequence[RecordPosition]) -> None:
    with parts.store.transaction() as connection:
        _lock(connection, opened, places)
        project.apply_events(connection, parts, events)
        _done(connection, opened, places)


def _take_receipts(
    parts: Parts, opened: _Lane, events: Sequence[Any], places: Sequence[RecordPosition]
) -> None:
    with parts.store.transaction() as connection:
        _lock(connection, opened, places)
        receipts.apply_receipts(connection, events)
        _done(connection, opened, places)


def _lock(connection: Connection, opened: _Lane, places: Sequence[RecordPosition]) -> None:
    """The partition's position, as the stage's own batches lock it; raises TryAgain when another operator was here."""
    first = places[0]
    positions.lock(connection, opened.stage, first.topic, opened.topic_id, first.partition)
    bad, parked = quarantines.of_lane(connection, opened.stage, opened.name)
    if not set(places) <= {*bad, *parked}:
        raise TryAgain("the lane was released meanwhile", place=opened.stage, remedy="look at it again")


def _done(connection: Connection, opened: _Lane, places: Sequence[RecordPosition]) -> None:
    quarantines.release(connection, opened.stage, (), places)
    fail_point("release.in_transaction")


def _close(parts: Parts, opened: _Lane) -> list[RecordPosition]:
    """Open the lane if nothing waits in it any more; returns what does."""
    with parts.store.transaction() as connection:
        first = min(opened.bad, key=lambda place: place.offset)
        positions.lock(connection, opened.stage, first.topic, opened.topic_id, first.partition)
        _, left = quarantines.of_lane(connection, opened.stage, opened.name)
        if left and not opened.stopped:
            return left
        _note_dropped(connection, parts, opened)
        quarantines.release(connection, opened.stage, opened.good, ())
    return left


def _note_dropped(connection: Connection, parts: Parts, opened: _Lane) -> None:
    if opened.drop is None:
        return
    now, why, operator = micros(parts.clock.now()), opened.drop.reason, opened.drop.operator
    causes = quarantines.reasons(connection, opened.stage, [place for place, _ in opened.dropped])
    dropped = [
        DroppedRecord(opened.stage, place, reason or causes[place], why, operator, now)
        for place, reason in opened.dropped
    ]
    quarantines.drop(connection, dropped)
    quarantines.release(connection, opened.stage, [place for place, _ in opened.dropped], ())


def _outcome(opened: _Lane, parked: int) -> ReleaseOutcome:
    return ReleaseOutcome(
        opened.stage,
        opened.name,
        taken=opened.taken,
        left_out=len(opened.dropped),
        still=dict(sorted(opened.still.items())),
        quarantined=dict(sorted(opened.new.items())),
        parked=parked,
    )


_Take = Callable[[Parts, _Lane, Sequence[Any], Sequence[RecordPosition]], None]
_TAKE: Mapping[str, tuple[Decode, _Take]] = {
    consents.STAGE: (lambda parts, record: decode_control(parts.secret, record), _take_consents),
    admit.STAGE: (
        lambda _, record: decode_event(record, topic_agency(record.topic), "events"),
        _take_admissions,
    ),
    project.STAGE: (lambda _, record: project.decode_case(record), _take_cases),
    receipts.STAGE: (lambda _, record: receipts.decode_receipt(record), _take_receipts),
}
