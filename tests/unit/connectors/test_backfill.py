"""Requests to give streams once more, and how fast they are served."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.pipeline.run.backfill import Pace
from connectors.pipeline.state.backfill_requests import SCHEMA, Backfills

START = datetime(2026, 11, 22, 20, tzinfo=UTC)


@pytest.fixture
def requests() -> Iterator[Backfills]:
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in SCHEMA:
            db.execute(statement)
        yield Backfills(db)


def test_asked_twice_is_one_and_only_its_rate_is_another(requests: Backfills) -> None:
    requests.ask(["a"], None, 1)
    requests.moved(requests.open()[0], 10, "here", 2)
    requests.ask(["a"], 50, 3)
    (one,) = requests.open()
    assert (one.asked, one.rate, one.cursor, one.rows) == (1, 50, "here", 10)
    requests.ask(["a"], None, 4)
    assert requests.open()[0].rate == 50


def test_one_that_is_done_begins_anew(requests: Backfills) -> None:
    requests.ask(["a"], None, 1)
    requests.moved(requests.open()[0], 10, None, 2)
    assert requests.open() == []
    assert [(one.rows, one.done) for one in requests.all()] == [(10, 2)]
    requests.ask(["a"], None, 3)
    assert [(one.rows, one.cursor, one.done) for one in requests.open()] == [(0, None, None)]


def test_what_was_let_go_meanwhile_is_not_brought_back_by_the_page_that_was_on_its_way(
    requests: Backfills,
) -> None:
    requests.ask(["a", "b"], None, 1)
    on_its_way = requests.open()[0]
    assert requests.stop(["a", "c"]) == ["a"]
    requests.moved(on_its_way, 10, "here", 2)
    assert [one.stream for one in requests.all()] == ["b"]
    requests.ask(["a"], None, 3)
    requests.moved(on_its_way, 10, "here", 4)
    assert requests.open()[0].cursor is None, "the new one begins at its start"


def test_why_it_waits_goes_with_the_next_page(requests: Backfills) -> None:
    requests.ask(["a"], None, 1)
    requests.wait(requests.open()[0], "nothing_kept")
    assert requests.open()[0].waits == "nothing_kept"
    requests.moved(requests.open()[0], 1, "here", 2)
    assert requests.open()[0].waits == ""


def test_where_it_stands_is_not_shown(requests: Backfills) -> None:
    requests.ask(["a"], None, 1)
    requests.moved(requests.open()[0], 1, "331A055433", 2)
    assert "331A055433" not in repr(requests.open())


@given(
    rate=st.integers(1, 5000),
    interval=st.floats(0, 60),
    batch=st.integers(1, 2000),
    passing=st.lists(st.floats(-5, 100), max_size=60),
)
def test_on_average_no_more_than_the_rate_and_never_less_than_it_allows(
    rate: int, interval: float, batch: int, passing: list[float]
) -> None:
    pace, now, taken = Pace(interval), START, 0
    size = pace.page(rate, batch)
    moments = [START]
    pace.tick(now)
    for seconds in [0.0, *passing]:
        now += timedelta(seconds=seconds)
        moments.append(now)
        pace.tick(now)
        while pace.allows(size, rate):
            pace.took(size, rate)
            taken += size
    forward = sum(max(0.0, (b - a).total_seconds()) for a, b in pairwise(moments))
    longest = max(interval, 1.0)
    assert 1 <= size <= batch
    assert taken >= size, "the first page is given at once"
    assert taken <= rate * (longest + forward) * 1.000001
