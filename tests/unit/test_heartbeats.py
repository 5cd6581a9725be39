"""Heartbeats: what may be said, what the hub makes of it, and who is silent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hub.adapters.clocks import ManualClock
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.clock import micros
from hub.domain.heartbeat import (
    CERTIFICATES,
    MOST_QUARANTINED,
    STATES,
    Heartbeat,
    QuarantineCount,
    decode,
    encode,
    status_topic,
    word,
)
from hub.metrics.connectors import ConnectorCollector
from hub.metrics.danger import DangerCollector
from hub.metrics.hearing import GONE_AFTER, MOST_CONNECTORS, SILENT, SILENT_AFTER, Hearing
from hub.metrics.store import StoreCollector
from hub.ports import Outgoing
from schemas import encode_single, record_schema

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
CANARY = "ZZCANARY Anna"
AGENCIES = ("jc", "ja")
BEAT = Heartbeat(
    agency="jc",
    connector="source",
    kind="sql",
    role="source",
    state="running",
    at=micros(NOW),
    last_success=micros(NOW),
    register_as_of=None,
    closed="",
    software="0.1.0",
    quarantined=(QuarantineCount("personen", "unknown_code", 3),),
    certificates={"broker_client": micros(NOW) + 5_000_000},
)


class Ear:
    """A hub that listens: its log, its clock, and what it would export."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOW)
        self.log = SqliteLog(folder / "log.sqlite", self.clock)
        self.log.create({status_topic(agency): 1 for agency in AGENCIES})
        self.hearing = Hearing(self.log, AGENCIES)
        self.registry = CollectorRegistry()
        self.registry.register(ConnectorCollector(self.hearing, self.clock.now, lambda _: {"broker_ca": 7.0}))

    def says(self, beat: Heartbeat, *, topic: str = "jc", key: str = "") -> None:
        self.log.append(status_topic(topic), [Outgoing((key or beat.connector).encode(), encode(beat))])

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"hub_{name}", labels)

    def states(self, source: str = "source") -> dict[str, float | None]:
        labels = {"agency": "jc", "source": source}
        return {state: self.value("connector_status", **labels, state=state) for state in (*STATES, SILENT)}

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path)
    yield made
    made.log.close()


def test_what_is_said_is_heard() -> None:
    assert decode(encode(BEAT)) == BEAT


@pytest.mark.parametrize(
    "said",
    [
        {"connector": "Source"},
        {"connector": "s" * 41},
        {"connector": ""},
        {"connector": "a/b"},
        {"connector": CANARY},
        {"kind": CANARY},
        {"role": CANARY},
        {"role": "hub"},
        {"state": CANARY},
        {"state": SILENT},
        {"software": CANARY},
        {"closed": CANARY},
        {"agency": CANARY},
        {"at": -1},
        {"last_success": 2**62},
        {"certificates": {CANARY: 1}},
        {"certificates": {"broker_ca": -1}},
        {"quarantined": (QuarantineCount(CANARY, "x", 1),)},
        {"quarantined": (QuarantineCount("x", CANARY, 1),)},
        {"quarantined": (QuarantineCount("x", "y", -1),)},
        {"quarantined": (QuarantineCount("x", "y", 1),) * (MOST_QUARANTINED + 1)},
    ],
    ids=str,
)
def test_what_may_not_be_said_is_no_heartbeat(said: dict[str, Any]) -> None:
    assert decode(encode(replace(BEAT, **said))) is None


def test_other_records_are_no_heartbeats() -> None:
    register = {"kind": "heartbeat", "agency": "jc", "at": 1, "consent_id": None, "subject_ref": None}
    other = encode_single(record_schema("register"), register | {"key_version": None, "box": None})
    for value in (b"", b"hello", encode(BEAT)[:-1], encode(BEAT) + b"x", other):
        assert decode(value) is None


def test_words_are_bounded() -> None:
    assert [word(one) for one in ("unknown_code", "0.1.0+x", "", CANARY, "x" * 65)] == [
        "unknown_code",
        "0.1.0+x",
        "other",
        "other",
        "other",
    ]


def test_one_state_of_the_known_ones_holds(ear: Ear) -> None:
    for state in STATES:
        ear.says(replace(BEAT, state=state))
        assert ear.states() == {one: float(one == state) for one in (*STATES, SILENT)}


def test_who_is_not_heard_for_long_is_silent_and_keeps_its_success(ear: Ear) -> None:
    ear.says(BEAT)
    ear.wait(SILENT_AFTER.total_seconds())
    assert ear.states()["running"] == 1
    ear.wait(1)
    assert (ear.states()["running"], ear.states()[SILENT]) == (0, 1)
    done = ear.value("connector_last_success_timestamp_seconds", agency="jc", source="source")
    assert done == NOW.timestamp()
    ear.says(replace(BEAT, at=micros(ear.clock.now())))
    assert ear.states()["running"] == 1


def test_who_was_stopped_is_not_missed_and_forgotten_in_the_end(ear: Ear) -> None:
    ear.says(replace(BEAT, state="stopped"))
    ear.says(replace(BEAT, connector="sink"))
    ear.wait(GONE_AFTER.total_seconds())
    assert ear.states()["stopped"] == 1
    ear.wait(1)
    assert set(ear.states().values()) == {None}
    assert ear.states("sink")[SILENT] == 1


