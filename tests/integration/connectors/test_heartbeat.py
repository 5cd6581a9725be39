"""A connector tells the hub that it lives: when, what, never anything of anybody, and never in the step's way."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from connectors.pipeline.config.certificates import certificates
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.run.heartbeat import AGAIN, EVERY, PATIENCE, HeartbeatSender
from connectors.pipeline.state.heartbeat import StepStatus
from hub.adapters.clocks import ManualClock
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.expiry import not_after
from hub.cli.connect.run import Runner
from hub.domain.clock import micros
from hub.domain.heartbeat import MOST_QUARANTINED, OTHER, Heartbeat, decode, status_topic
from hub.errors import AccessRefused, ConfigurationError, ServiceUnavailable

JC = "jc-seestadt"
SECOND = timedelta(seconds=1)


class Living:
    """One connector with a clock of the test's, and what the hub heard of it."""

    def __init__(self, config: Path, offices: Any, tools: Any) -> None:
        self.clock, self.offices = ManualClock(tools.evening(0)), offices
        self.runner = Runner(load_config(config), self.clock)

    def step(self, after: timedelta = timedelta()) -> None:
        """The hub's register stays young, whatever time it is."""
        self.clock.set(self.clock.now() + after)
        self.offices.beat(self.clock.now())
        self.runner.loop(Event(), once=True, as_json=False)

    def heard(self) -> list[Heartbeat]:
        return heard(self.offices)

    def states(self) -> list[str]:
        return [one.state for one in self.heard()]


def records(offices: Any) -> list[Any]:
    return list(offices.log.read(status_topic(JC), {0: 0, 1: 0}, 1000))


def heard(offices: Any) -> list[Heartbeat]:
    found = [decode(record.value) for record in records(offices)]
    assert None not in found
    return [one for one in found if one is not None]


@pytest.fixture
def living(house: Path, offices: Any, tools: Any) -> Iterator[Living]:
    made = Living(house, offices, tools)
    yield made
    made.runner.close()


def test_at_the_start_then_once_a_minute_and_at_a_clean_stop(living: Living) -> None:
    began = living.clock.now()
    for after in (timedelta(), SECOND, EVERY - 2 * SECOND, SECOND, SECOND):
        living.step(after)
    living.runner.say_stopped()
    told = [(one.state, one.at - micros(began)) for one in living.heard()]
    assert told == [("running", 0), ("running", 60_000_000), ("stopped", 61_000_000)]
    assert living.heard()[-1].last_success == micros(living.clock.now())
    assert {record.key for record in records(living.offices)} == {b"source"}


def test_it_says_who_it_is(living: Living) -> None:
    living.step()
    living.runner.say_stopped()
    one = living.heard()[-1]
    assert (one.agency, one.connector, one.kind, one.role) == (JC, "source", "sql", "source")
    assert one.register_as_of == one.last_success == one.at == micros(living.clock.now())
    assert (one.closed, dict(one.certificates)) == ("", {})


def test_what_changes_is_said_at_once(living: Living) -> None:
    living.step()
    real = living.runner._part.step
    for error, told in ((ServiceUnavailable, "waiting"), (AccessRefused, "auth")):

        def away(_now: Any, kind: type[ServiceUnavailable] = error) -> None:
            raise kind("does not answer", place="database", remedy="wait")

        living.runner._part.step = away
        for _ in range(2):
            with pytest.raises(error):
                living.step()
        assert living.states()[-1] == told
    living.runner._part.step = real
    living.step()
    living.runner._pulse.pause(living.clock.now(), "Wartung wegen Frau Anna")
    living.step()
    living.runner._pulse.resume()
    living.step()
    assert living.states() == ["running", "waiting", "auth", "running", "paused", "running"]
    assert not any(b"Anna" in record.value for record in records(living.offices))


def test_a_closed_gate_is_said(living: Living) -> None:
    living.step()
    living.clock.set(living.clock.now() + timedelta(hours=1))
    living.runner.loop(Event(), once=True, as_json=False)
    assert living.states()[-1] == "closed"
    assert living.heard()[-1].closed == "register_stale"


def test_what_waits_is_counted_and_nothing_else_of_it(living: Living, break_a_code: Any) -> None:
    break_a_code("ZZSTRANGE")
    living.step()
    living.step(EVERY)
    assert [tuple(one) for one in living.heard()[-1].quarantined] == [("personen", "unknown_code", 1)]
    with closing(sqlite3.connect(living.offices.database)) as db:
        rows = db.execute("SELECT * FROM T_PERSON").fetchall()
    needles = {str(value).encode() for row in rows for value in row if value and len(str(value)) > 4}
    assert len(needles) > 20
    said = b"".join(record.key + record.value for record in records(living.offices))
    assert [needle for needle in (*needles, b"ZZSTRANGE") if needle in said] == []


