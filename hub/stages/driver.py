"""The loop that every stage shares (protocol rules 13, 14a, 15, 16).

A stage says how it decodes, prepares and applies; the driver fences out a second worker, keeps blocked ordering keys
back, and stores the position in the stage's own transaction. A batch that fails with anything but an outage is halved
until one record stands alone; that record is quarantined with a reason code, later ones of its ordering key wait behind
it, and all others go on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from hub.errors import (
    DataError,
    TryAgain,
)
from hub.isolation import halved, is_outage, note_failure
from hub.parts import Parts
from hub.ports import Outgoing, Record
from hub.stages.intake import BatchIntake, finish, sort_out, still_mine
from hub.topology import HUB_WORDS

E = TypeVar("E")
P = TypeVar("P")

_PREPARED = 20
"""How often a batch is prepared before its worker waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[E, P]):
    """One reading stage.

    `decode` raises DataError for a record that cannot be taken. `prepare` does everything that comes before the
    transaction; what it does outside of the store must be harmless when done twice. `apply` writes the effects in the
    transaction that stores the position; it returns False, with nothing written, when the batch must be prepared again.
    Events that `passes` wait behind no quarantined one; in a stage that is not `ordered`, none does. `rescue` makes an
    event of a record that cannot be taken and must take effect nevertheless, though it is quarantined; `strayed`, of
    a stage that takes no consents, the record of `hub.words` that it comes to.
    """

    name: str
    decode: Callable[[Parts, Record], E]
    prepare: Callable[[Parts, BatchIntake[E]], P]
    apply: Callable[[Connection, Parts, BatchIntake[E], P], bool]
    passes: Callable[[E], bool] = lambda event: False
    rescue: Callable[[Parts, Record], E | None] = lambda parts, record: None
    strayed: Callable[[Parts, Record], Outgoing | None] = lambda parts, record: None
    ordered: bool = True


@dataclass(slots=True)
class Driven(Generic[E, P]):
    """A batch that was taken: what became of its records, and what each piece of it prepared."""

    intake: BatchIntake[E]
    prepared: list[P] = field(default_factory=list)


def drive(parts: Parts, stage: Stage[E, P], topic_id: str, batch: Sequence[Record]) -> Driven[E, P]:
    """Take a batch of one topic; redelivered records have no effect. Raises outages, and what a worker stops for."""
    driven: Driven[E, P] = Driven(BatchIntake(batch[0].topic, topic_id))

    def take(records: Sequence[Record]) -> None:
        intake, prepared = _take(parts, stage, topic_id, records)
        driven.intake.add(intake)
        driven.prepared.append(prepared)

    def alone(record: Record, error: Exception) -> None:
        driven.intake.add(_quarantine(parts, stage, topic_id, record, error))

    halved(batch, take, alone)
    return driven


def _take(
    parts: Parts, stage: Stage[E, P], topic_id: str, records: Sequence[Record]
) -> tuple[BatchIntake[E], P]:
    """Raises TryAgain when the batch must be prepared again and again: whatever it meets does not come to rest."""
    for _ in range(_PREPARED):
        intake = sort_out(
            parts,
            stage.name,
            topic_id,
            records,
            lambda record: stage.decode(parts, record),
            stage.passes,
            rescue=lambda record: stage.rescue(parts, record),
            strayed=lambda record: stage.strayed(parts, record),
            ordered=stage.ordered,
        )
        if intake.strayed:
            parts.log.append(HUB_WORDS, intake.strayed)
        prepared = stage.prepare(parts, intake)
        with parts.store.transaction() as connection:
            if still_mine(connection, stage.name, intake) and stage.apply(
                connection, parts, intake, prepared
            ):
                finish(connection, parts, stage.name, intake)
                return intake, prepared
    raise TryAgain(
        "the batch changed each time before it was applied", place=f"{stage.name}, {records[0].topic}"
    )


def _quarantine(
    parts: Parts, stage: Stage[E, P], topic_id: str, record: Record, error: Exception
) -> BatchIntake[E]:
    """Quarantine a record that failed alone; of one that narrows, what can be rescued takes effect."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    refusing = replace(stage, decode=_refuse(note_failure(stage.name, error, **place)))
    try:
        return _take(parts, refusing, topic_id, [record])[0]
    except Exception as again:
        if is_outage(again):
            raise
        given_up = replace(refusing, rescue=lambda *_: None, strayed=lambda *_: None)
        return _take(parts, given_up, topic_id, [record])[0]


def _refuse(reason: str) -> Callable[[Parts, Record], Any]:
    def decode(_: Parts, record: Record) -> Any:
        raise DataError("the record failed alone", reason=reason, place=str(record.place))

    return decode
