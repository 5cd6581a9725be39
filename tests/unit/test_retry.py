"""Every backoff of the project: which pauses it makes, and what ends it."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from hub.errors import DataError, ServiceUnavailable
from hub.retry import Retry, RetryInterrupted, interruptible

AWAY = ServiceUnavailable("no answer", place="broker", remedy="wait")


def failing(times: int, error: Exception = AWAY) -> Callable[[], str]:
    left = [error] * times

    def work() -> str:
        if left:
            raise left.pop()
        return "done"

    return work


@pytest.fixture
def pauses() -> list[float]:
    return []


def retry(pauses: list[float], **how: Any) -> Retry:
    return Retry(errors=(ServiceUnavailable,), first=0.5, **{"sleep": pauses.append, **how})


def test_each_pause_is_twice_the_last_up_to_the_longest(pauses: list[float]) -> None:
    assert retry(pauses, longest=3.0).call(failing(5)) == "done"
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_last_try_raises_its_own_error(pauses: list[float]) -> None:
    with pytest.raises(ServiceUnavailable, match="no answer"):
        retry(pauses, tries=3).call(failing(9))
    assert pauses == [0.5, 1.0]


def test_after_the_time_allowed_the_error_is_raised(pauses: list[float]) -> None:
    with pytest.raises(ServiceUnavailable):
        retry(pauses, seconds=-1.0).call(failing(1))
    assert pauses == []


def test_another_error_is_raised_at_once(pauses: list[float]) -> None:
    wrong = DataError("is no record", reason="wrong", place="row 1", remedy="correct it")
    with pytest.raises(DataError):
        retry(pauses).call(failing(1, wrong))
    assert pauses == []


def test_a_pause_that_the_other_side_asks_for_is_made(pauses: list[float]) -> None:
    retry(pauses, asked=lambda _: 2.0).call(failing(1))
    assert pauses == [2.0]


def test_a_pause_above_the_patience_is_not_made(pauses: list[float]) -> None:
    with pytest.raises(ServiceUnavailable):
        retry(pauses, asked=lambda _: 30.0, patience=10.0).call(failing(1))
    assert pauses == []


def test_each_retry_is_reported_and_the_last_failure_is_not(pauses: list[float]) -> None:
    reported: list[BaseException] = []
    with pytest.raises(ServiceUnavailable):
        retry(pauses, tries=3, on_retry=reported.append).call(failing(9))
    assert reported == [AWAY, AWAY]


def test_a_stop_ends_the_pause_and_the_call() -> None:
    stopping = Event()
    stopping.set()
    with pytest.raises(RetryInterrupted):
        retry([], sleep=interruptible(stopping)).call(failing(1))
