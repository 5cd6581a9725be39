"""The loop that every stage shares (protocol rules 13, 14a, 15, 16).

A stage says how it decodes, prepares and applies; the driver fences out a second worker, keeps blocked ordering keys
back, and stores the position in the stage's own transaction. A batch that fails with anything but an outage is halved
until one record stands alone; that record is quarantined with a reason code, later ones of its ordering key wait behind
it, and all others go on. `halved` does the same for work that is no record: cases, persons, erasures.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection

from hub.adapters.store import quarantines
from hub.domain.clock import micros
from hub.errors import (
    ConfigurationError,
    DataError,
    ServiceUnavailable,
    StartAgain,
    StoppedToBeSafe,
    TryAgain,
    raised_at,
)
from hub.ports import Outgoing, Record
from hub.stages.intake import Intake, finish, sort_out, still_mine
from hub.stages.parts import Parts, topic_agency
from schemas import topics

log = structlog.get_logger()
E = TypeVar("E")
P = TypeVar("P")
T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")

_PREPARED = 20
"""How often a batch is prepared before its worker waits."""

_OUTAGES = (
    ServiceUnavailable,
    StoppedToBeSafe,
    ConfigurationError,
    StartAgain,
    ConnectionError,
    TimeoutError,
)
_MACHINE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,
    }
)


def is_outage(error: Exception) -> bool:
    """Whether the error speaks of a service, the machine or the installation rather than of what was being done: it
    would fail for every record alike, so that all of them wait."""
    if isinstance(error, _OUTAGES):
        return True
    return isinstance(error, OSError) and error.errno in _MACHINE


def reason_of(error: Exception) -> str:
    """The code under which work that failed alone is quarantined and counted; never text of the error."""
    return error.reason if isinstance(error, DataError) else f"failed_{type(error).__name__}"


def halved(
    items: Sequence[T], work: Callable[[Sequence[T]], R], alone: Callable[[T, Exception], A]
) -> list[R | A]:
    """Results of `work` over all items at once, or over halves of them where it failed, in order.

    An item that fails alone is tried once more and then given to `alone`, which sets it aside. `work` must leave
    nothing behind when it raises, or nothing that doing it again would double. Outages are raised as they came.
    """
    if not items:
        return []
    try:
        return [work(items)]
    except Exception as error:
        if is_outage(error):
            raise
    if len(items) > 1:
        middle = len(items) // 2
        return [*halved(items[:middle], work, alone), *halved(items[middle:], work, alone)]
    try:
        return [work(items)]
    except Exception as error:
        if is_outage(error):
            raise
        failed = error
    return [alone(items[0], failed)]


def note_failure(stage: str, error: Exception, **where: Any) -> str:
    """Write the log line of work that failed alone, and return its reason code."""
    reason = reason_of(error)
    log.error(
        "stage.quarantined",
        stage=stage,
        cause=reason,
        error=type(error).__name__,
        at=raised_at(error),
        **where,
    )
    return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[E, P]):
    """One reading stage.

    `decode` raises DataError for a record that cannot be taken. `prepare` does everything that comes before the
    transaction; what it does outside of the store must be harmless when done twice. `apply` writes the effects in the
    transaction that stores the position; it returns False, with nothing written, when the batch must be prepared again.
    Events that `passes` wait behind no quarantined one; in a stage that is not `ordered`, none does. `rescue` makes an
    event of a record that cannot be taken and must take effect nevertheless, though it is quarantined; `strayed`, of
    a stage that takes no consents, the record of the consents topic that it comes to.
    """

    name: str
    decode: Callable[[Parts, Record], E]
    prepare: Callable[[Parts, Intake[E]], P]
    apply: Callable[[Connection, Parts, Intake[E], P], bool]
    passes: Callable[[E], bool] = lambda event: False
    rescue: Callable[[Record], E | None] = lambda record: None
    strayed: Callable[[Parts, Record], Outgoing | None] = lambda parts, record: None
    ordered: bool = True


@dataclass(slots=True)
class Driven(Generic[E, P]):
    """A batch that was taken: what became of its records, and what each piece of it prepared."""

    intake: Intake[E]
    prepared: list[P] = field(default_factory=list)


def drive(parts: Parts, stage: Stage[E, P], topic_id: str, batch: Sequence[Record]) -> Driven[E, P]:
    """Take a batch of one topic; redelivered records have no effect. Raises outages, and what a worker stops for."""
    driven: Driven[E, P] = Driven(Intake(batch[0].topic, topic_id))

    def take(records: Sequence[Record]) -> None:
        intake, prepared = _take(parts, stage, topic_id, records)
        driven.intake.add(intake)
        driven.prepared.append(prepared)

    def alone(record: Record, error: Exception) -> None:
        driven.intake.add(_quarantine(parts, stage, topic_id, record, error))

    halved(batch, take, alone)
    return driven


def _take(parts: Parts, stage: Stage[E, P], topic_id: str, records: Sequence[Record]) -> tuple[Intake[E], P]:
    """Raises TryAgain when the batch must be prepared again and again: whatever it meets does not come to rest."""
    for _ in range(_PREPARED):
        intake = sort_out(
            parts,
            stage.name,
            topic_id,
            records,
            lambda record: stage.decode(parts, record),
            stage.passes,
            rescue=stage.rescue,
            strayed=lambda record: stage.strayed(parts, record),
            ordered=stage.ordered,
        )
        if intake.strayed:
            parts.log.append(topics()["consents"].of(topic_agency(intake.topic)), intake.strayed)
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
) -> Intake[E]:
    """Quarantine a record that failed alone; of one that narrows, what can be rescued takes effect."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    refusing = replace(stage, decode=_refuse(note_failure(stage.name, error, **place)))
    try:
        return _take(parts, refusing, topic_id, [record])[0]
    except Exception as again:
        if is_outage(again):
            raise
        return _take(
            parts, replace(refusing, rescue=lambda _: None, strayed=lambda *_: None), topic_id, [record]
        )[0]


