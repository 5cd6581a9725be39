"""Rules 13 to 16: positions, closed until caught up, admission and projection, and every crash between."""

from dataclasses import replace
from datetime import timedelta
from unittest.mock import patch

import pytest

from hub.domain.clock import micros
from hub.errors import LogIsOlder, OffsetGap, StoppedToBeSafe, StoreIsOlder, TopicRecreated, TryAgain
from hub.hosts.embedded import Embedded
from hub.parts import CASES
from hub.ports import Outgoing, Record, TopicState
from hub.stages import admit, consents, project
from hub.stages.held import answer_held
from hub.store import positions
from hub.subjects.consent_barrier import is_open, mark_if_caught_up, require_open, start_closed
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, World, crash_at

# --- rule 13 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "end", "committed", "topic_id", "error", "code"),
    [
        (3, 9, 0, "t", OffsetGap, 81),
        (0, 9, 3, "t", StoreIsOlder, 82),
        (0, 1, 0, "t", LogIsOlder, 83),
        (0, 9, 0, "u", TopicRecreated, 84),
    ],
)
def test_rule_13_a_worker_stops_where_going_on_would_lose_or_resurrect(
    first: int, end: int, committed: int, topic_id: str, error: type[StoppedToBeSafe], code: int
) -> None:
    state = TopicState("x", topic_id, {0: first}, {0: end})
    with pytest.raises(error) as caught:
        positions.check(state, {0: ("t", 2)}, {0: committed})
    assert caught.value.exit_code == code
    positions.check(TopicState("x", "t", {0: 2}, {0: 2}), {0: ("t", 2)}, {0: 2})


def _batch(world: World, topic: str) -> tuple[str, list[Record]]:
    return world.parts.log.state([topic])[topic].topic_id, world.records(topic)


def test_rule_13_what_was_taken_is_skipped_and_positions_never_go_back(world: World) -> None:
    world.shared()
    before = world.rows("position")
    for stage, topic in (
        (consents.take_consents, f"agency.{JC}.consents"),
        (admit.admit, f"agency.{JC}.events"),
    ):
        topic_id, batch = _batch(world, topic)
        assert stage(world.parts, topic_id, batch).skipped == len(batch)
    topic_id, batch = _batch(world, CASES)
    assert project.project(world.parts, topic_id, batch).skipped == len(batch)
    assert world.rows("position") == before


@pytest.mark.parametrize("topic", [f"agency.{JC}.consents", f"agency.{JC}.events", CASES])
def test_rule_13_a_stage_takes_nothing_behind_a_gap_or_of_another_topic(world: World, topic: str) -> None:
    world.shared()
    stage = {CASES: project.project, f"agency.{JC}.events": admit.admit}.get(topic, consents.take_consents)
    topic_id, batch = _batch(world, topic)
    last = batch[-1]
    before = world.rows("position")
    with pytest.raises(OffsetGap):
        stage(world.parts, topic_id, [last._replace(offset=last.offset + 5)])
    with pytest.raises(TopicRecreated):
        stage(world.parts, "another", [last])
    assert world.rows("position") == before


def test_rule_13_a_zombie_writes_nothing(world: World) -> None:
    """Another worker took the batch while this one was deciding."""
    world.shared()
    world.measure(key="next", provider="Neu")
    topic_id, batch = _batch(world, f"agency.{JC}.events")
    real = admit.decide_batch
    raced: list[int] = []

    def meanwhile(*args: object, **kw: bool) -> admit.AdmissionBatch:
        desk = real(*args, **kw)  # type: ignore[arg-type]
        if not raced:
            raced.append(1)
            admit.admit(world.parts, topic_id, batch)
        return desk

    with patch("hub.stages.admit.decide_batch", meanwhile):
        assert admit.admit(world.parts, topic_id, batch).admitted == 0
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]
    assert len(world.decisions()) == 3


def test_rule_13_an_older_log_stops_the_host(world: World) -> None:
    world.shared()
    real = world.parts.log.state

    def shorter(topics: list[str]) -> dict[str, TopicState]:
        return {name: replace(one, end=dict.fromkeys(one.end, 0)) for name, one in real(topics).items()}

    with patch.object(world.parts.log, "state", shorter), pytest.raises(LogIsOlder):
        world.run()


