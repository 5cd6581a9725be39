"""Work that fails alone waits alone (protocol rule 14a).

Work that fails with anything but an outage is halved until one item stands alone (`halved`). A stage's driver
quarantines that record; cases, persons and erasures, which are no records, are quarantined by name and tried again
(`isolated`).
"""

import errno
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from hub.domain.clock import micros
from hub.errors import (
    ConfigurationError,
    DataError,
    ServiceUnavailable,
    StartAgain,
    StoppedToBeSafe,
    raised_at,
)
from hub.parts import Parts
from hub.store import quarantines

log = structlog.get_logger()
T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")

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
