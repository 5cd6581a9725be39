"""A table read by its key beside what changes: every row once, under its own version, and the place names nobody."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Integer, Numeric, Uuid

from connectors.contract import NothingKept, Row
from connectors.sources.sql.remembered import Bookmark
from hub.domain.identifiers import AgencyKey
from tests.support.sql_source import DATABASES, KEY, SqlWorld, at, orders, sql_world


@pytest.fixture(params=DATABASES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlWorld]:
    with sql_world(request, tmp_path) as made:
        yield made


def pages(world: SqlWorld, limit: int) -> Iterator[list[Row]]:
    """One after another; between two of them the process ends."""
    after: str | None = None
    while True:
        batch = world.open().rows_after("hilfen", after, limit)
        yield list(batch.rows)
        after = batch.cursor
        if after is None:
            return
        world.restart()


def test_every_row_once_while_others_come_go_and_change(world: SqlWorld) -> None:
    keys = ["Ä1", "a2", "b'3", "ö4", "Z5", "z 6", "ß7"]
    world.put(*((key, "f", "x", at(number % 2)) for number, key in enumerate(keys)))
    world.step()
    read = {row.key: row for row in world.seen}
    given = pages(world, 2)
    first = next(given)
    left = [key for key in keys if key not in {row.key for row in first}]
    removed, changed, *same = left
    world.remove(removed)
    world.put((changed, "f", "neu", at(5)), ("!0", "f", "vor allen", at(5)))
    rest = [row for page in given for row in page if row.key != "!0"]
    assert sorted(row.key for row in rest) == sorted([changed, *same])
    assert {row.key: row.values["select"] for row in rest} == {changed: "neu", **dict.fromkeys(same, "x")}
    assert all(row._replace(place="") == read[row.key]._replace(place="") for row in rest if row.key in same)
    assert next(row for row in rest if row.key == changed).version > read[changed].version


def test_rows_without_a_version_are_passed_over_as_ever(world: SqlWorld) -> None:
    world.put(("a", "f", "x", at(0)), ("b", "f", "x", None), ("c", "f", "x", at(1)))
    world.step()
    assert [row.key for page in pages(world, 1) for row in page] == ["a", "c"]


def test_a_stream_that_stands_still_is_not_taken_for_its_end(world: SqlWorld) -> None:
    world.put(("a", "f", "x", at(0)))
    world.step()
    quote = "`" if world.engine.dialect.name in ("mysql", "mariadb") else '"'
    world.say(f"ALTER TABLE {quote}group{quote} DROP COLUMN {quote}select{quote}")
    world.step()
    with pytest.raises(NothingKept):
        world.open().rows_after("hilfen", None, 5)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Integer, [2, 9, 10, -1]),
        (Numeric(8, 2), [Decimal("2.50"), Decimal("10.00"), Decimal("-1.25")]),
        (Uuid, [UUID(int=n << 100) for n in (1, 2, 30)]),
    ],
)
def test_keys_of_every_kind(kind: Any, values: list[Any], tmp_path: Path, database_url: str) -> None:
    world = SqlWorld(tmp_path, database_url, table=orders(key=kind))
    world.put(*((value, "f", "x", at(0)) for value in values))
    world.step()
    found = [row.values["Straße"] for page in pages(world, 1) for row in page]
    world.close()
    assert found == sorted(values)


VALUES = st.one_of(
    st.integers(),
    st.text(max_size=20),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.binary(max_size=8),
    st.none(),
    st.booleans(),
)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_a_bookmark_opens_to_what_was_closed(values: list[Any]) -> None:
    mark = Bookmark(KEY)
    opened = mark.opened("hilfen", mark.closed("hilfen", values))
    assert opened == values
    assert [type(value) for value in opened or ()] == [type(value) for value in values]


def test_a_bookmark_names_nobody_and_serves_one_stream_under_one_key() -> None:
    text = Bookmark(KEY).closed("hilfen", ["331A055433", date(1990, 2, 28), datetime(2026, 1, 1, tzinfo=UTC)])
    assert "331A055433" not in text
    assert Bookmark(KEY).opened("personen", text) is None
    assert Bookmark(AgencyKey(b"another" * 5)).opened("hilfen", text) is None
    assert Bookmark(KEY).opened("hilfen", None) is None
