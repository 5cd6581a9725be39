"""Letting a quarantined lane go on: its records are read from the log again and taken by their stage, in order.

They stand below the stage's position, so nobody else will ever read them: effects and the lane's end are one
transaction, under the lock of the partition's position that the stage's own batches take. The bad record is tried once
more, for the cause may be gone (a newer schema, a corrected agency file); if it still cannot be taken, it is left out.
A parked record that cannot be taken is quarantined in its turn, and the rest goes on waiting behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from hub.adapters.store import positions, quarantines
from hub.adapters.store.quarantines import Quarantined
from hub.domain.clock import micros
from hub.errors import DataError, LogIsOlder, UsageError
from hub.failpoints import fail_point
from hub.ports import Place, Record
from hub.stages import admit, consents, project, receipts
from hub.stages.decode import decode_event
from hub.stages.forgetting.grounds_end import end_grounds
from hub.stages.intake import Intake
from hub.stages.parts import Parts, topic_agency

Decode = Callable[[Record], Any]


@dataclass(frozen=True, slots=True)
class ReleaseOutcome:
    """`left_out`: bad records that still cannot be taken; `parked`: what waits behind a newly quarantined one."""

    stage: str
    lane: str
    taken: int
    left_out: int
    quarantined: Mapping[str, int]
    parked: int


@dataclass(slots=True)
class _Lane:
    """A lane as it was read: what can be taken now, and what becomes of the rest."""

    stage: str
    name: str
    bad: Sequence[Place]
    parked: Sequence[Place]
    topic_id: str = ""
    events: list[Any] = field(default_factory=list)
    left_out: int = 0
    new: list[Quarantined] = field(default_factory=list)
    done: list[Place] = field(default_factory=list)  # parked places that wait no more

    @property
    def first(self) -> Place:
        return min((*self.bad, *self.parked), key=lambda place: place.offset)


def release(parts: Parts, stage: str, lane: str) -> ReleaseOutcome:
    """Raises UsageError for a lane in which nothing waits, and what a worker would stop for."""
    while True:
        with parts.store.transaction() as connection:
            bad, parked = quarantines.of_lane(connection, stage, lane)
        if stage not in _TAKE or not (bad or parked):
            raise UsageError(
                "nothing waits in this lane", place=f"{stage} {lane}", remedy="see `hub quarantine list`"
            )
        opened = _Lane(stage, lane, bad, parked)
        _check_topic(parts, opened)
        decode, take = _TAKE[stage]
        _open(parts, opened, decode)
        if take(parts, opened):
            return _outcome(opened)


def _check_topic(parts: Parts, opened: _Lane) -> None:
    """A place means something in the topic that was read, and in no other of its name."""
    topic = opened.first.topic
    state = parts.log.state([topic]).get(topic)
    if state is None:
        raise LogIsOlder("the topic is gone", place=topic, remedy="see docs/how-to/after-a-restore.md")
    with parts.store.transaction() as connection:
        positions.check(state, positions.load(connection, opened.stage, topic), {})
    opened.topic_id = state.topic_id


def _open(parts: Parts, opened: _Lane, decode: Decode | None) -> None:
    again = set(opened.bad)
    if decode is None:
        opened.left_out = len(again)
        return
    for place in sorted((*opened.bad, *opened.parked), key=lambda place: place.offset):
        try:
            opened.events.append(decode(_read(parts, place)))
        except DataError as error:
            if place not in again:
                opened.new.append(Quarantined(place, opened.name, error.reason))
                opened.done.append(place)
                return
            opened.left_out += 1
        if place not in again:
            opened.done.append(place)


def _read(parts: Parts, place: Place) -> Record:
    found = parts.log.read(place.topic, {place.partition: place.offset}, 1)
    if not found:
        raise LogIsOlder(
            "the log does not hold this record", place=str(place), remedy="see docs/how-to/after-a-restore.md"
        )
    return found[0]


def _take_consents(parts: Parts, opened: _Lane) -> bool:
    found = consents.linking_keys(parts, opened.events)
    with parts.store.transaction() as connection:
        if not _unchanged(connection, opened):
            return False
        consents.apply_events(connection, parts, opened.events, found)
        _close(connection, parts, opened)
    if any(consents.ends(event) for event in opened.events):
        end_grounds(parts)
    return True


def _take_admissions(parts: Parts, opened: _Lane) -> bool:
    """Produced first, recorded second, like the stage itself."""
    intake = Intake(opened.first.topic, opened.topic_id, events=opened.events)
    desk = admit.decide_batch(parts, intake)
    admit.produce(desk)
    fail_point("release.after_produce")
    with parts.store.transaction() as connection:
        if not _unchanged(connection, opened) or not admit.note_decisions(connection, desk):
            return False
        _sort_unsealed(opened, intake.bad)
        _close(connection, parts, opened)
    return True


def _sort_unsealed(opened: _Lane, unsealed: Sequence[Quarantined]) -> None:
    """What decodes and does not open: left out if it was bad before, quarantined anew otherwise."""
    places = {one.place for one in unsealed}
    opened.events = [event for event in opened.events if event.record.place not in places]
    opened.left_out += len(places & set(opened.bad))
    opened.new += [one for one in unsealed if one.place not in opened.bad]


def _take_cases(parts: Parts, opened: _Lane) -> bool:
    with parts.store.transaction() as connection:
        if not _unchanged(connection, opened):
            return False
        project.apply_events(connection, opened.events)
        _close(connection, parts, opened)
    return True


def _take_receipts(parts: Parts, opened: _Lane) -> bool:
    """Nothing waits behind a receipt, and the sink sends a better one of its own accord."""
    with parts.store.transaction() as connection:
        _close(connection, parts, opened)
    return True


def _unchanged(connection: Connection, opened: _Lane) -> bool:
    """Lock the partition; False when more was parked, or the lane released, since it was read."""
    place = opened.first
    positions.lock(connection, opened.stage, place.topic, opened.topic_id, place.partition)
    return quarantines.of_lane(connection, opened.stage, opened.name) == (opened.bad, opened.parked)


def _close(connection: Connection, parts: Parts, opened: _Lane) -> None:
    quarantines.release(connection, opened.stage, opened.bad, opened.done)
    quarantines.put(connection, opened.stage, opened.new, micros(parts.clock.now()))
    fail_point("release.in_transaction")


def _outcome(opened: _Lane) -> ReleaseOutcome:
    reasons = [one.reason for one in opened.new]
    return ReleaseOutcome(
        opened.stage,
        opened.name,
        taken=len(opened.events),
        left_out=opened.left_out,
        quarantined={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        parked=len(opened.parked) - len(opened.done),
    )


def _of_agency(kind: str) -> Decode:
    return lambda record: decode_event(record, topic_agency(record.topic), kind)


_TAKE: Mapping[str, tuple[Decode | None, Callable[[Parts, _Lane], bool]]] = {
    consents.STAGE: (_of_agency("consents"), _take_consents),
    admit.STAGE: (_of_agency("events"), _take_admissions),
    project.STAGE: (project.decode_case, _take_cases),
    receipts.STAGE: (None, _take_receipts),
}
