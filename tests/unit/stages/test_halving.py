"""One item alone: what fails is halved until it stands alone, and nobody else pays for it (rule 14a)."""

import errno
from collections.abc import Sequence

import pytest

from hub.errors import (
    ConfigurationError,
    DataError,
    KeyServiceUnavailable,
    OffsetGap,
    ServiceUnavailable,
    TryAgain,
)
from hub.isolation import halved, is_outage, reason_of


class Work:
    """Takes numbers, and fails for those that are bad."""

    def __init__(self, bad: set[int], error: Exception) -> None:
        self.bad, self.error = bad, error
        self.taken: list[int] = []
        self.aside: list[tuple[int, str]] = []
        self.calls = 0

    def __call__(self, items: Sequence[int]) -> None:
        self.calls += 1
        if self.bad & set(items):
            raise self.error
        self.taken += items

    def alone(self, item: int, error: Exception) -> None:
        self.aside.append((item, reason_of(error)))


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {7, 8, 50}, set(range(100))])
def test_only_what_fails_alone_is_set_aside_and_order_is_kept(bad: set[int]) -> None:
    work = Work(bad, ValueError("Erika"))
    halved(range(100), work, work.alone)
    assert work.taken == [number for number in range(100) if number not in bad]
    assert work.aside == [(number, "failed_ValueError") for number in sorted(bad)]


def test_one_in_a_thousand_costs_two_calls_a_level() -> None:
    work = Work({617}, DataError("no", reason="odd"))
    halved(range(1000), work, work.alone)
    assert work.aside == [(617, "odd")]
    assert work.calls <= 2 * 10 + 3


def test_what_fails_once_is_tried_once_more() -> None:
    work = Work({1}, ValueError())

    def forgiving(items: Sequence[int]) -> None:
        try:
            work(items)
        finally:
            work.bad = set()

    halved([1], forgiving, work.alone)
    assert (work.taken, work.aside) == ([1], [])


OUTAGES = [
    ServiceUnavailable("away"),
    KeyServiceUnavailable("away"),
    TryAgain("deadlock"),
    OffsetGap("gap"),
    ConfigurationError("no topic"),
    ConnectionResetError(),
    TimeoutError(),
    OSError(errno.ENOSPC, "full"),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_is_nobodys_fault(error: Exception) -> None:
    work = Work({3}, error)
    with pytest.raises(type(error)):
        halved(range(5), work, work.alone)
    assert (work.calls, work.aside) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        DataError("x", reason="y"),
        MemoryError(),
        RecursionError(),
        KeyError("x"),
        OSError(errno.EOVERFLOW, "year"),
    ],
)
def test_everything_else_is_the_items(error: Exception) -> None:
    assert not is_outage(error)
