"""`hub quarantine`: what waits is told, and a released lane loses nothing and keeps its order."""

import getpass
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from hub import failpoints
from hub.ports import Outgoing
from hub.stages import misnamed
from hub.store import quarantines, tables
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from schemas import EventSchema, UnknownSchema
from tests.unit.cli.conftest import JOBCENTER, World, answer, hub


def _family(world: World) -> str:
    world.jobcenter.person("anna", "family")
    consent = world.jobcenter.grant("anna", "family", ["ja-a"])
    world.jobcenter.flush()
    return consent


def _poisoned(world: World) -> str:
    """A family whose second event on the events topic is rubbish, with two measures behind it."""
    consent = _family(world)
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.jobcenter.raw("events", world.jobcenter.case_key("family"), b"rubbish")
    world.jobcenter.measure("anna", "family", 2, [consent])
    world.jobcenter.measure("anna", "family", 2, [consent], version=1)
    world.jobcenter.flush(raw_first=True)
    world.run()
    return consent


def _rows(world: World) -> int:
    with world.parts.store.transaction() as connection:
        return int(connection.execute(select(func.count()).select_from(case_row)).scalar_one())


def test_a_batch_does_not_park_behind_a_lane_released_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has sorted its batch when the operator releases: what it was to park would wait for ever."""
    consent = _poisoned(world)
    world.jobcenter.measure("anna", "family", 3, [consent])
    world.jobcenter.flush()
    released: list[str] = []

    def between(name: str) -> None:
        if name == "admit.after_produce" and not released:
            released.append(name)
            answer("quarantine", "release", "--all")

    monkeypatch.setattr(failpoints, "_observers", [between])
    world.run()
    assert released
    assert _rows(world) == 3
    assert answer("quarantine", "list") == {"quarantined": [], "parked": 0}


@pytest.mark.parametrize("point", ["release.after_produce", "release.in_transaction"])
def test_killed_while_releasing_nothing_is_lost_or_doubled(world: World, point: str) -> None:
    _poisoned(world)
    killed = subprocess.run(
        [sys.executable, "-m", "hub", "quarantine", "release", "--all"],
        env=os.environ | {"HUB_FAILPOINT": point},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert answer("quarantine", "list")["parked"] == 2
    (outcome,) = answer("quarantine", "release", "--all")["released"]
    assert outcome["taken"] == 2
    world.run()
    assert _rows(world) == 2
    assert answer("rebuild", "joint_case")["divergence"] == 0


def _knows_none(fingerprint: bytes) -> EventSchema:
    raise UnknownSchema(fingerprint)


def test_list_names_place_reason_and_what_waits(world: World) -> None:
    _poisoned(world)
    (found,) = answer("quarantine", "list")["quarantined"]
    assert found["stage"] == "admit"
    assert found["reason"] == "unknown_schema"
    assert found["place"].startswith(f"agency.{JOBCENTER}.events/")
    assert found["waiting"] == 2
    assert found["age_s"] >= 0
    assert "unknown_schema" in hub("quarantine", "list").output


def test_released_lane_goes_on_without_the_bad_record(world: World) -> None:
    _poisoned(world)
    assert _rows(world) == 1
    (outcome,) = answer("quarantine", "release", "--all")["released"]
    assert (outcome["taken"], outcome["left_out"], outcome["parked"]) == (2, 1, 0)
    world.run()
    assert _rows(world) == 2
    assert answer("quarantine", "list") == {"quarantined": [], "parked": 0}


def test_what_comes_later_is_taken_and_a_rebuild_agrees(world: World) -> None:
    consent = _poisoned(world)
    answer("quarantine", "release", "--all")
    world.jobcenter.measure("anna", "family", 3, [consent])
    world.jobcenter.flush()
    world.run()
    assert _rows(world) == 3
    assert answer("rebuild", "joint_case")["divergence"] == 0


def test_second_bad_record_stops_the_lane_again(world: World) -> None:
    consent = _poisoned(world)
    world.jobcenter.raw("events", world.jobcenter.case_key("family"), b"more rubbish")
    world.jobcenter.measure("anna", "family", 3, [consent])
    world.jobcenter.flush(raw_first=True)
    world.run()
    lane = answer("quarantine", "list")["quarantined"][0]["lane"]
    (outcome,) = answer("quarantine", "release", lane[:6], code=1)["released"]
    assert outcome["taken"] == 2
    assert outcome["quarantined"] == {"unknown_schema": 1}
    assert outcome["parked"] == 1
    (outcome,) = answer("quarantine", "release", "--all")["released"]
    assert (outcome["taken"], outcome["left_out"]) == (1, 1)


def test_a_withdrawal_behind_a_bad_consent_record_counts_after_release(world: World) -> None:
    consent = _family(world)
    world.jobcenter.raw("consents", world.jobcenter.person_key("anna"), b"rubbish")
    world.jobcenter.withdraw("anna", "family", consent)
    world.jobcenter.flush(raw_first=True)
    world.run()
    assert answer("quarantine", "list")["quarantined"][0]["stage"] == "consents"
    answer("quarantine", "release", "--all")
    with world.parts.store.transaction() as connection:
        types = set(connection.execute(select(consent_row.c.event_type)).scalars())
    assert "ConsentWithdrawn" in types


def test_corrected_cause_takes_the_record_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that no version of this hub could read is read after the upgrade, in its place."""
    consent = _family(world)
    world.run()
    with monkeypatch.context() as before:
        before.setattr("hub.sealed.decode.by_fingerprint", _knows_none)
        world.jobcenter.measure("anna", "family", 1, [consent])
        world.jobcenter.flush()
        world.run()
    (outcome,) = answer("quarantine", "release", "--all")["released"]
    assert (outcome["taken"], outcome["left_out"]) == (1, 0)
    world.run()
    assert _rows(world) == 1


