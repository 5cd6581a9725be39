"""The drill: keys, store and consents worker are down, and a report still reaches intake; it is nowhere else."""

import logging
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from hub.adapters.log.sqlite import SqliteLog
from hub.danger.watch import Watch
from hub.errors import HubError
from hub.metrics.danger import DangerCollector
from hub.metrics.named import PROCESS
from hub.metrics.store import StoreCollector
from hub.rights.event_history.trail import trail
from tests.support.danger import Path8a, records
from tests.support.world import JA, JC, World

CANARY = "ZZKANARIENVOGELZZ"
REPORT = {
    "child": CANARY,
    "signs": [CANARY],
    "family_informed": True,
    "channel": CANARY,
    "number": CANARY,
    "case": CANARY,
}


def dump(folder: Path) -> list[str]:
    """Everything in the hub's store, as text."""
    with closing(sqlite3.connect(folder / "hub" / "store.sqlite")) as store:
        return [line for line in store.iterdump() if "INSERT" in line]


def test_a_report_reaches_intake_while_keys_store_and_workers_are_down(tmp_path: Path) -> None:
    world = World.at(tmp_path / "hub")
    world.shared()
    world.close()
    for name in ("store.sqlite", "keys.sqlite"):
        for file in (tmp_path / "hub").glob(f"{name}*"):
            file.unlink()
        (tmp_path / "hub" / name).mkdir()
    with pytest.raises((HubError, SQLAlchemyError)):
        World.at(tmp_path / "hub")
    path = Path8a(tmp_path, 'path = "../hub/log.sqlite"')
    sent = path.report(REPORT)
    assert sent["state"] == "sent"
    assert path.inbox()[0]["versions"][0]["fields"]["child"] == CANARY
    path.say("acknowledge", sent["report_id"])
    path.say("answer", sent["report_id"], "--confirmed", "--acted", "--not-still-acting")
    (known,) = path.status()["reports"]
    assert known["flags"] == {"confirmed": True, "acted": True, "still_acting": False}


def test_nothing_of_a_report_is_anywhere_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World.at(tmp_path / "hub", now=datetime(2026, 11, 22, 7, tzinfo=UTC))
    world.shared()
    topics = [
        f"agency.{agency}.{kind}"
        for agency in (JC, JA)
        for kind in ("events", "consents", "views", "register")
    ]
    before = {topic: len(records(world.parts.log, topic)) for topic in (*topics, "hub.cases")}
    rows = dump(tmp_path)
    path = Path8a(tmp_path, 'path = "../hub/log.sqlite"')
    sent = path.report(REPORT)
    path.inbox()
    path.say("acknowledge", sent["report_id"])
    path.say("answer", sent["report_id"], "--confirmed")
    path.status()
    world.run()
    assert dump(tmp_path) == rows
    world.divergence()
    assert {topic: len(records(world.parts.log, topic)) for topic in before} == before
    assert trail(world.parts, sent["report_id"]).steps == ()
    registry = CollectorRegistry()
    registry.register(StoreCollector(world.parts))
    watch = Watch(world.parts.log, {JC: "jobcenter", JA: "youth_welfare"})
    registry.register(DangerCollector(lambda: watch.overdue(world.clock.now(), 15)))
    told = generate_latest(registry) + generate_latest(PROCESS)
    assert b'hub_danger_overdue{agency="ja-a"} 0.0' in told
    world.close()
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 8
    needles = [CANARY.encode(), sent["report_id"].encode()]
    assert not [needle for needle in needles if needle in told or needle in caplog.text.encode()]
    assert not [needle for needle in needles[:1] for content in files if needle in content]
    keys = {
        bytes(record.key)
        for topic in path.topics
        for record in records(SqliteLog(tmp_path / "hub" / "log.sqlite"), topic)
    }
    store = (tmp_path / "hub" / "store.sqlite").read_bytes()
    assert keys
    assert not [key for key in (*keys, bytes.fromhex(sent["report_id"])) if key in store]


def test_only_the_intakes_own_key_opens_what_the_log_and_both_boxes_hold(tmp_path: Path) -> None:
    path = Path8a(tmp_path, 'path = "../log.sqlite"')
    log = SqliteLog(tmp_path / "log.sqlite")
    log.create(dict.fromkeys(path.topics, 1))
    path.report(REPORT)
    path.inbox()
    shutil.copy(path.folder / path.jobcenter / "danger.key", path.folder / path.office / "danger.key")
    (found,) = path.inbox()
    assert found["versions"] == [{"fields": {}, "unread": "", "marks": ["unopened"]}]
    log.close()
