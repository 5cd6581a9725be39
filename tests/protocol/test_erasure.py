"""Erasure by request: keys, rows, views and held events go, others' stay, nothing brings them back (rules 4 to 7)."""

import shutil
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from hub.erasure.certificate import genuine, public_key
from hub.erasure.completion import status
from hub.errors import KeyServiceUnavailable
from hub.operations.recover import resume
from hub.parts import CASES
from hub.ports import Key, KeyRef
from hub.stages import admit
from hub.store import erasures
from schemas import encode_single, record_schema
from tests.support.world import CHILD, JA, JC, MOTHER, World

Row = dict[str, Any]


def _asks(world: World, person: str = MOTHER) -> str:
    """The person asks the jobcenter to have the hub forget what it said; returns the request's id."""
    return world.jc.say(
        "ErasureRequested", person, {"norm": "Art. 17 DSGVO"}, key=f"e {person}"
    ).event_id.hex()


def _rows(world: World, subject: str = "") -> list[Row]:
    rows = sorted((dict(row) for row in world.rows("case_row")), key=lambda row: str(row["record_ref"]))
    return [{**row, "generation": 0} for row in rows if subject in ("", row["subject"])]


def _certificate(world: World, request: str) -> Row:
    with world.parts.store.transaction() as connection:
        found = erasures.find(connection, request)
    assert found is not None
    said: Row = orjson.loads(found.certificate or "{}")
    return said


def _confirms(world: World, agency: str, answer: str, norm: str | None = None) -> None:
    """The agency's sink answers to the newest view of every role."""
    office = world.jc if agency == JC else world.ja
    for role in world.parts.agencies[agency].roles:
        if last := world.last(agency, role):
            names = ("view_id", "recipient", "role", "case_ref", "generation", "version")
            receipt = {name: last.view[name] for name in names} | {"answer": answer, "norm": norm, "at": 1}
            office.put("receipts", _outgoing(last.view["case_ref"], receipt))
    office.flush()
    world.run()


def _outgoing(key: str, receipt: Row) -> Any:
    from hub.ports import Outgoing

    return Outgoing(key.encode(), encode_single(record_schema("receipt"), receipt))


def test_what_one_agency_said_goes_and_the_others_stay(world: World) -> None:
    world.shared()
    others = [row for row in _rows(world) if row["controller"] == JA]
    request = _asks(world)
    world.run()
    assert _rows(world) == others
    assert world.seen(JA, "ja_asd") == []
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    assert [part.sender for part in world.open(JA, "ja_asd").redacted.parts] == [JA]
    assert [part.content for one in world.views(JA, "ja_asd") for part in one.parts] == [None]
    said = _certificate(world, request)
    assert {(key["kind"], key["controller"], key["sender"]) for key in said["keys"]} == {
        ("box", JC, JC),
        ("view", JA, JC),
    }
    assert said["removed"] == {"case_row": 1, "held": 0}
    assert (said["norm"], said["agency"]) == ("Art. 17 DSGVO", JC)


def test_the_proof_of_the_consent_outlives_the_erasure(world: World) -> None:
    world.shared()
    _asks(world)
    world.run()
    ref = KeyRef("proof", JC, world.jc.ref(MOTHER))
    assert isinstance(world.parts.keys.opening([(ref, 1)])[ref, 1], Key)
    assert "ErasureExecuted" in [row["event_type"] for row in world.rows("consent_row")]


def test_a_rebuild_equals_the_old_read_models_minus_that_person(world: World) -> None:
    world.shared()
    expected = [row for row in _rows(world) if not str(row["subject"]).endswith(world.jc.ref(MOTHER))]
    assert len(expected) == len(_rows(world)) - 1
    _asks(world)
    world.run()
    assert world.divergence() == 0
    assert _rows(world) == expected