def test_poison_in_the_event_store_waits_and_goes_on(world: World) -> None:
    consent = _poisoned(world)
    answer("quarantine", "release", "--all")
    key = world.jobcenter.case_key("family").encode()
    world.parts.log.append("hub.cases", [Outgoing(key, b"rubbish")])
    world.jobcenter.measure("anna", "family", 3, [consent])
    world.jobcenter.flush()
    world.run()
    assert answer("quarantine", "list")["quarantined"][0]["stage"] == "project"
    (outcome,) = answer("quarantine", "release", "--all")["released"]
    assert (outcome["taken"], outcome["left_out"]) == (1, 1)
    assert _rows(world) == 3
    assert answer("rebuild", "joint_case")["divergence"] == 0
    with world.parts.store.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(tables.dirty)).scalar_one() == 1


def test_show_says_what_stands_where_and_how_to_go_on(world: World) -> None:
    _poisoned(world)
    lane = answer("quarantine", "list")["quarantined"][0]["lane"]
    found = answer("quarantine", "show", lane[:6])
    (bad,) = found["quarantined"]
    assert (found["stage"], bad["reason"], bad["event_type"]) == ("admit", "unknown_schema", None)
    assert [one["event_type"] for one in found["waiting"]] == ["MeasureStarted", "MeasureStarted"]
    assert found["commands"] == [
        f"hub quarantine retry {lane}",
        f'hub quarantine drop {lane} --reason "…"',
    ]
    assert f"hub quarantine retry {lane}" in hub("quarantine", "show", lane).output


def test_retry_leaves_what_still_cannot_be_taken(world: World) -> None:
    _poisoned(world)
    (outcome,) = answer("quarantine", "retry", "--all", code=1)["released"]
    assert (outcome["taken"], outcome["still"], outcome["parked"]) == (0, {"unknown_schema": 1}, 2)
    assert _rows(world) == 1
    assert answer("quarantine", "list")["parked"] == 2


def test_drop_is_recorded_and_what_waits_goes_on(world: World) -> None:
    _poisoned(world)
    (outcome,) = answer("quarantine", "drop", "--all", "--reason", "Testdaten des Herstellers")["released"]
    assert (outcome["taken"], outcome["left_out"], outcome["parked"]) == (2, 1, 0)
    world.run()
    assert _rows(world) == 2
    assert answer("quarantine", "list") == {"quarantined": [], "parked": 0}
    with world.parts.store.transaction() as connection:
        (row,) = connection.execute(select(tables.quarantine_drop)).all()
    assert (row.stage, row.cause, row.reason) == ("admit", "unknown_schema", "Testdaten des Herstellers")
    assert (row.operator, row.offset) == (getpass.getuser(), 1)
    assert answer("rebuild", "joint_case")["divergence"] == 0


def test_work_that_is_no_record_is_listed_and_tried_again(world: World) -> None:
    with world.parts.store.transaction() as connection:
        quarantines.put_item(connection, quarantines.Item("register", "jc:p_1", "failed_ValueError", 0))
    assert answer("quarantine", "list")["items"][0]["item"] == "jc:p_1"
    assert "jc:p_1" in hub("quarantine", "list").output
    refused = hub("quarantine", "drop", "jc:p_1", "--reason", "x")
    assert getattr(refused.exception, "exit_code", None) == 64
    assert answer("quarantine", "retry", "jc:p_1")["items"] == ["jc:p_1"]
    assert answer("quarantine", "list") == {"quarantined": [], "parked": 0}


def test_a_withdrawal_of_somebody_elses_consent_stays_until_it_is_dropped(world: World) -> None:
    item = "jc:0123"
    with world.parts.store.transaction() as connection:
        quarantines.put_item(connection, quarantines.Item(misnamed.STAGE, item, misnamed.NOT_THEIRS, 0))
    answer("quarantine", "retry", "--all")
    assert answer("quarantine", "list")["items"][0]["item"] == item
    assert answer("quarantine", "drop", item, "--reason", "nachgefragt")["items"] == [item]
    assert answer("quarantine", "list") == {"quarantined": [], "parked": 0}
    with world.parts.store.transaction() as connection:
        (row,) = connection.execute(select(tables.quarantine_drop)).all()
    assert (row.topic, row.cause, row.reason) == (item, misnamed.NOT_THEIRS, "nachgefragt")


@pytest.mark.parametrize(
    "arguments",
    [
        *((verb,) for verb in ("release", "retry", "drop", "show")),
        ("retry", "ab", "--all"),
        ("retry", "nothing"),
        ("show", "nothing"),
        ("drop", "--all"),
        ("drop", "--all", "--reason", " "),
        ("drop", "--all", "--reason", "a\tb"),
    ],
)
def test_wrong_call(world: World, arguments: tuple[str, ...]) -> None:
    result = hub("quarantine", *arguments)
    assert getattr(result.exception, "exit_code", None) == 64
