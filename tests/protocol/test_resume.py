"""After a restore a person lets the hub go on: nothing withdrawn in between is shown (rules 13, 18, 19)."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from hub.domain.clock import micros
from hub.errors import LogIsOlder, Refused, TopicRecreated
from hub.operations.rebuild import rebuild
from hub.operations.recover import disagreements, resume
from tests.support.world import JA, MOTHER, World

ROLE = "ja_asd"


def _copy(source: Path, target: Path) -> None:
    """A file backup as an operator takes it: the database with what stands in its write-ahead log."""
    target.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _gone(world: World) -> bool:
    last = world.last(JA, ROLE)
    return last is not None and bool(last.view["removed"])


def _opened(world: World) -> list[str]:
    """What a worker sees who opens the joint view now."""
    return [entry.event_type for part in world.open(JA, ROLE).redacted.parts for entry in part.entries]


@pytest.fixture
def shown(tmp_path: Path) -> World:
    """A hub that shows a measure, and backups of its store and log from before it showed anything."""
    world = World.at(tmp_path)
    world.know_family()
    for name in ("store", "log"):
        _copy(tmp_path / f"{name}.sqlite", tmp_path / f"{name}.older")
    world.wait(hours=1)
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    assert world.seen(JA, ROLE) == ["MeasureStarted"]
    return world


def test_an_older_store_deletes_what_it_has_forgotten_that_it_showed(shown: World, tmp_path: Path) -> None:
    """First shown after the backup, withdrawn while nobody looked: the deletion comes all the same, and wins."""
    before = shown.last(JA, ROLE)
    shown.wait(hours=1)
    shown.jc.withdraws("c1", MOTHER)
    now = shown.clock.now()
    shown.close()
    _copy(tmp_path / "store.older", tmp_path / "store.sqlite")
    world = World.at(tmp_path, now=now)
    outcome = resume(world.parts)
    world.run()
    last = world.last(JA, ROLE)
    world.close()
    assert outcome.adopted_views >= 1
    assert before is not None
    assert last is not None
    assert last.view["removed"]
    assert last.view["generation"] > before.view["generation"]


def test_an_older_log_gets_back_the_withdrawal_that_it_lost(shown: World, tmp_path: Path) -> None:
    """Otherwise a later rebuild from the log would bring the consent back; the time of its receipt stays as it was."""
    shown.wait(hours=1)
    shown.jc.withdraws("c1", MOTHER)
    shown.run()
    now = shown.clock.now() + timedelta(minutes=5)
    shown.close()
    _copy(tmp_path / "log.older", tmp_path / "log.sqlite")
    world = World.at(tmp_path, now=now)
    assert {finding.code for finding in disagreements(world.parts)} == {LogIsOlder.exit_code}
    outcome = resume(world.parts)
    assert disagreements(world.parts) == []
    world.run()
    rebuilt = [rebuild(world.parts, name) for name in ("consent_register", "joint_case")]
    world.measure(version=micros(now))
    world.run()
    seen = _opened(world)
    world.close()
    assert sum(outcome.appended.values()) > 0
    assert [one.divergence for one in rebuilt] == [0, 0]
    assert seen == []


def test_new_records_of_a_restored_log_are_read(shown: World, tmp_path: Path) -> None:
    """The log gives their offsets a second time: without the positions going back they would be skipped."""
    now = shown.clock.now()
    shown.close()
    _copy(tmp_path / "log.older", tmp_path / "log.sqlite")
    world = World.at(tmp_path, now=now)
    resume(world.parts)
    world.run()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    gone = _gone(world)
    world.close()
    assert gone


def test_a_topic_made_anew_is_filled_from_the_store(shown: World, tmp_path: Path) -> None:
    now = shown.clock.now()
    shown.close()
    (tmp_path / "log.sqlite").unlink()
    for suffix in ("-wal", "-shm"):
        Path(f"{tmp_path / 'log.sqlite'}{suffix}").unlink(missing_ok=True)
    world = World.at(tmp_path, now=now)
    assert {finding.code for finding in disagreements(world.parts)} == {TopicRecreated.exit_code}
    resume(world.parts)
    world.run()
    rebuilt = [rebuild(world.parts, name) for name in ("consent_register", "joint_case")]
    seen = _opened(world)
    world.close()
    assert [one.divergence for one in rebuilt] == [0, 0]
    assert [one.rows > 0 for one in rebuilt] == [True, True]
    assert seen == ["MeasureStarted"]


def test_deleted_consents_keep_the_hub_closed(shown: World, tmp_path: Path) -> None:
    """They may have been withdrawals."""
    shown.wait(hours=1)
    shown.jc.withdraws("c1", MOTHER)
    now = shown.clock.now()
    shown.close()
    shutil.copy(tmp_path / "log.sqlite", tmp_path / "log.kept")
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as log:
        log.execute("DELETE FROM record")
        log.execute('UPDATE extent SET "first" = "end"')
        log.commit()
    world = World.at(tmp_path, now=now)
    with pytest.raises(Refused) as refused:
        resume(world.parts)
    world.close()
    assert refused.value.reason == "gap"


def test_nothing_is_found_where_nothing_is_wrong(shown: World) -> None:
    assert disagreements(shown.parts) == []
    shown.close()
