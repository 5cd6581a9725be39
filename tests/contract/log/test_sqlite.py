"""The event log in one file."""

import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest

from hub.adapters.clocks import ManualClock
from hub.adapters.log.sqlite import SqliteLog
from hub.errors import ServiceUnavailable
from hub.ports import Outgoing
from tests.contract.log.contract import EventLogContract


class TestSqliteLog(EventLogContract):
    @pytest.fixture
    def opened(self, tmp_path: Path, clock: ManualClock) -> SqliteLog:
        self.path = tmp_path / "log.db"
        return SqliteLog(self.path, clock)

    def drop(self, topic: str) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("DELETE FROM topic WHERE name = ?", (topic,))
        connection.close()


def _append(path: Path, worker: int) -> None:
    log = SqliteLog(path)
    for number in range(20):
        log.append("events", [Outgoing(b"%d" % worker, b"%d" % number)] * 5)
    log.close()


def test_processes_share_the_file(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.create({"events": 2})
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(tmp_path / "log.db", number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sum(log.state(["events"])["events"].end.values()) == 200
    log.close()


def test_a_locked_file_is_unavailable_within_the_deadline(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    log.create({"events": 1})
    other = sqlite3.connect(tmp_path / "log.db")
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        log.append("events", [Outgoing(b"k", b"x")], deadline=0.3)
    assert time.monotonic() - began < 2
    other.close()
    log.append("events", [Outgoing(b"k", b"x")])
    log.close()


def test_compacted_topics_keep_the_newest_of_each_key(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.db")
    topics, compacted = {"status": 1, "events": 1}, {"status": {"cleanup.policy": "compact"}}
    log.create(topics, compacted)
    for topic in topics:
        log.append(topic, [Outgoing(key, value) for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))])
    before = log.state(["status"])
    log.create(topics, compacted)
    assert [(one.offset, one.value) for one in log.read("status", {0: 0})] == [(1, b"2"), (2, b"3")]
    assert [one.value for one in log.read("events", {0: 0})] == [b"1", b"2", b"3"]
    assert log.state(["status"]) == before
    log.append("status", [Outgoing(b"b", b"4")])
    assert [one.offset for one in log.read("status", {0: 2})] == [2, 3]
    log.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match=r"log\.db"):
        SqliteLog(tmp_path / "absent" / "log.db")
