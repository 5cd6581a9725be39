"""Rule 10: every change of what is known, and time alone, raises the epochs of all concerned in one transaction."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from hub.domain.clock import berlin_midnight
from hub.stages.timers import tick
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, World, crash_at


def _shown(world: World) -> list[str]:
    return world.seen(JA, "ja_asd")


def _epochs(world: World) -> dict[str, int]:
    return {row["key"]: row["epoch"] for row in world.rows("subject")}


CHANGES: dict[str, Callable[[World], object]] = {
    "consent": lambda w: w.jc.grants("c9", MOTHER, ["EG"]),
    "withdrawal": lambda w: w.jc.withdraws("c1", MOTHER),
    "objection": lambda w: w.jc.say("ObjectionRaised", MOTHER, {"norm": "76"}),
    "custody": lambda w: w.ja.held_by(CHILD, ["father"]),
    "capacity": lambda w: w.ja.born(CHILD, date(2016, 1, 1), capable=True),
    "split": lambda w: w.ja.say("IdentitySplit", MOTHER, {"refs": [w.ja.subject(MOTHER)]}),
    "link": lambda w: [o.pairs("aunt", 3) for o in (w.jc, w.ja)],
}


@pytest.mark.parametrize("change", CHANGES)
def test_rule_10_every_change_raises_the_epochs_of_all_concerned(world: World, change: str) -> None:
    world.shared()
    for office in (world.jc, world.ja):
        office.born("stranger", date(1970, 1, 1), family="other")
    world.run()
    world.wait(minutes=1)
    before = _epochs(world)
    CHANGES[change](world)
    world.run()
    after = _epochs(world)
    strangers = {office.subject("stranger") for office in (world.jc, world.ja)}
    household = {office.subject(name) for office in (world.jc, world.ja) for name in (MOTHER, CHILD)}
    assert all(after[key] > before[key] for key in household)
    assert all(after[key] == before[key] for key in strangers)


def test_rule_10_a_split_reaches_the_children_of_custodians_who_live_elsewhere(world: World) -> None:
    """The father belongs to another case: whom the hub takes him to be decides whether he signed for the child."""
    world.know_family()
    for office in (world.jc, world.ja):
        office.born("father", date(1988, 1, 1), family="other")
        office.pairs("father", 1, code="OTHER", family="other")
    world.ja.held_by(CHILD, ["father"])
    world.run()
    world.wait(minutes=1)
    before = _epochs(world)
    world.ja.say("IdentitySplit", "father", {"refs": [world.ja.subject("father")]}, family="other")
    world.run()
    child = world.ja.subject(CHILD)
    assert _epochs(world)[child] > before[child]


def test_rule_10_epochs_and_marks_are_in_the_transaction_of_the_withdrawal(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    before = _epochs(world)
    with crash_at("consents.in_transaction"):
        world.run()
    assert _epochs(world) == before
    assert world.rows("dirty") == []
    world.run()
    assert _shown(world) == []


def test_rule_10_a_consent_ends_with_its_last_moment(world: World) -> None:
    world.know_family()
    until = NOW + timedelta(hours=5)
    world.jc.grants("c1", MOTHER, ["EG"], until=until)
    world.measure()
    world.run()
    last = world.last(JA, "ja_asd")
    assert last is not None
    assert last.view["not_after"] == int(until.timestamp() * 1_000_000)
    world.clock.set(until - timedelta(microseconds=1))
    world.run()
    assert _shown(world) == ["MeasureStarted"]
    world.clock.set(until)
    world.run()
    assert _shown(world) == []


@pytest.mark.parametrize("down", [0, 40])
def test_rule_10_a_birthday_counts_from_berlin_midnight_on(world: World, down: int) -> None:
    """At 15 a child signs for itself: what its mother alone signed opens nothing any more, even if the hub was down."""
    world.know_family()
    turns = date(2026, 10, 26)  # the day after the clocks went back
    for office in (world.jc, world.ja):
        office.say(
            "SubjectRecorded", CHILD, {"birth_date": turns.replace(year=2011)}, key=f"born {CHILD}", version=1
        )
    world.ja.grants("c2", CHILD, ["HS"], by=[MOTHER])
    world.help()
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    midnight = berlin_midnight(turns)
    assert midnight.astimezone(UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    world.clock.set(midnight - timedelta(seconds=1))
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    before = _epochs(world)
    world.clock.set(midnight + timedelta(days=down))
    world.run()
    assert all(
        _epochs(world)[key] > before[key] for key in (world.ja.subject(CHILD), world.jc.subject(MOTHER))
    )
    assert world.seen(JC, "jc_case_manager") == []


def test_rule_10_time_is_looked_at_once_per_moment(world: World) -> None:
    world.shared()
    world.wait(days=1)
    assert tick(world.parts).raised == 0
    world.wait(days=3000)
    world.run()
    before = _epochs(world)
    assert tick(world.parts).raised == 0
    assert _epochs(world) == before


def test_rule_10_a_new_adult_of_the_household_must_sign_for_the_family(world: World) -> None:
    """Also when the hub hears of them through an event alone."""
    world.know_family()
    world.jc.grants("cf", None, ["EG"], by=[MOTHER])
    world.measure(["cf"], person=None)
    world.run()
    assert _shown(world) == ["MeasureStarted"]
    norm = {"norm": "§ 69 SGB X", "task_norm": "§ 22 SGB II", "attested_by": "w1"}
    world.jc.say("PersonRegistered", "father", {"names": "Vater, Der"}, **norm)
    world.run()
    assert "MeasureStarted" not in _shown(world)


DATED: dict[str, tuple[str, dict[str, object]]] = {
    "custody": ("CustodyChanged", {"custodians": []}),
    "capacity": ("SubjectChanged", {"capable": True}),
    "birth date": ("SubjectChanged", {"birth_date": date(2005, 1, 1)}),
}


@pytest.mark.parametrize("kind", DATED)
def test_rule_10_a_dated_statement_holds_from_its_own_moment(world: World, kind: str) -> None:
    """Whatever it changes, it changes then: not when it is told, and without anybody telling anything again."""
    event_type, payload = DATED[kind]
    world.shared()
    moment = NOW + timedelta(days=40, hours=3)
    world.ja.say(event_type, CHILD, payload, key="future", at=moment)
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    world.clock.set(moment - timedelta(microseconds=1))
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    before = _epochs(world)
    world.clock.set(moment)
    world.run()
    assert all(
        _epochs(world)[key] > before[key] for key in (world.ja.subject(CHILD), world.jc.subject(MOTHER))
    )
    assert world.seen(JC, "jc_case_manager") == []


def test_rule_10_a_view_ends_when_a_dated_statement_begins_to_hold(world: World) -> None:
    world.know_family()
    moment = NOW + timedelta(hours=5)
    world.ja.say("CustodyChanged", CHILD, {"custodians": []}, key="future", at=moment)
    world.ja.grants("c2", CHILD, ["HS"], by=[MOTHER])
    world.help()
    world.run()
    last = world.last(JC, "jc_case_manager")
    assert last is not None
    assert last.view["not_after"] == int(moment.timestamp() * 1_000_000)
