"""Whatever is written, late, again or away, and wherever the connector dies: what arrived last is what stands there."""

import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.sql_source import SqlWorld, at

KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
WRITES = st.tuples(st.just("put"), KEYS, st.sampled_from([0, 1, 1, 2, 3, 300, 301]))
STORIES = st.lists(
    st.one_of(
        WRITES,
        WRITES,
        st.tuples(st.just("remove"), KEYS, st.just(0)),
        st.tuples(st.just("step"), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("compare"), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
    ),
    max_size=25,
)
"""Versions 0 to 3 lie four hours below 300: far beyond the overlap of a minute. A number with a step: the batch in
which it dies (0: it lives)."""


@given(STORIES)
@example([("put", "a", 0), ("step", "", 1), ("remove", "a", 0)])  # deleted before it was saved as read
@settings(max_examples=60)
def test_what_arrived_last_is_what_stands_there(story: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = SqlWorld(Path(folder), f"sqlite:///{folder}/fach.sqlite")
        world.settings |= {"vanish_rows": 100, "vanish_limit": 1.0}
        numbers, used = count(), set[tuple[str, float]]()
        for what, key, number in story:
            _do(world, what, key, number, next(numbers), used)
        _compare(world)
        _compare(world)
        assert _arrived(world) == _standing(world)
        world.seen.clear()
        world.step()
        assert world.seen == []
        world.close()


def _do(
    world: SqlWorld, what: str, key: str, number: int, content: int, used: set[tuple[str, float]]
) -> None:
    match what:
        case "put":
            moment = float(number)
            while (key, moment) in used:  # what is changed has another time of change, or nobody could know
                moment += 0.01
            used.add((key, moment))
            world.put((key, "f", f"Inhalt {content}", at(moment)))
        case "remove":
            world.remove(key)
        case "restart":
            world.restart()
        case _:
            left = iter(range(number - 1, -1, -1))
            world.step(2, 1440 if what == "compare" else 1, lambda: number > 0 and next(left, 1) == 0)


def _compare(world: SqlWorld) -> None:
    world.step(later=1440)
    world.accept()


def _arrived(world: SqlWorld) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in world.seen:
        if row.gone:
            found.pop(row.key, None)
        else:
            found[row.key] = row.values["select"]
    return found


def _standing(world: SqlWorld) -> dict[str, Any]:
    with world.engine.connect() as connection:
        rows = connection.execute(world.table.select())
        return {row._mapping["Straße"]: row._mapping["select"] for row in rows}
