"""Rules 4 to 6: whose key it is, when it goes, and that nothing stands in clear."""

from datetime import date, timedelta
from unittest.mock import patch

import pytest

from hub.domain.seal import key_version
from hub.errors import KeyServiceUnavailable
from hub.parts import CASES
from hub.ports import Erased, Key, KeyRef
from schemas import decode_single
from tests.support.world import CHILD, JA, JC, MOTHER, World, crash_at


def _box_key(world: World, agency: str, person: str) -> KeyRef:
    office = world.jc if agency == JC else world.ja
    return KeyRef("box", agency, office.ref(person))


def _opens(world: World, ref: KeyRef, version: int = 1) -> bool:
    return isinstance(world.parts.keys.opening([(ref, version)])[ref, version], Key)


def test_rule_4_one_key_per_person_and_controller_and_per_sender_and_recipient(world: World) -> None:
    world.shared()
    with world.parts.keys.database.engine.connect() as connection:  # type: ignore[attr-defined]
        refs = set(connection.exec_driver_sql("SELECT kind, controller, subject, sender FROM key").all())
    boxes = {tuple(_box_key(world, JC, MOTHER)), tuple(_box_key(world, JA, CHILD))}
    views = {("view", JA, world.ja.ref(MOTHER), JC), ("view", JC, world.jc.ref(CHILD), JA)}
    assert {ref for ref in refs if ref[0] == "box"} == boxes
    assert {ref for ref in refs if ref[0] == "view"} == views
    assert {ref[0] for ref in refs} == {"box", "view", "proof", "hub"}


def test_rule_4_a_fenced_version_is_withheld_and_the_register_names_the_new_one(world: World) -> None:
    world.shared()
    late = world.jc.draft("MeasureStarted", MOTHER, {"provider": "Spät"}, consents=["c1"], key="late")
    world.parts.keys.fence(_box_key(world, JC, MOTHER))
    world.jc.send(late)
    world.measure(key="next", provider="Neu")
    world.run()
    assert ("withheld", "key_fenced") in world.decisions()
    assert world.rows("quarantine") == []
    assert [row["state"] for row in world.rows("held")] == []
    assert len(world.records(CASES)) == 3
    entries = [decode_single(record.value)[1] for record in world.records(f"agency.{JC}.register")]
    assert {(one["subject_ref"], one["key_version"]) for one in entries if one["kind"] == "key"} == {
        (world.jc.ref(MOTHER), 2)
    }


def test_rule_4_without_the_key_service_nothing_moves(world: World) -> None:
    world.shared()
    positions = world.rows("position")
    world.measure(key="next")
    with patch.object(world.parts.keys, "opening", side_effect=KeyServiceUnavailable("down")):
        with pytest.raises(KeyServiceUnavailable):
            world.run()
        with pytest.raises(KeyServiceUnavailable):
            world.open(JA, "ja_asd")
    assert world.rows("position") == positions
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]


def test_rule_5_with_the_last_ground_the_key_goes_and_all_is_dark(world: World) -> None:
    world.shared()
    shown = world.last(JA, "ja_asd")
    assert shown is not None
    assert shown.parts[0].content
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    assert not _opens(world, _box_key(world, JC, MOTHER))
    assert _opens(world, _box_key(world, JA, CHILD))
    assert [part.content for one in world.views(JA, "ja_asd") for part in one.parts] == [None]
    assert [part.content is None for one in world.views(JC, "jc_case_manager") for part in one.parts] == [
        False
    ]
    assert world.open(JC, "jc_case_manager").redacted.parts[0].sender == JA


def test_rule_5_a_withdrawal_at_the_other_agency_ends_the_ground_too(world: World) -> None:
    world.know_family()
    world.ja.grants("c1", MOTHER, ["EG"], sender=JC, to=[JA])
    world.measure()
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.wait(hours=1)
    world.ja.withdraws("c1", MOTHER)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert not _opens(world, _box_key(world, JC, MOTHER))


def test_rule_5_the_key_goes_when_time_ends_the_last_consent(world: World) -> None:
    world.know_family()
    until = world.clock.now() + timedelta(days=3)
    world.ja.grants("c1", MOTHER, ["EG"], sender=JC, to=[JA], until=until)
    world.measure()
    world.run()
    assert _opens(world, _box_key(world, JC, MOTHER))
    world.clock.set(until)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert not _opens(world, _box_key(world, JC, MOTHER))