def test_the_furthest_clock_of_an_agency_counts(ear: Ear) -> None:
    ear.says(replace(BEAT, at=micros(NOW) - 2_000_000))
    ear.says(replace(BEAT, connector="sink", at=micros(NOW) + 9_000_000))
    assert ear.value("clock_skew_seconds", agency="jc") == -9
    assert ear.value("clock_skew_seconds", agency="ja") is None


def test_a_clock_that_is_ahead_hides_no_silence(ear: Ear) -> None:
    ear.says(replace(BEAT, last_success=micros(NOW) + 10**12))
    done = ear.value("connector_last_success_timestamp_seconds", agency="jc", source="source")
    assert done == NOW.timestamp()


def test_who_never_succeeded_has_no_success(ear: Ear) -> None:
    ear.says(replace(BEAT, last_success=None))
    assert ear.states()["running"] == 1
    assert ear.value("connector_last_success_timestamp_seconds", agency="jc", source="source") is None


def test_certificates_are_named_after_whose_they_are(ear: Ear) -> None:
    ends = {which: micros(NOW) + 1_000_000 * number for number, which in enumerate(CERTIFICATES)}
    ear.says(replace(BEAT, certificates=ends))
    for number, which in enumerate(CERTIFICATES):
        found = ear.value("certificate_not_after_timestamp_seconds", cert=f"jc/source/{which}")
        assert found == NOW.timestamp() + number
    assert ear.value("certificate_not_after_timestamp_seconds", cert="hub/broker_ca") == 7


def test_what_is_no_heartbeat_is_counted_and_not_exported(ear: Ear) -> None:
    ear.says(BEAT, topic="ja")
    ear.says(BEAT, key="sink")
    ear.says(replace(BEAT, connector="ANNA"))
    ear.log.append(status_topic("jc"), [Outgoing(b"source", CANARY.encode())])
    assert ear.value("heartbeats_refused_total", agency="jc") == 3
    assert ear.value("heartbeats_refused_total", agency="ja") == 1
    assert set(ear.states().values()) == {None}
    assert b"ANNA" not in generate_latest(ear.registry)


def test_an_agency_has_at_most_so_many_connectors(ear: Ear) -> None:
    for number in range(MOST_CONNECTORS + 1):
        ear.says(replace(BEAT, connector=f"c{number}"))
    ear.says(replace(BEAT, agency="ja"), topic="ja")
    ear.says(replace(BEAT, connector="c0", state="paused"))
    heard = ear.hearing.heard(NOW)
    assert len(heard) == MOST_CONNECTORS + 1
    assert ear.hearing.refused == {"jc": 1}
    assert heard["jc", "c0"].beat.state == "paused"


def test_a_log_that_is_away_leaves_the_hubs_own_certificates(ear: Ear) -> None:
    ear.says(BEAT)
    assert ear.states()["running"] == 1
    ear.log.close()
    assert ear.states()["running"] is None
    assert ear.value("certificate_not_after_timestamp_seconds", cert="hub/broker_ca") == 7


def test_renamed_again_and_again_it_is_heard(ear: Ear) -> None:
    for number in range(MOST_CONNECTORS + 5):
        ear.says(replace(BEAT, connector=f"c{number}"))
        ear.says(replace(BEAT, connector=f"c{number}", state="stopped"))
    ear.says(replace(BEAT, connector="newest"))
    heard = ear.hearing.heard(NOW)
    assert len(heard) == MOST_CONNECTORS
    assert ("jc", "newest") in heard
    assert ("jc", f"c{MOST_CONNECTORS + 4}") in heard
    assert not ear.hearing.refused


class Hanging:
    """Whatever is asked of it, it answers when it is let go."""

    def __init__(self) -> None:
        self.free = Event()

    def __call__(self, *_: Any) -> Any:
        assert self.free.wait(10), "the scrape waited for it"
        return {}

    state = heard = transaction = __call__


def test_a_log_that_hangs_takes_no_other_metric_with_it() -> None:
    hanging: Any = Hanging()
    parts = SimpleNamespace(agencies={}, log=hanging, store=hanging, clock=ManualClock(NOW))
    registry = CollectorRegistry()
    registry.register(ConnectorCollector(hanging, parts.clock.now, lambda _: {"broker_ca": 7.0}, 0.05))
    registry.register(StoreCollector(parts, 0.05))  # type: ignore[arg-type]
    registry.register(DangerCollector(hanging, 0.05))
    found = [
        registry.get_sample_value("hub_certificate_not_after_timestamp_seconds", {"cert": "hub/broker_ca"})
    ]
    found.append(registry.get_sample_value("hub_danger_overdue", {"agency": "jc"}))
    still = not hanging.free.is_set()
    hanging.free.set()
    assert (found, still) == ([7, None], True)


def test_a_topic_that_is_not_there_yet_is_heard_later(ear: Ear) -> None:
    hearing = Hearing(ear.log, ("new",))
    assert hearing.heard(NOW) == {}
    ear.log.create({status_topic("new"): 1})
    ear.says(replace(BEAT, agency="new"), topic="new")
    assert set(hearing.heard(NOW)) == {("new", "source")}
