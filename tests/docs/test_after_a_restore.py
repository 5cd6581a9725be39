"""What docs/how-to/after-a-restore.md tells an operator to do by hand, done: the statements come from the page."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.domain.clock import micros
from tests.docs.pages import ROOT
from tests.support.world import JA, MOTHER, World

PAGE = ROOT / "docs" / "how-to" / "after-a-restore.md"
ROLE = "ja_asd"


@pytest.fixture
def restored(tmp_path: Path) -> World:
    """A hub whose store is older than its log: since then a view was delivered, and its consent withdrawn unread."""
    world = World.at(tmp_path)
    world.shared()
    older = tmp_path / "older.sqlite"
    _copy(tmp_path / "store.sqlite", older)
    world.wait(hours=1)
    world.measure(provider="another", version=micros(world.clock.now()))
    world.run()
    assert world.seen(JA, ROLE) == ["MeasureStarted"]
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    now = world.clock.now()
    world.close()
    _copy(older, tmp_path / "store.sqlite")
    return World.at(tmp_path, now=now)


def test_by_the_page_the_deletion_comes_after_everything_that_was_delivered(restored: World) -> None:
    before = restored.last(JA, ROLE)
    _run_statements(restored)
    restored.run()
    last = restored.last(JA, ROLE)
    restored.close()
    assert before is not None
    assert last is not None
    assert last.view["removed"]
    assert last.view["generation"] == before.view["generation"] + 1


def test_without_it_the_deletion_would_not_be_newer(restored: World) -> None:
    """Why the page insists."""
    before = restored.last(JA, ROLE)
    restored.run()
    removed = [one.view for one in restored.views(JA, ROLE) if one.view["removed"]]
    restored.close()
    assert before is not None
    assert all(
        (view["generation"], view["version"]) <= (before.view["generation"], before.view["version"])
        for view in removed
    )


def _run_statements(world: World) -> None:
    (script,) = re.findall(
        r"^ *```sql\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    with world.parts.store.transaction() as connection:
        for statement in script.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)


def _copy(source: Path, target: Path) -> None:
    """The whole database, whatever stands beside the file."""
    for name in (target, target.with_name(target.name + "-wal"), target.with_name(target.name + "-shm")):
        name.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
