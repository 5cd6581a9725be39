"""Rule 14a: a record that a stage cannot take waits alone with its case; everybody else's goes on."""

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import pytest

from hub.errors import TryAgain
from hub.operations.quarantine_release import release
from hub.ports import Outgoing
from hub.store import views
from schemas import encode_single, record_schema
from tests.support.world import CHILD, JA, JC, MOTHER, World

_POINTS = {
    "consents": "projections.consent_register.apply.row",
    "admit, before producing": "hub.stages.admit.seal_state",
    "admit, after producing": "hub.stages.admit.DecisionRow",
    "project": "projections.joint_case.apply.row",
}


@pytest.fixture
def ready(world: World) -> World:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.jc.born("other", date(1980, 1, 1), family="b")
    world.jc.grants("c5", "other", ["EG"], family="b")
    world.run()
    return world


@contextmanager
def _failing(point: str, event_id: bytes) -> Iterator[None]:
    """The function at `point` fails whenever one of its arguments speaks of this event."""
    real: Callable[..., Any] = pkgutil.resolve_name(point)

    def fail(*arguments: Any, **more: Any) -> Any:
        if any(_speaks(argument, event_id) for argument in arguments):
            raise ValueError("Erika")
        return real(*arguments, **more)

    with patch(point, fail):
        yield


def _speaks(argument: Any, event_id: bytes) -> bool:
    return getattr(argument, "event_id", argument) in (event_id, event_id.hex())


@pytest.mark.parametrize("point", [name for name in _POINTS if name != "consents"])
def test_rule_14a_a_case_waits_alone_and_goes_on_when_the_cause_is_gone(ready: World, point: str) -> None:
    bad = ready.measure(key="bad")
    ready.measure(key="behind")
    ready.measure(["c5"], person="other", family="b", key="innocent")
    with _failing(_POINTS[point], bad.event_id):
        ready.run()
        ready.measure(["c5"], person="other", family="b", key="later")
        ready.measure(key="behind, later")
        ready.run()
    (row,) = ready.rows("quarantine")
    assert (row["stage"], row["reason"]) == (point.split(",", 1)[0], "failed_ValueError")
    assert len(ready.rows("parked")) == 2
    subjects = [one["subject"] for one in ready.rows("case_row")]
    assert len(subjects) == 2
    assert set(subjects) == {f"{ready.jc.id}:{ready.jc.ref('other')}"}
    release(ready.parts, row["stage"], row["lane"])
    ready.run()
    assert ready.rows("parked") == []
    assert len(ready.rows("case_row")) == 5
    assert ready.divergence() == 0


def test_rule_14a_in_consents_a_withdrawal_of_somebody_else_takes_effect(ready: World) -> None:
    ready.measure()
    ready.run()
    assert ready.seen(JA, "ja_asd") == ["MeasureStarted"]
    bad = ready.jc.say("SubjectRecorded", CHILD, {"birth_date": date(2016, 3, 3)}, version=9)
    ready.jc.withdraws("c1", MOTHER)
    with _failing(_POINTS["consents"], bad.event_id):
        ready.run()
    assert [(row["stage"], row["reason"]) for row in ready.rows("quarantine")] == [
        ("consents", "failed_ValueError")
    ]
    assert ready.seen(JA, "ja_asd") == []


def test_rule_14a_a_receipt_that_cannot_be_noted_keeps_no_other_waiting(ready: World) -> None:
    ready.measure()
    ready.run()
    (shown,) = ready.rows("view_state")
    receipt = {
        "view_id": bytes.fromhex(shown["view_id"]),
        "recipient": JA,
        "role": "ja_asd",
        "case_ref": shown["case_ref"],
        "generation": 1,
        "version": 1,
        "answer": "shown",
        "norm": None,
        "at": 1,
    }
    topic = f"agency.{JA}.receipts"
    for at in (7, 5):
        value = encode_single(record_schema("receipt"), receipt | {"at": at})
        ready.parts.log.append(topic, [Outgoing(b"k", value)])
    real = views.confirmed

    def refuse(connection: Any, recipient: str, view: str, answer: str, at: int) -> None:
        if at == 7:
            raise ValueError("Erika")
        real(connection, recipient, view, answer, at)

    with patch("hub.stages.receipts.views.confirmed", refuse):
        ready.run()
    assert [row["stage"] for row in ready.rows("quarantine")] == ["receipts"]
    assert {row["confirmed_at"] for row in ready.rows("disclosure")} == {5}


def test_rule_14a_a_withdrawal_that_no_stage_can_take_is_rescued(ready: World) -> None:
    ready.measure()
    ready.run()
    bad = ready.jc.withdraws("c1", MOTHER)
    with _failing(_POINTS["consents"], bad.event_id):
        ready.run()
    assert [row["reason"] for row in ready.rows("quarantine")] == ["narrowed_failed_ValueError"]
    assert ready.seen(JA, "ja_asd") == []


@pytest.mark.parametrize("part", ["_raise_due", "_renew", "end_expired_holds", "end_grounds", "_retained"])
def test_rule_14a_a_timer_that_fails_keeps_no_other_waiting(ready: World, part: str) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("Erika")

    ready.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17", "scope": "all"}, key="gone")
    with patch(f"hub.stages.timers.{part}", fail):
        ready.run()
        assert [row["stage"] for row in ready.rows("quarantine_item")] == ["tick"]
        assert [row["executed_at"] is not None for row in ready.rows("erasure")] == [True]
    ready.run()
    assert ready.rows("quarantine_item") == []


def test_rule_14a_who_never_comes_to_rest_waits_alone(ready: World) -> None:
    """A person who changes each time while their register entries are made."""
    mother = f"{JC}:{ready.jc.ref(MOTHER)}"

    def moved(_: Any, read: Any) -> list[str]:
        return [mother] if mother in read else []

    ready.jc.grants("c2", MOTHER, ["VB"])
    ready.jc.grants("c6", "other", ["VB"], family="b")
    with patch("hub.stages.register._moved", moved):
        ready.run()
    assert {(row["item"], row["reason"]) for row in ready.rows("quarantine_item")} == {(mother, "changing")}
    assert [row["subject"] for row in ready.rows("register_dirty")] == [mother]
    ready.wait(minutes=10)
    ready.run()
    assert ready.rows("register_dirty") == ready.rows("quarantine_item") == []


def test_rule_14a_a_batch_that_never_comes_to_rest_makes_its_worker_wait(ready: World) -> None:
    ready.measure(key="m1")
    with patch("hub.stages.driver.still_mine", lambda *_: False), pytest.raises(TryAgain):
        ready.run()
    ready.run()
    assert ready.seen(JA, "ja_asd") == ["MeasureStarted"]