def test_many_reasons_are_counted_together(living: Living, house: Path) -> None:
    living.step()
    with closing(sqlite3.connect(house.parent / "state" / "source.sqlite")) as db, db:
        for number in range(MOST_QUARANTINED + 5):
            values = (f"s{number}", b"k", "E", "reason", "place", "", "", b"")
            db.execute("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        odd = ("Straße Süd", b"k", "E", "reason", "place", "", "", b"")
        db.execute("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)", odd)
    living.runner._heart.beat(replace(living.runner._beat, state="waiting"))
    waiting = living.heard()[-1].quarantined
    assert len(waiting) == MOST_QUARANTINED
    assert sum(one.number for one in waiting) == MOST_QUARANTINED + 6
    assert waiting[-1].stream == OTHER


def test_an_input_that_is_held_is_said(living: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    living.step()

    class Shelf:
        def held(self) -> str:
            return "a snapshot"

    monkeypatch.setattr("connectors.sources.sql.waiting", lambda *_: Shelf(), raising=False)
    living.step(EVERY)
    assert living.states()[-1] == "held"


def test_certificates_are_named_by_what_they_are_for(house: Path, offices: Any, tools: Any) -> None:
    made = make_certificates(house.parent / "certs", [JC])[f"connector-{JC}"]
    (house.parent / "certs" / "broken.pem").write_text("no certificate")
    offices.edit(
        JC,
        lambda toml: toml.replace(
            "[keys]\n", '[keys]\ntls_ca = "certs/broken.pem"\ntls_cert = "certs/connector-jc-seestadt.pem"\n'
        ).replace(
            "[log]\n",
            f'[log]\nsecurity = "ssl"\nca = "{made.ca}"\ncert = "{made.cert}"\nkey = "{made.key}"\n',
        ),
    )
    config = load_config(house)
    assert {one.which for one in certificates(config) if one.not_after is None} == {"key_service_ca"}
    now = tools.evening(0)
    HeartbeatSender(config, offices.log, ManualClock(now)).beat(StepStatus(at=now, state="running"))
    (one,) = heard(offices)
    assert one.certificates == {
        "broker_ca": micros(not_after(made.ca)),
        "broker_client": micros(not_after(made.cert)),
        "key_service_client": micros(not_after(made.cert)),
    }


@pytest.mark.parametrize("error", [ServiceUnavailable, ConfigurationError, sqlite3.OperationalError])
def test_what_cannot_be_sent_disturbs_no_step_and_is_tried_again(
    living: Living, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    log, tried = living.runner._heart._log, list[float]()
    real = type(log).append

    def refused(self: Any, topic: str, sent: Any, *, deadline: float = 30.0) -> None:
        if topic == status_topic(JC):
            tried.append(deadline)
            raise error("refused")
        real(self, topic, sent, deadline=deadline)

    monkeypatch.setattr(type(log), "append", refused)
    structlog.reset_defaults()
    with capture_logs() as said:
        for after in (timedelta(), SECOND, AGAIN, SECOND):
            living.step(after)
    living.runner.say_stopped()
    assert tried == [PATIENCE] * 3
    assert [one["event"] for one in said].count("connector.heartbeat_unsent") == 1
    assert living.runner._beat.totals["published"] > 0
    monkeypatch.undo()
    living.step(AGAIN)
    assert living.states() == ["running"]


def test_it_is_heard_while_it_rests(living: Living) -> None:
    """However long the pause between two steps is."""

    class Night(Event):
        def __init__(self) -> None:
            super().__init__()
            self.waits: list[float] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0.0)
            living.clock.set(living.clock.now() + timedelta(seconds=timeout or 0.0))
            return len(self.waits) > 3

    night = Night()
    living.step()
    living.runner._rest(night, 36_000.0)
    assert night.waits == [EVERY.total_seconds()] * 4
    assert living.states() == ["running"] * 4
    living.runner._rest(night, 7.0)
    assert 6 < night.waits[-1] <= 7
    assert len(living.states()) == 4


def test_a_name_is_the_states_or_the_configurations(house: Path, offices: Any) -> None:
    assert load_config(house).name == "source"
    offices.edit(JC, lambda toml: toml.replace("state/source.sqlite", "state/Süd Fälle 1.sqlite"))
    assert load_config(house).name == "s-d-f-lle-1"
    offices.edit(
        JC, lambda toml: toml.replace("state/Süd Fälle 1.sqlite", "/var/lib/fallbruecke/quelle/state.sqlite")
    )
    assert load_config(house).name == "quelle", "as the systemd unit proposes it"
    offices.edit(JC, lambda toml: toml.replace("[connector]\n", '[connector]\nname = "open-prosoz_2"\n'))
    assert load_config(house).name == "open-prosoz_2"
    offices.edit(JC, lambda toml: toml.replace("open-prosoz_2", "Frau Anna"))
    with pytest.raises(ConfigurationError, match=r"connector\.name") as caught:
        load_config(house)
    assert "Anna" not in str(caught.value)


def full(*databases: sqlite3.Connection) -> None:
    """No page more for these files: SQLite says what it says on a full disk."""
    for db in databases:
        db.execute("PRAGMA max_page_count = 1")


def test_a_full_disk_ends_it_with_a_remedy_and_is_told(living: Living) -> None:
    runner = living.runner
    full(runner._part._state.db, runner._part._pseudonyms._db, runner._pulse._db)
    with pytest.raises(ServiceUnavailable) as error:
        living.step()
    assert error.value.place == "source.sqlite"
    assert "disk" in error.value.remedy
    assert living.states()[-1] == "waiting"


def test_so_does_a_file_that_cannot_be_written(living: Living) -> None:
    def step(_now: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "Kowalski_Anna.csv.grund.json")

    living.runner._part.step = step
    with pytest.raises(ServiceUnavailable, match="ENOSPC") as error:
        living.step()
    assert "Anna" not in str(error.value)
    assert living.states()[-1] == "waiting"


def test_who_dies_at_every_step_does_not_run(house: Path, offices: Any, tools: Any) -> None:
    """It is started again every ten seconds, so it is never silent."""

    def step(_now: Any) -> None:
        raise KeyError("Kowalski")

    for fails in (True, True, False):
        living = Living(house, offices, tools)
        before = len(living.heard())
        if fails:
            living.runner._part.step = step
            with pytest.raises(KeyError):
                living.step()
        else:
            living.step()
        living.runner.close()
        told = living.states()[before:]
        assert told[-1] == ("waiting" if fails else "running")
        assert told[0] == ("running" if before == 0 else "waiting")
    assert not any(b"Kowalski" in record.value for record in records(offices))