def _refuse(reason: str) -> Callable[[Parts, Record], Any]:
    def decode(_: Parts, record: Record) -> Any:
        raise DataError("the record failed alone", reason=reason, place=str(record.place))

    return decode


AGAIN_AFTER = 300  # seconds until work that failed alone is tried again by itself


def isolated(
    parts: Parts,
    stage: str,
    items: Sequence[T],
    work: Callable[[Sequence[T]], R],
    name: Callable[[T], str],
    number: Callable[[T], int] = lambda item: 0,
    again_after: int = AGAIN_AFTER,
) -> list[R]:
    """`halved` for work that is no record: an item that fails alone is quarantined by its `name` and tried again after
    so many seconds, or as soon as its mark has another `number`. Items that went well leave quarantine."""
    if not items:
        return []
    now = micros(parts.clock.now())
    with parts.store.transaction() as connection:
        aside = {one.item: one for one in quarantines.items(connection, stage)}
    due = [one for one in items if _is_due(aside.get(name(one)), number(one), now - again_after * 1_000_000)]
    failed: set[str] = set()

    def alone(item: T, error: Exception) -> None:
        row = quarantines.Item(stage, name(item), note_failure(stage, error), now, number(item))
        failed.add(row.item)
        with parts.store.transaction() as connection:
            quarantines.put_item(connection, row)

    results = halved(due, work, alone)
    went_well = {name(one) for one in due} & aside.keys() - failed
    if went_well:
        with parts.store.transaction() as connection:
            quarantines.remove_items(connection, stage, sorted(went_well))
    return [one for one in results if one is not None]


def _is_due(aside: quarantines.Item | None, number: int, before: int) -> bool:
    return aside is None or aside.number != number or aside.at <= before