def test_a_record_that_was_under_way_leaves_no_row(world: World) -> None:
    world.shared()
    world.measure(key="late")
    topic = f"agency.{JC}.events"
    state = world.parts.log.state([topic])[topic]
    admit.admit(world.parts, state.topic_id, [world.records(topic)[-1]])  # admitted, not yet projected
    assert len(world.records(CASES)) == 3
    _asks(world)
    world.host.catch_up()
    world.run()
    assert [row["controller"] for row in _rows(world)] == [JA]
    assert world.divergence() == 0


def test_a_redelivered_request_and_redelivered_records_change_nothing(world: World) -> None:
    world.shared()
    measure = world.measure(key="second")
    world.run()
    _asks(world)
    world.run()
    world.wait(hours=1)
    world.measure(key="new", provider="Neu")
    world.run()
    before = _rows(world)
    assert [row["controller"] for row in before].count(JC) == 1
    world.jc.repeat(-2)  # the request
    world.jc.send(measure)
    world.run()
    assert _rows(world) == before
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_held_events_end_as_withheld(world: World) -> None:
    world.shared()
    world.measure(consents=["unknown"], key="waits")
    world.run()
    assert len(world.rows("held")) == 1
    request = _asks(world)
    world.run()
    assert world.rows("held") == []
    assert ("withheld", "erased") in world.decisions()
    assert _certificate(world, request)["removed"]["held"] == 1


def test_without_the_key_service_nothing_happens_and_it_is_tried_again(world: World) -> None:
    world.shared()
    before = _rows(world)
    _asks(world)
    down = KeyServiceUnavailable("down")
    with patch.object(world.parts.keys, "destroy", side_effect=down), pytest.raises(KeyServiceUnavailable):
        world.run()
    assert _rows(world) == before
    world.run()
    assert [row["controller"] for row in _rows(world)] == [JA]


def test_it_stays_open_and_visible_until_every_recipient_has_answered(world: World) -> None:
    world.shared()
    request = _asks(world)
    world.run()
    (open_one,) = status(world.parts, [request])
    assert open_one["state"] == "waiting_for_answers"
    assert {(one["recipient"], one["answered"]) for one in open_one["recipients"]} == {(JA, False)}
    _confirms(world, JA, "kept", "§ 84 SGB X")
    (done,) = status(world.parts, [request])
    assert done["state"] == "completed"
    answers = {one["answer"] for one in _certificate(world, request)["recipients"]}
    assert answers == {"kept § 84 SGB X"}


def test_what_nobody_was_shown_is_complete_at_once(world: World) -> None:
    world.know_family()
    request = _asks(world, CHILD)
    world.run()
    world.run()
    assert [one["state"] for one in status(world.parts, [request])] == ["completed"]


def test_the_certificate_is_signed(small: World) -> None:
    small.shared()
    said = _certificate(small, _run(small, _asks(small)))
    public = public_key(small.parts.secret)
    assert genuine(said, public)
    assert not genuine(said | {"norm": "another"}, public)
    assert not genuine(said | {"public_key": public_key(b"x" * 32)}, public_key(b"x" * 32))
    assert small.ja.ref(MOTHER) not in orjson.dumps(said).decode()


def _run(world: World, request: str) -> str:
    world.run()
    return request


def test_a_restored_store_erases_again_and_keeps_what_came_later(small: World) -> None:
    small.shared()
    small.close()
    shutil.copy(small.data / "store.sqlite", small.data / "backup.sqlite")
    live = World.at(small.data)
    _asks(live)
    live.run()
    live.wait(hours=1)
    live.jc.grants("c9", MOTHER, ["EG"])
    live.measure(["c9"], key="new", provider="Neu")
    live.run()
    expected = _rows(live)
    assert len(expected) == 2
    live.close()
    for name in ("store.sqlite-wal", "store.sqlite-shm"):
        (small.data / name).unlink(missing_ok=True)
    shutil.copy(small.data / "backup.sqlite", small.data / "store.sqlite")
    restored = World.at(small.data, now=live.clock.now())
    resume(restored.parts)
    restored.run()
    assert _rows(restored) == expected
    assert restored.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert restored.divergence() == 0
    restored.close()
