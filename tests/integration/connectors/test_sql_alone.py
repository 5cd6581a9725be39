"""Rows of a database that share a key wait alone, and a stream that cannot be read ends no other's reading."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Batch
from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.mapping.mapped import Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.state.faults import of_rows
from tests.support.sql_source import KEY, SqlWorld, at

PERSON: dict[str, Any] = {
    "type": "PersonChanged",
    "subject": "Straße",
    "case": "order",
    "occurred_at": "@version",
    "fields": {"names": "select"},
}


class World(SqlWorld):
    """Keeps what waits in quarantine, as the runtime does. `said`: key → text of the rows that were sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, f"sqlite:///{folder / 'da.sqlite'}")
        self.stream["events"] = [PERSON]
        self.more: dict[str, Any] = {}
        self.said: dict[str, str] = {}
        self.gone: list[str] = []

    def config(self) -> Any:
        raw = {
            "agency": {"id": "jc-x", "kind": "jobcenter"},
            "connector": {"kind": "sql", "state": "state.sqlite", "pseudonyms": "p.sqlite"},
            "settings": {"url": self.read_url, "overlap_seconds": 60.0},
            "streams": {**self.more, "hilfen": self.stream},
        }
        return parse_config(raw, self.folder)

    def add(self, *rows: tuple[Any, ...]) -> None:
        """As they come, whatever is there."""
        names = ("Straße", "order", "select", "Geändert am")
        with self.engine.begin() as connection:
            for row in rows:
                connection.execute(self.table.insert().values(dict(zip(names, row, strict=True))))

    def read(self, limit: int = 3, later: float = 1.0) -> list[str]:
        """One round; the reasons of the incidents."""
        self.now += timedelta(minutes=later)
        source, mapper = self.open(), Mapper.of(self.config(), KEY)
        incidents = list(source.refresh(self.now))
        for batch in source.read([*self.config().streams], limit):
            self._take(batch, mapper)
        source.finished()
        return [one.reason for one in incidents]

    def _take(self, batch: Batch, mapper: Mapper) -> None:
        faults = [one for row in batch.rows for one in mapper.events(row, {}) if isinstance(one, Unmapped)]
        entries = of_rows(batch, faults, self.state.key_hash)
        held = {row.key for row in batch.rows if self.state.key_hash(row.key) in {one.key for one in entries}}
        self.said |= {
            row.key: str(row.values["select"]) for row in batch.rows if row.key not in held and not row.gone
        }
        self.gone += [row.key for row in batch.rows if row.gone and row.values]
        with self.state.transaction():
            self.state.release(
                batch.stream, [self.state.key_hash(r.key) for r in batch.rows if r.key not in held]
            )
            self.state.quarantine(entries)
            self.state.advance(batch.stream, batch.rows, batch.cursor, held)

    def waits(self) -> list[tuple[str, str]]:
        return sorted((one.stream, one.reason) for one in self.state.quarantined())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(World(tmp_path)) as made:
        yield made


DAY = 1441.0
"""Minutes until all keys are looked at again."""
BOTH = [("hilfen", "duplicate_key")] * 2


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_rows_with_one_key_and_other_content_wait_both(world: World, limit: int) -> None:
    world.add(
        ("a", "f", "x", at(0)), ("b", "f", "one", at(1)), ("b", "f", "two", at(2)), ("c", "f", "y", at(3))
    )
    assert world.read(limit) == []
    assert (world.said, world.waits()) == ({"a": "x", "c": "y"}, BOTH)
    places = {one.place for one in world.state.quarantined()}
    assert len(places) == 2
    assert all(place in one.remedy for one in world.state.quarantined() for place in places)
    assert world.read(limit) == world.read(limit, DAY) == []
    assert (world.said, world.waits(), world.gone) == ({"a": "x", "c": "y"}, BOTH, [])
    world.say("""DELETE FROM "group" WHERE "select" = 'one'""")
    world.read(limit, DAY)
    assert (world.said["b"], world.waits()) == ("two", [])


def test_what_was_said_before_stays_until_one_of_them_is_corrected(world: World) -> None:
    """Found when the second one comes, and not a day later."""
    world.add(*((key, "f", "x", at(0)) for key in "abc"))
    world.read()
    world.add(("b", "f", "other", at(120)), ("d", "f", "y", at(121)))
    world.read()
    assert (world.said, world.waits()) == (
        {**dict.fromkeys("abc", "x"), "d": "y"},
        [("hilfen", "duplicate_key")],
    )
    world.read(later=DAY)
    assert (world.said["b"], world.waits(), world.gone) == ("x", BOTH, [])
    world.restart()
    world.say("""DELETE FROM "group" WHERE "select" = 'other'""")
    world.read(later=DAY)
    assert (world.said["b"], world.waits(), world.gone) == ("x", [], [])


def test_a_table_in_which_all_rows_contradicted_each_other_is_corrected_without_a_question(
    world: World,
) -> None:
    """Nothing was ever said of either, so nothing is gone."""
    world.add(("b", "f", "one", at(0)), ("b", "f", "two", at(1)))
    world.read()
    assert world.waits() == BOTH
    world.say("""UPDATE "group" SET "Straße" = 'c' WHERE "select" = 'one'""")
    assert world.read(later=DAY) == world.read(later=DAY) == []
    assert (world.said, world.waits()) == ({"b": "two", "c": "one"}, [])


def test_a_row_that_is_repeated_says_nothing(world: World) -> None:
    world.add(*[("a", "f", "x", at(0))] * 3, ("b", "f", "y", at(1)), ("b", "f", "y", at(2)))
    assert world.read(2) == []
    assert (world.said, world.waits()) == ({"a": "x", "b": "y"}, [])
    world.seen.clear()
    assert world.read(2, DAY) == []
    assert (world.waits(), world.gone) == ([], [])


@pytest.mark.parametrize("other", ["b ", "b\u00ad", '="b"', "\u00a0b"])
def test_keys_that_are_one_only_as_we_spell_them_wait_too(world: World, other: str) -> None:
    world.add(("a", "f", "x", at(0)), ("b", "f", "one", at(1)), (other, "f", "two", at(2)))
    assert world.read() == []
    assert (world.said, world.waits()) == ({"a": "x"}, BOTH)


def test_a_stream_that_cannot_be_read_ends_no_other_ones_reading(world: World) -> None:
    """Its key cannot be computed, so not even its rows can be told apart."""
    broken = {
        "query": """SELECT abs(n) AS "Straße", 'f' AS "order", 'z' AS "select", "Geändert am" FROM zahl"""
    }
    rest = {name: value for name, value in world.stream.items() if name not in ("table", "on_vanish")}
    world.more = {"andere": {**rest, **broken}}
    world.say('CREATE TABLE zahl (n INTEGER, "Geändert am" DATETIME)')
    world.say("INSERT INTO zahl VALUES (-9223372036854775807 - 1, '2026-11-16 08:00:00.000000')")
    world.add(("a", "f", "x", at(0)))
    assert world.read() == ["unreadable_row"]
    assert world.said == {"a": "x"}
    world.say("UPDATE zahl SET n = 7")
    world.add(("b", "f", "y", at(1)))
    assert world.read() == ["unreadable_row"], "of the round before"
    assert world.read() == []
    assert world.said == {"a": "x", "b": "y", "7": "z"}