# --- rule 14 --------------------------------------------------------------------------------------------------------


def test_rule_14_closed_from_the_start_until_the_end_of_every_consent_topic(world: World) -> None:
    world.shared()
    assert is_open(world.parts)
    start_closed(world.parts)
    assert not is_open(world.parts)
    world.jc.withdraws("c1", MOTHER)
    assert not mark_if_caught_up(world.parts)
    with pytest.raises(TryAgain):
        require_open(world.parts)
    world.run()
    require_open(world.parts)


def test_rule_14_closed_when_consents_lag_beyond_the_limit(world: World) -> None:
    world.shared()
    world.jc.withdraws("c1", MOTHER)
    world.wait(seconds=59)
    mark_if_caught_up(world.parts)
    assert is_open(world.parts)
    world.wait(seconds=2)
    assert not is_open(world.parts)
    world.run()
    assert is_open(world.parts)
    assert not is_open(world.parts, since=micros(world.clock.now()) + 1)


# --- rule 15 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        "consents.in_transaction",
        "admit.after_produce",
        "admit.in_transaction",
        "project.in_transaction",
        "disclose.between",
        "disclose.after_produce",
        "disclose.in_transaction",
    ],
)
def test_rule_15_a_crash_anywhere_loses_nothing_and_doubles_nothing(world: World, point: str) -> None:
    with crash_at(point):
        world.shared()
        world.wait(hours=1)
        world.measure(key="second")
        world.run()
    world.host = Embedded(world.parts)
    for office in (world.jc, world.ja):
        for number in range(len(office.sent)):
            office.repeat(number)
    if not world.rows("pairing"):
        world.know_family()
    world.jc.grants("c1", MOTHER, ["EG", "LS", "ID"])
    world.ja.grants("c2", CHILD, ["HS", "ID"], by=[MOTHER])
    world.measure(at=NOW)
    world.help(at=NOW)
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    assert world.divergence() == 0
    assert world.rows("dirty") == []
    versions = [(one.view["role"], one.view["version"]) for one in world.views(JA)]
    assert len(versions) == len(set(versions))