def test_rule_5_a_crash_after_the_withdrawal_does_not_save_the_key(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    down = KeyServiceUnavailable("down")
    with patch.object(world.parts.keys, "destroy", side_effect=down), pytest.raises(KeyServiceUnavailable):
        world.run()
    assert _opens(world, _box_key(world, JC, MOTHER))
    world.run()
    assert not _opens(world, _box_key(world, JC, MOTHER))


def test_rule_5_an_attested_norm_is_a_ground_and_so_is_another_consent(world: World) -> None:
    world.shared()
    world.jc.grants("c5", MOTHER, ["EG"])
    named = {"norm": "§ 69 SGB X", "task_norm": "§ 22 SGB II", "attested_by": "w1"}
    world.ja.say("PersonRegistered", CHILD, {"names": "Kind, Das"}, **named)
    world.run()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.ja.withdraws("c2", CHILD)
    world.run()
    assert _opens(world, _box_key(world, JC, MOTHER))
    assert _opens(world, _box_key(world, JA, CHILD))
    assert world.seen(JC, "jc_case_manager") == ["PersonRegistered"]


def test_rule_5_a_new_grant_starts_a_new_key_and_brings_nothing_old_back(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    world.jc.repeat(-2)
    world.jc.grants("c7", MOTHER, ["EG"])
    world.run()
    assert world.seen(JA, "ja_asd") == []
    world.measure(["c7"], publication=2)
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    versions = {key_version(box) for record in world.records(CASES) for box in _boxes(record.value)}
    assert versions >= {1, 2}


def _boxes(value: bytes) -> list[bytes]:
    return list(decode_single(value)[1]["boxes"].values())


def test_rule_6_nothing_stands_in_clear_and_boxes_are_copied_as_they_came(world: World) -> None:
    world.know_family()
    canary = "Kanarienvogel"
    world.jc.grants("c1", MOTHER, ["EG"], payload={"text_version": canary, "proof_hash": canary})
    said = world.measure(provider=canary)
    world.measure(["unknown"], provider=canary, key="held")
    world.measure(provider=canary, key="withheld", person="nobody")
    world.run()
    assert world.open(JA, "ja_asd").redacted.parts[0].entries[0].fields["provider"] == canary
    (row,) = world.rows("case_row")
    assert decode_single(row["envelope"])[1]["boxes"] == said.boxes
    tables = (
        "subject",
        "membership",
        "pairing",
        "decision",
        "held",
        "view_state",
        "disclosure",
        "retrieval",
        "register_dirty",
    )
    for name in (*tables, "case_row", "consent_row", "quarantine", "parked", "meta", "case_link", "dirty"):
        assert canary not in "".join(str(row) for row in world.rows(name))
        assert canary.encode() not in b"".join(
            v for row in world.rows(name) for v in row.values() if isinstance(v, bytes)
        )
    for file in world.data.iterdir():
        assert canary.encode() not in file.read_bytes()


def test_rule_6_birth_dates_capacity_and_custody_are_no_columns(world: World) -> None:
    world.know_family()
    names = {
        name
        for table in ("subject", "membership", "consent_row")
        for row in world.rows(table)
        for name in row
    }
    assert not {"birth_date", "capable", "custodians"} & names
    day = date(1990, 1, 1)
    texts = "".join(
        str(value)
        for row in world.rows("consent_row")
        for value in row.values()
        if not isinstance(value, bytes)
    )
    assert day.isoformat() not in texts


def test_rule_5_an_erased_person_stays_dark_through_replay_and_rebuild(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    views = len(world.views(JA))
    with crash_at("rebuild.before_switch"):
        world.divergence()
    assert world.divergence() == 0
    for number in range(len(world.jc.sent)):
        world.jc.repeat(number)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert not [part for one in world.views(JA)[views:] for part in one.parts]
    ref = _box_key(world, JC, MOTHER)
    assert world.parts.keys.opening([(ref, 1)])[ref, 1] == Erased(ref, 1)
