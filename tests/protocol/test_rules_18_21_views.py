"""Rules 18 to 21: a view is decided under locks, delivered once, has an end, and can be rebuilt."""

from datetime import timedelta
from unittest.mock import patch

import orjson
import pytest
from sqlalchemy import text

from hub.domain.clock import micros
from hub.errors import ServiceUnavailable
from hub.failpoints import observed
from hub.operations.rebuild import rebuild
from hub.ports import Outgoing
from hub.stages import consents
from hub.stages.disclose import disclose
from hub.store import meta, subjects, views
from schemas import encode_single, record_schema
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, World, crash_at


def _take(world: World, agency: str = JC) -> None:
    """The consents worker takes what is there, and nobody else runs."""
    topic = f"agency.{agency}.consents"
    state = world.parts.log.state([topic])[topic]
    consents.take_consents(world.parts, state.topic_id, world.records(topic))


def _between(world: World, act: object) -> object:
    """Runs `act` when disclose is between its two transactions."""

    def reach(name: str) -> None:
        if name == "disclose.between":
            act()  # type: ignore[operator]

    return observed(reach)


def _ready(world: World) -> None:
    """A measure is projected and marked, and nobody has disclosed it."""
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    with patch("hub.hosts.embedded.disclose", lambda parts: type("None_", (), {"marks": 0})):
        world.run()
    assert world.rows("dirty")
    assert world.views(JA) == []


def test_rule_18_a_withdrawal_between_the_transactions_stops_the_delivery(world: World) -> None:
    _ready(world)

    def withdraw() -> None:
        world.jc.withdraws("c1", MOTHER)
        _take(world)

    with _between(world, withdraw):  # type: ignore[attr-defined]
        outcome = disclose(world.parts)
    assert outcome.aborted > 0
    assert outcome.delivered == 0
    assert world.rows("dirty")
    world.run()
    assert [one for one in world.views(JA) if one.parts] == []


def test_rule_18_pending_counts_as_delivered(world: World) -> None:
    """The process died, perhaps after producing: whatever may have been shown gets its deletion."""
    _ready(world)
    with crash_at("disclose.between"):
        world.run()
    assert {row["state"] for row in world.rows("view_state")} == {"pending"}
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    roles = {row["role"] for row in world.rows("view_state")}
    assert {one.view["role"] for one in world.views(JA) if one.view["removed"]} == roles
    assert all(one.view["removed"] for one in world.views(JA))


def test_rule_18_after_a_crash_behind_producing_the_version_rises(world: World) -> None:
    _ready(world)
    with crash_at("disclose.after_produce"):
        world.run()
    first = world.last(JA, "ja_asd")
    assert first is not None
    assert {row["state"] for row in world.rows("view_state")} == {"pending"}
    world.run()
    versions = [one.view["version"] for one in world.views(JA, "ja_asd")]
    assert versions == [1, 2]
    assert {row["state"] for row in world.rows("view_state")} == {"delivered"}


def test_rule_18_only_the_mark_number_that_was_read_is_cleared(world: World) -> None:
    _ready(world)

    def mark() -> None:
        with world.parts.store.transaction() as connection:
            subjects.mark_dirty(connection, [world.jc.case("fam")], micros(world.clock.now()))

    with _between(world, mark):  # type: ignore[attr-defined]
        disclose(world.parts)
    assert [row["case_key"] for row in world.rows("dirty")] == [world.jc.case("fam")]


def test_rule_18_pending_views_and_their_disclosure_entries_are_one_transaction(world: World) -> None:
    _ready(world)
    with crash_at("disclose.between"):
        world.run()
    sent = {row["view_id"] for row in world.rows("view_state")}
    assert {row["view_id"] for row in world.rows("disclosure")} == sent
    (entry,) = [row for row in world.rows("disclosure") if row["role"] == "ja_asd"]
    assert (entry["sender"], entry["recipient"], entry["delivered_at"]) == (JC, JA, None)
    assert entry["fields"] == "MeasureStarted.norm,MeasureStarted.provider,MeasureStarted.status"
    assert entry["grounds"] == "c1"
    (ground,) = [row for row in world.rows("disclosure_ground") if row["view_id"] == entry["view_id"]]
    assert (ground["category"], ground["consents"], ground["norm"]) == ("EG", '["c1"]', None)
    assert ground["fields"] == '["MeasureStarted.norm","MeasureStarted.provider","MeasureStarted.status"]'
    world.run()
    assert [row for row in world.rows("disclosure") if row["delivered_at"] and row["role"] == "ja_asd"]


