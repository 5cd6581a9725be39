"""Rule 10 at Berlin midnight: what time alone changes is found by pages, and nobody else is looked at."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import delete, text

from hub.domain.clock import berlin_midnight
from hub.operations.rebuild import rebuild
from hub.stages import timers
from hub.stages.timers import tick
from hub.store.tables import coming_of_age
from hub.subjects import birthdays
from tests.support.world import CHILD, JC, MOTHER, NOW, World, crash_at

TURNS = date(2026, 10, 26)  # the day after the clocks went back
MIDNIGHT = berlin_midnight(TURNS)
COUNT = 11


def _epochs(world: World) -> dict[str, int]:
    return {row["key"]: row["epoch"] for row in world.rows("subject")}


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "PAGE", 2)
    monkeypatch.setattr(timers, "PAGES", 3)
    monkeypatch.setattr(birthdays, "PAGE", 2)


def _crowd(world: World, born: date) -> list[str]:
    """Persons of a case each, all born on one day."""
    for number in range(COUNT):
        world.jc.born(f"p{number}", born, family=f"f{number}")
    world.jc.born("other", date(1970, 1, 1), family="other")
    world.run()
    return [world.jc.subject(f"p{number}") for number in range(COUNT)]


def _ticks(world: World) -> Iterator[int]:
    """Ticks until nothing is left to do; how many epochs each raised."""
    while True:
        done = tick(world.parts)
        yield done.raised
        if not done.more:
            return


def test_rule_10_a_midnight_on_a_slow_machine_looks_for_withdrawals_between_pages(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that has used up its time begins no other page, however few it has done."""
    monkeypatch.setattr(timers, "PAGE", 2)
    monkeypatch.setattr(timers, "LONGEST", -1.0)
    keys = _crowd(small, TURNS.replace(year=TURNS.year - 18))
    small.clock.set(MIDNIGHT - timedelta(seconds=1))
    small.run()
    before = _epochs(small)
    small.clock.set(MIDNIGHT)
    raised = list(_ticks(small))
    assert len(raised) > len(keys) // 2
    assert all(_epochs(small)[key] == before[key] + 1 for key in keys)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("years", [15, 18])
def test_rule_10_a_midnight_raises_those_whose_day_has_come_page_by_page(world: World, years: int) -> None:
    keys = _crowd(world, TURNS.replace(year=TURNS.year - years))
    world.clock.set(MIDNIGHT - timedelta(seconds=1))
    world.run()
    before = _epochs(world)
    world.clock.set(MIDNIGHT)
    raised = list(_ticks(world))
    after = _epochs(world)
    assert len(raised) > 1
    assert all(after[key] == before[key] + 1 for key in keys)
    other = world.jc.subject("other")
    assert after[other] == before[other]


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("page", range(1, 7))
def test_rule_10_a_midnight_that_is_killed_goes_on_from_where_it_came(world: World, page: int) -> None:
    keys = _crowd(world, TURNS.replace(year=2011))
    world.clock.set(MIDNIGHT - timedelta(seconds=1))
    world.run()
    before = _epochs(world)
    world.clock.set(MIDNIGHT)
    with crash_at("ticks.page", page):
        list(_ticks(world))
    reached = _epochs(world)
    assert 0 < sum(reached[key] > before[key] for key in keys) <= 2 * page
    world.clock.set(MIDNIGHT + timedelta(hours=1))
    list(_ticks(world))
    after = _epochs(world)
    assert [after[key] - before[key] for key in keys] == [1] * COUNT