def test_rule_15_a_crash_after_producing_leaves_duplicates_that_have_no_effect(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    with crash_at("admit.after_produce"):
        world.run()
    assert len(world.records(CASES)) == 1
    assert world.decisions() == []
    world.run()
    assert len(world.records(CASES)) == 2
    assert world.decisions() == [("admitted", "")]
    assert len(world.rows("case_row")) == 1
    assert [entry for part in world.last(JA, "ja_asd").parts for entry in part.types] == ["MeasureStarted"]  # type: ignore[union-attr]


def test_rule_15_the_decision_travels_with_the_record(world: World) -> None:
    world.shared()
    headers = dict(world.records(CASES)[0].headers)
    assert headers["policy"].decode() == world.parts.gate.policy.version
    assert int(headers["epoch"]) > 0
    assert headers["dropped"] == b""


def test_rule_15_events_are_held_until_consent_and_birth_date_are_known(world: World) -> None:
    for office in (world.jc, world.ja):
        office.pairs(MOTHER, 1)
    world.measure()
    world.run()
    assert [row["reason"] for row in world.rows("held")] == ["consent_unknown"]
    world.jc.grants("c1", MOTHER, ["EG"])
    world.run()
    assert [row["reason"] for row in world.rows("held")] == ["person_unknown"]
    world.jc.born(MOTHER, NOW.date().replace(year=1990))
    world.run()
    assert world.rows("held") == []
    assert world.decisions() == [("admitted", "")]
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_15_a_consent_that_comes_while_an_event_is_decided_wakes_it(world: World) -> None:
    world.know_family()
    world.measure()
    real = admit.decide_batch
    raced: list[int] = []

    def meanwhile(*args: object, **kw: bool) -> admit.AdmissionBatch:
        desk = real(*args, **kw)  # type: ignore[arg-type]
        if not raced:
            raced.append(1)
            world.jc.grants("c1", MOTHER, ["EG"])
            topic = f"agency.{JC}.consents"
            consents.take_consents(world.parts, *_batch(world, topic))
        return desk

    with patch("hub.stages.admit.decide_batch", meanwhile):
        outcome = admit.admit(world.parts, *_batch(world, f"agency.{JC}.events"))
    assert (outcome.admitted, outcome.held) == (1, 0)
    assert world.rows("held") == []


@pytest.mark.parametrize("days", [6, 8])
def test_rule_15_a_hold_that_nobody_decides_ends_after_seven_days(world: World, days: int) -> None:
    world.know_family()
    world.measure()
    world.run()
    world.wait(days=days)
    world.run()
    assert world.decisions() == ([] if days == 6 else [("withheld", "consent_unknown")])
    assert len(world.rows("held")) == (1 if days == 6 else 0)
    world.jc.grants("c1", MOTHER, ["EG"])
    world.jc.repeat(-2)
    world.run()
    assert world.decisions() == [("admitted", "")]


def test_rule_15_a_hold_keeps_its_age_when_it_is_looked_at_again(world: World) -> None:
    world.know_family()
    world.measure()
    world.run()
    for _ in range(4):
        world.wait(days=2)
        world.jc.grants("other", MOTHER, ["LS"], key=str(world.clock.now()))
        world.run()
    assert world.decisions() == [("withheld", "consent_unknown")]


def test_rule_15_held_events_of_one_record_come_out_in_order(world: World) -> None:
    world.know_family()
    for version in (2, 1, 3):
        world.measure(version=version, provider=str(version))
    world.run()
    assert len(world.rows("held")) == 3
    world.jc.grants("c1", MOTHER, ["EG"])
    world.run()
    (part,) = world.last(JA, "ja_asd").parts  # type: ignore[union-attr]
    assert [entry["fields"]["provider"] for entry in (part.content or {})["entries"]] == ["3"]


def test_rule_15_an_event_whose_key_went_while_it_was_held_is_withheld(world: World) -> None:
    world.shared()
    world.measure(["later"], key="held")
    world.run()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    assert ("withheld", "key_erased") in world.decisions()
    assert world.rows("held") == []
    assert answer_held(world.parts) == {}


# --- rule 16 --------------------------------------------------------------------------------------------------------


def test_rule_16_rows_marks_and_position_are_one_transaction(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    with crash_at("project.in_transaction"):
        world.run()
    assert world.rows("case_row") == []
    assert [row for row in world.rows("position") if row["topic"] == CASES] == []
    world.run()
    assert len(world.rows("case_row")) == 1


def test_rule_16_project_reads_no_clock(world: World) -> None:
    """What it writes into the read model is the same whenever it runs."""
    world.shared()
    rows = world.rows("case_row")
    assert micros(world.clock.now()) == micros(NOW)
    world.wait(days=400)
    assert world.divergence() == 0
    again = [{**row, "generation": 0} for row in world.rows("case_row")]
    assert again == [{**row, "generation": 0} for row in rows]


def test_rule_16_a_poison_event_stops_its_case_only(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.jc.born("other", NOW.date().replace(year=1980), family="b")
    world.jc.grants("c5", "other", ["EG"], family="b")
    case = world.jc.key.case("fam").encode()
    world.parts.log.append(CASES, [Outgoing(case, b"poison")])
    world.measure()
    world.measure(key="second")
    world.measure(["c5"], person="other", family="b")
    world.run()
    (bad,) = world.rows("quarantine")
    assert (bad["stage"], bad["topic"], bad["offset"], bad["reason"]) == (
        "project",
        CASES,
        0,
        "unknown_schema",
    )
    parked = world.rows("parked")
    assert sorted(row["offset"] for row in parked) == [1, 2]
    assert {row["lane"] for row in parked} == {bad["lane"]}
    assert [row["case_key"] for row in world.rows("case_row")] == [world.jc.case("b")]
    assert world.divergence() == 0


def test_rule_16_every_projection_has_its_own_position(world: World) -> None:
    world.shared()
    stages = {(row["stage"], row["topic"]) for row in world.rows("position")}
    assert {
        ("project", CASES),
        ("consents", f"agency.{JC}.consents"),
        ("admit", f"agency.{JC}.events"),
    } <= stages
    assert timedelta(0) == world.clock.now() - NOW