def test_rule_18_a_broker_that_does_not_answer_rolls_back_and_the_mark_stays(world: World) -> None:
    _ready(world)
    down = ServiceUnavailable("down")
    with patch.object(world.parts.log, "append", side_effect=down), pytest.raises(ServiceUnavailable):
        disclose(world.parts)
    assert world.rows("dirty")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_18_a_view_that_ran_out_between_the_transactions_is_not_delivered(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"], until=NOW + timedelta(minutes=1))
    world.measure()
    with patch("hub.hosts.embedded.disclose", lambda parts: type("None_", (), {"marks": 0})):
        world.run()
    with _between(world, lambda: world.wait(minutes=1)):  # type: ignore[attr-defined]
        assert disclose(world.parts).delivered == 0
    world.run()
    assert [one for one in world.views(JA) if one.parts] == []


def test_rule_18_a_person_who_joins_between_the_reads_does_not_stop_the_worker(world: World) -> None:
    _ready(world)
    with patch("hub.views.case_file.views.members", lambda connection, cases: {world.jc.case("fam"): []}):
        disclose(world.parts)
    with world.parts.store.transaction() as connection:
        subjects.mark_dirty(connection, [world.jc.case("fam")], micros(world.clock.now()))
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


# --- rule 19 --------------------------------------------------------------------------------------------------------


def test_rule_19_a_view_ends_with_its_lease_and_is_renewed_while_the_ground_lasts(world: World) -> None:
    world.shared()
    first = world.last(JA, "ja_asd")
    assert first is not None
    assert first.view["not_after"] == micros(NOW + timedelta(hours=24))
    world.wait(hours=11)
    world.run()
    assert len(world.views(JA, "ja_asd")) == 1
    world.wait(hours=2)
    world.run()
    renewed = world.last(JA, "ja_asd")
    assert renewed is not None
    assert (renewed.view["version"], renewed.types) == (2, first.types)
    assert renewed.view["not_after"] == micros(NOW + timedelta(hours=37))


def test_rule_19_versions_rise_even_after_a_restore(world: World) -> None:
    world.shared()
    with world.parts.store.transaction() as connection:
        meta.put(connection, "restore_generation", 2)
        connection.execute(text("DELETE FROM view_state"))
        subjects.mark_dirty(connection, [world.jc.case("fam")], micros(world.clock.now()))
    world.run()
    order = [(one.view["generation"], one.view["version"]) for one in world.views(JA, "ja_asd")]
    assert order == [(1, 1), (2, 1)]


def test_rule_19_what_a_sink_answers_is_kept_and_only_of_its_own_views(world: World) -> None:
    world.shared()
    theirs, mine = world.last(JC, "jc_case_manager"), world.last(JA, "ja_asd")
    assert theirs is not None
    assert mine is not None
    for agency, shown in ((JA, mine), (JA, theirs)):
        receipt = {
            name: shown.view[name] for name in ("view_id", "role", "case_ref", "generation", "version")
        }
        value = encode_single(
            record_schema("receipt"),
            {**receipt, "recipient": agency, "answer": "shown", "norm": None, "at": micros(NOW)},
        )
        world.parts.log.append(f"agency.{agency}.receipts", [Outgoing(b"k", value)])
    world.parts.log.append(f"agency.{JA}.receipts", [Outgoing(b"k", b"no receipt")])
    world.run()
    states = {(row["recipient"], row["role"]): row["state"] for row in world.rows("view_state")}
    assert states[JA, "ja_asd"] == "shown"
    assert states[JC, "jc_case_manager"] == "delivered"
    assert len(world.rows("quarantine")) == 1


def test_rule_19_what_is_right_already_is_not_delivered_again(world: World) -> None:
    world.shared()
    sent = len(world.views(JA))
    world.jc.grants("c5", MOTHER, ["EG"])
    world.run()
    assert len(world.views(JA)) == sent


# --- rule 20 --------------------------------------------------------------------------------------------------------


def test_rule_20_every_look_is_logged_with_what_it_was_for(world: World) -> None:
    world.shared()
    assert world.rows("retrieval") == []
    assert world.open(JA, "ja_asd", worker="w7").redacted.parts
    assert not world.open(JA, "ja_asd", family="unknown").redacted.parts
    first, second = sorted(world.rows("retrieval"), key=lambda row: row["id"])
    assert (first["recipient"], first["role"], first["worker"]) == (JA, "ja_asd", "w7")
    assert first["purpose"] == second["purpose"] == "joint_case_management"
    assert first["at"] == micros(NOW)


def test_rule_20_a_look_that_cannot_be_logged_is_not_answered(world: World) -> None:
    world.shared()
    down = ServiceUnavailable("down")
    log = patch("hub.views.opening.views.log_retrieval", side_effect=down)
    with log, pytest.raises(ServiceUnavailable):
        world.open(JA, "ja_asd")


def test_rule_20_a_look_sees_a_withdrawal_at_once(world: World) -> None:
    world.shared()
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    assert len(world.open(JA, "ja_asd").redacted.parts) == 2
    _take(world)
    assert [part.sender for part in world.open(JA, "ja_asd").redacted.parts] == [JA]


# --- rule 21 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["rebuild.batch", "rebuild.before_switch", "rebuild.in_transaction"])
@pytest.mark.parametrize("name", ["joint_case", "consent_register"])
def test_rule_21_killed_at_any_point_the_live_rows_stand(world: World, name: str, point: str) -> None:
    world.shared()
    table = {"joint_case": "case_row", "consent_register": "consent_row"}[name]
    live = [row for row in world.rows(table) if row["generation"] == 1]
    with crash_at(point):
        rebuild(world.parts, name)
    assert [row for row in world.rows(table) if row["generation"] == 1] == live
    assert world.open(JA, "ja_asd").redacted.parts
    outcome = rebuild(world.parts, name)
    assert (outcome.divergence, outcome.rows) == (0, len(live))
    assert {row["generation"] for row in world.rows(table)} == {outcome.generation}
    assert world.open(JA, "ja_asd").redacted.parts


def test_rule_21_a_rebuild_marks_nothing_and_changes_no_view(world: World) -> None:
    world.shared()
    sent = len(world.views(JA))
    epochs = world.rows("subject")
    assert world.divergence() == 0
    assert world.rows("dirty") == []
    assert world.rows("subject") == epochs
    world.run()
    assert len(world.views(JA)) == sent


@pytest.mark.parametrize("change", ["DELETE FROM {0}", "UPDATE {0} SET case_key = 'ja-a:f_x'"])
@pytest.mark.parametrize(("name", "table"), [("joint_case", "case_row"), ("consent_register", "consent_row")])
def test_rule_21_what_differs_is_counted_and_mended(world: World, name: str, table: str, change: str) -> None:
    world.shared()
    rows = len(world.rows(table))
    with world.parts.store.transaction() as connection:
        connection.execute(text(change.format(table)))
    outcome = rebuild(world.parts, name)
    assert outcome.divergence >= rows
    assert rebuild(world.parts, name).divergence == 0
    assert len(world.rows(table)) == rows


def test_rule_21_it_catches_up_with_what_came_meanwhile(world: World) -> None:
    world.shared()

    def meanwhile(name: str) -> None:
        if name == "rebuild.before_switch" and len(world.rows("decision")) < 3:
            world.measure(key="meanwhile")
            world.run()

    with observed(meanwhile):
        outcome = rebuild(world.parts, "joint_case")
    assert (outcome.rows, outcome.divergence) == (3, 0)


# --- nothing betrays who is not shown -------------------------------------------------------------------------------


def _seen_by(world: World) -> list[tuple[object, ...]]:
    return [
        (
            one.view["role"],
            one.view["version"],
            one.view["not_after"],
            one.view["removed"],
            len(one.record.value),
            [(part.sender, part.size, orjson.dumps(part.content)) for part in one.parts],
        )
        for one in world.views(JA)
    ]


@pytest.mark.parametrize("hidden", ["unreleased", "short consent", "birthday", "held", "withdrawn"])
def test_views_are_the_same_with_and_without_a_hidden_person(
    tmp_path_factory: pytest.TempPathFactory, hidden: str
) -> None:
    seen = []
    for there in (False, True):
        world = World.at(tmp_path_factory.mktemp("hub"))
        world.know_family()
        if there:
            _hide(world, hidden)
        world.jc.grants("c1", MOTHER, ["EG"])
        world.measure()
        world.run()
        world.wait(hours=2)
        world.measure(key="more")
        world.run()
        seen.append(_seen_by(world))
        looked = world.open(JA, "ja_asd").redacted
        seen.append([(str(looked.parts), str(looked.withheld))])
        world.close()
    assert seen[0] == seen[2]
    assert seen[1] == seen[3]
    assert len(seen[0]) > 0


def _hide(world: World, how: str) -> None:
    """A third person of whom nothing may be shown to the youth office."""
    born = (
        NOW.date().replace(year=2011) + timedelta(days=1)
        if how == "birthday"
        else NOW.date().replace(year=1985)
    )
    for office in (world.jc, world.ja):
        office.born("hidden", born)
        office.pairs("hidden", 3)
    until = NOW + timedelta(hours=3) if how == "short consent" else None
    consents_of = {"held": "unknown"}.get(how, "c8")
    categories = ["LM"] if how != "withdrawn" else ["EG"]
    by = ["hidden"] if how != "birthday" else [CHILD]
    world.jc.grants("c8", "hidden", categories, until=until, by=by)
    if how == "withdrawn":
        world.jc.withdraws("c8", "hidden")
    world.measure([consents_of], person="hidden", key="hidden")
    world.run()


@pytest.mark.parametrize("code", ["AAAA", "MMMM", "ZZZZ", "0000"])
def test_rule_19_versions_rise_when_a_family_is_paired_once_more(world: World, code: str) -> None:
    world.shared()
    world.wait(minutes=1)
    for office in (world.jc, world.ja):
        office.pairs(MOTHER, 1, code=code)
    world.measure(key="more")
    world.run()
    world.jc.withdraws("c1", MOTHER)
    world.run()
    shown = [(one.view["version"], len(one.types)) for one in world.views(JA, "ja_asd")]
    assert [version for version, _ in shown] == list(range(1, len(shown) + 1))
    assert shown[-1] == (len(shown), 0)


def test_rule_3_two_joint_cases_with_the_same_agencies_never_become_one(world: World) -> None:
    """An agency has one case of a family: a sheet that says otherwise was typed at the wrong one."""
    world.shared()
    for office in (world.jc, world.ja):
        office.born("aunt", NOW.date().replace(year=1980), family="aunt's")
        office.pairs("aunt", 1, code="AUNT", family="aunt's")
    world.jc.grants("c9", "aunt", ["EG"], family="aunt's")
    world.measure(["c9"], person="aunt", family="aunt's")
    world.run()
    for office, family in ((world.jc, "fam"), (world.ja, "aunt's")):
        office.pairs("grandmother", 1, code="BOTH", family=family)
    world.run()
    assert sorted(row["case_key"] for row in world.rows("case_link")) == sorted(
        office.case(family) for office in (world.jc, world.ja) for family in ("fam", "aunt's")
    )
    assert len({row["joint_case"] for row in world.rows("case_link")}) == 2
    assert {row["key"] for row in world.rows("subject") if row["linked"]} == {
        office.subject(name) for office in (world.jc, world.ja) for name in (MOTHER, CHILD, "aunt")
    }


def test_rule_19_views_of_a_joint_case_that_becomes_part_of_another_are_carried_on(world: World) -> None:
    world.shared()
    with world.parts.store.transaction() as connection:
        before = views.newest(
            connection, {row["joint_case"] for row in world.rows_in(connection, "case_link")}
        )
        (old,) = {joint for joint, *_ in before}
        views.carry(connection, old, "j_new")
        assert {joint for joint, *_ in views.newest(connection, ["j_new"])} == {"j_new"}
        views.save_views(connection, [next(iter(before.values()))])
        views.carry(connection, old, "j_new")
        assert len(views.newest(connection, [old])) == 1
        assert old in {row["case_key"] for row in world.rows_in(connection, "dirty")}