def test_rule_10_a_midnight_opens_no_box(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = _crowd(world, TURNS.replace(year=2011))
    before = _epochs(world)
    world.clock.set(MIDNIGHT)
    world.parts.knowledge.clear()

    def refuse(*_: object) -> None:
        raise AssertionError("a key was asked for")

    monkeypatch.setattr(type(world.parts.keys), "opening", refuse)
    list(_ticks(world))
    assert all(_epochs(world)[key] > before[key] for key in keys)


@pytest.mark.usefixtures("pages")
def test_rule_10_a_store_of_an_older_release_gets_its_days_by_pages(world: World) -> None:
    """An older release notes no days, beside this one neither; nobody's birthday is missed for it."""
    keys = _crowd(world, TURNS.replace(year=2011))
    days = {(row["event_id"], row["fifteenth"]) for row in world.rows("coming_of_age")}
    with world.parts.store.transaction() as connection:
        connection.execute(delete(coming_of_age))
    before = _epochs(world)
    world.clock.set(MIDNIGHT)
    with crash_at("ticks.page", 2):
        list(_ticks(world))
    assert 0 < len(world.rows("coming_of_age")) < COUNT
    list(_ticks(world))
    assert all(_epochs(world)[key] > before[key] for key in keys)
    found = {(row["event_id"], row["fifteenth"]) for row in world.rows("coming_of_age")}
    assert found == days


@pytest.mark.usefixtures("pages")
def test_rule_10_a_rebuild_keeps_the_days_and_looks_for_missing_ones(world: World) -> None:
    keys = _crowd(world, TURNS.replace(year=2011))
    with world.parts.store.transaction() as connection:
        connection.execute(text("DELETE FROM coming_of_age WHERE subject LIKE '%a%'"))
    assert rebuild(world.parts, "consent_register").divergence == 0
    list(_ticks(world))
    assert {row["subject"] for row in world.rows("coming_of_age")} >= set(keys)


def test_rule_6_the_store_holds_hashes_of_days_and_tells_nothing_of_unknown_ones(world: World) -> None:
    """Same birthdays look alike to whoever has the store alone, and a date that is not known looks like any other."""
    twin, unknown, younger = ("twin", date(2011, 1, 2)), ("unknown", None), ("younger", date(2014, 1, 2))
    for name, born in (twin, ("other", date(2011, 1, 2)), unknown, younger):
        world.jc.say("SubjectRecorded", name, {"birth_date": born}, key=f"born {name}", family=name)
    world.run()
    days = {row["subject"]: (row["fifteenth"], row["eighteenth"]) for row in world.rows("coming_of_age")}
    assert days[world.jc.subject("twin")] == days[world.jc.subject("other")]
    assert {len(day) for of in days.values() for day in of} == {32}
    assert len({day for of in days.values() for day in of}) == 2 + 2 + 2
    assert days[world.jc.subject("twin")][1] != days[world.jc.subject("younger")][0]


@pytest.mark.usefixtures("pages")
def test_rule_10_consents_that_end_in_one_night_end_page_by_page(world: World) -> None:
    until = berlin_midnight(date(2026, 9, 5))
    names = [f"p{number}" for number in range(COUNT)]
    for name in names:
        world.jc.born(name, date(1990, 1, 1), family=name)
        world.jc.grants(f"c {name}", name, ["EG"], until=until, family=name)
    world.run()
    before = _epochs(world)
    world.clock.set(until)
    list(_ticks(world))
    assert all(_epochs(world)[world.jc.subject(name)] == before[world.jc.subject(name)] + 1 for name in names)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("page", [0, 2])
def test_rule_10_a_policy_day_raises_everybody_page_by_page(
    world: World, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _crowd(world, date(1990, 1, 1))
    before = _epochs(world)
    monkeypatch.setattr(type(world.parts.gate), "mark", lambda gate, at: "another policy")
    if page:
        with crash_at("ticks.page", page):
            list(_ticks(world))
    list(_ticks(world))
    assert {key: epoch - before[key] for key, epoch in _epochs(world).items()} == dict.fromkeys(before, 1)


def test_rule_10_a_clock_that_went_back_loses_no_birthday(world: World) -> None:
    keys = _crowd(world, TURNS.replace(year=2011))
    world.clock.set(datetime(2040, 1, 1, tzinfo=NOW.tzinfo))
    list(_ticks(world))
    world.clock.set(MIDNIGHT - timedelta(days=1))
    list(_ticks(world))
    before = _epochs(world)
    list(_ticks(world))
    assert _epochs(world) == before
    world.clock.set(MIDNIGHT)
    list(_ticks(world))
    assert all(_epochs(world)[key] > before[key] for key in keys)


def test_rule_10_a_birth_date_that_was_corrected_counts_by_its_new_day(world: World) -> None:
    world.know_family()
    world.jc.born(CHILD, TURNS.replace(year=2011))
    world.run()
    world.clock.set(MIDNIGHT - timedelta(seconds=1))
    world.run()
    before = _epochs(world)
    world.clock.set(MIDNIGHT)
    world.run()
    assert all(
        _epochs(world)[key] > before[key] for key in (world.jc.subject(CHILD), world.jc.subject(MOTHER))
    )
    assert world.seen(JC, "jc_case_manager") == []
