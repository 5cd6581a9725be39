"""The hub lost records of an agency (fault 45): it stops, goes on by a person's word, and a backfill brings them back.

Embedded, with the agencies' real connectors; the same in the end as a story in which nothing was lost.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.pipeline.state.backfill_requests import Backfills
from hub.dev.demo import OFFICES, SOURCES, Demo
from hub.domain.clock import BERLIN, micros
from hub.errors import OffsetGap, StoreIsOlder
from hub.operations.rebuild import rebuild
from hub.operations.recover import disagreements, resume
from hub.parts import Parts
from projections.joint_case.tables import case_row

FAMILIES, SEED = 6, 3
LOST = "agency.jc-seestadt.events"
FILES = ("store.sqlite", "log.sqlite")


@pytest.fixture
def stories(tmp_path: Path) -> Iterator[Sequence[Demo]]:
    """Twice the same two days; the third has begun at the agencies only."""
    made = [Demo(tmp_path / name, FAMILIES, SEED) for name in ("whole", "torn")]
    for demo in made:
        *past, today = islice(demo.simulation.days, 3)
        for day in past:
            begin(demo, day)
            turns(demo)
        begin(demo, today)
    yield made
    for demo in made:
        demo.close()


def begin(demo: Demo, day: date) -> None:
    demo.simulation.write_day(day)
    demo.clock.set(datetime.combine(day, time(20), tzinfo=BERLIN))


def turns(demo: Demo) -> None:
    """Hub and sources in turn, until nothing moves."""
    published = 1
    while published:
        demo.hub.run_until_quiet()
        demo.hub.beat()
        published = sum(source.step(demo.clock.now()).published for source in demo._sources)
    demo.hub.run_until_quiet()


def shown(parts: Parts) -> set[tuple[Any, ...]]:
    """What stands in the joint case, without when it was recorded."""
    columns = [case_row.c[name] for name in ("record_ref", "source_version", "publication", "event_type")]
    with parts.store.transaction() as connection:
        return {tuple(row) for row in connection.execute(select(*columns))}


def lose_unread(demo: Demo) -> int:
    """The records of the topic are gone before anybody read the newest; how many."""
    with closing(sqlite3.connect(demo.folder / "hub" / "log.sqlite")) as log, log:
        (topic,) = log.execute("SELECT id FROM topic WHERE name = ?", (LOST,)).fetchone()
        gone = log.execute("DELETE FROM record WHERE topic = ?", (topic,)).rowcount
        log.execute('UPDATE extent SET "first" = "end" WHERE topic = ?', (topic,))
    return gone


def copied(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name in FILES:
        with closing(sqlite3.connect(source / name)) as old, closing(sqlite3.connect(target / name)) as new:
            old.backup(new)


def given_again(demo: Demo) -> None:
    """As `hub connect backfill` asks for it, at every connector of the agencies' own systems."""
    for source in demo._sources:
        with source._state.transaction():
            Backfills(source._state.db).ask(source._config.streams, 1000, micros(demo.clock.now()))
    demo.clock.set(demo.clock.now() + timedelta(seconds=10))
    turns(demo)


def assert_whole_again(torn: Demo, whole: Demo) -> None:
    assert shown(whole.parts) - shown(torn.parts), "nothing was missing"
    given_again(torn)
    assert torn.outcome.duplicates > 0, "what the hub has it drops"
    assert shown(torn.parts) == shown(whole.parts)
    assert [rebuild(torn.parts, name).divergence for name in ("joint_case", "consent_register")] == [0, 0]


def test_what_was_deleted_unread_comes_back(stories: Sequence[Demo]) -> None:
    whole, torn = stories
    turns(whole)
    torn.hub.beat()
    for source in torn._sources:
        source.step(torn.clock.now())
    assert lose_unread(torn)
    with pytest.raises(OffsetGap):
        torn.hub.run_until_quiet()
    resume(torn.parts)
    turns(torn)
    assert_whole_again(torn, whole)


def test_what_an_older_hub_was_never_told_comes_again(stories: Sequence[Demo], tmp_path: Path) -> None:
    """Store and log put back together to a moment before the agencies' last day; their connectors stand further."""
    whole, torn = stories
    turns(whole)
    copied(torn.folder / "hub", tmp_path / "older")
    turns(torn)
    copied(tmp_path / "older", torn.folder / "hub")
    for source in torn._sources:
        source.close()
    torn._sources = [torn._source(office, file) for _, office, _ in OFFICES for file in SOURCES]
    assert StoreIsOlder.exit_code in {finding.code for finding in disagreements(torn.parts)}
    resume(torn.parts)
    turns(torn)
    assert_whole_again(torn, whole)
