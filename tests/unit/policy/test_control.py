"""Control data hold from their own date, at hub and gates alike (R06, protocol rule 7)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from hub.domain.clock import berlin_midnight
from hub.policy.control import ControlData, Statement, coming_of_age
from hub.policy.grounds import signers

NOW = datetime(2026, 9, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
CHILD = date(2018, 6, 7)


def _who(control: ControlData, at: datetime = NOW) -> set[str] | None:
    found = signers(control.subject("child", at), at.date())
    return None if found is None else set(found)


def _custody(*said: tuple[str, float, Sequence[str]]) -> ControlData:
    """(office, days from now, custodians)."""
    lists = [Statement(office, NOW + days * DAY, tuple(names)) for office, days, names in said]
    return ControlData(births=(Statement("jc", NOW - 99 * DAY, CHILD),), custody=tuple(lists))


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ([], None),
        ([("jc", -9, "mf")], {"m", "f"}),
        ([("jc", -9, "mf"), ("jc", 0, "m")], {"m"}),
        ([("jc", -9, "mf"), ("jc", 0.001, "m")], {"m", "f"}),
        ([("jc", 1, "m")], None),
        ([("jc", -9, "mf"), ("ja", -8, "m")], {"m"}),
        ([("jc", -9, "m"), ("ja", -9, "mf")], {"m", "f"}),
        ([("jc", -9, "m"), ("ja", -9, "f"), ("so", -9, "g")], {"m", "f", "g"}),
        ([("jc", -9, "m"), ("ja", -9, "m"), ("so", -10, "g")], {"m"}),
        ([("jc", -9, "m"), ("jc", -9, "mf")], {"m", "f"}),
        ([("jc", -9, "m"), ("jc", -8, "")], None),
        ([("jc", -9, "m"), ("ja", -9, "")], None),
    ],
)
def test_custody_is_asked_of_the_lists_that_hold(
    said: Sequence[tuple[str, float, Sequence[str]]], who: set[str] | None
) -> None:
    assert _who(_custody(*said)) == who
    assert _who(_custody(*reversed(said))) == who


@pytest.mark.parametrize(
    ("said", "capable"),
    [
        ([], None),
        ([("jc", -9, True)], True),
        ([("jc", 1, False)], None),
        ([("jc", -9, False), ("jc", -8, True)], True),
        ([("jc", -9, False), ("ja", -8, None)], False),
        ([("jc", -9, True), ("ja", -8, None)], None),
        ([("jc", -9, True), ("ja", -9, False)], False),
        ([("jc", -9, True), ("ja", -9, None)], None),
    ],
)
def test_capacity_is_the_latest_statement_and_nobody_lifts_a_denial_in_silence(
    said: Sequence[tuple[str, float, bool | None]], capable: bool | None
) -> None:
    told = tuple(Statement(office, NOW + days * DAY, value) for office, days, value in said)
    assert ControlData(capacities=told).capacity(NOW) is capable
    assert ControlData(capacities=told[::-1]).capacity(NOW) is capable


def test_offices_that_differ_in_the_birth_date_are_both_asked() -> None:
    """By one date the child signs alone, by the other its mother does: both must."""
    of_age, minor = date(2011, 9, 2), date(2011, 9, 3)
    custody = (Statement("jc", NOW - DAY, ("m",)),)
    one = Statement("jc", NOW - DAY, of_age)
    other = Statement("ja", NOW - DAY, minor)
    assert _who(ControlData(births=(one,), custody=custody)) == {"child"}
    assert _who(ControlData(births=(other,), custody=custody)) == {"m"}
    assert _who(ControlData(births=(one, other), custody=custody)) == {"child", "m"}
    assert _who(ControlData(births=(one, other))) is None


def test_a_birth_date_that_an_office_states_anew_replaces_its_old_one() -> None:
    old = Statement("jc", NOW - 9 * DAY, date(1990, 1, 1))
    new = Statement("jc", NOW, date(2018, 1, 1))
    assert ControlData(births=(old, new)).birth_dates(NOW) == {date(2018, 1, 1)}
    assert ControlData(births=(old, new)).birth_dates(NOW - DAY) == {date(1990, 1, 1)}


def test_an_unreadable_birth_date_is_an_unknown_one() -> None:
    adult, unreadable = Statement("jc", NOW - DAY, date(1990, 1, 1)), Statement("ja", NOW - DAY, None)
    assert _who(ControlData(births=(adult,))) == {"child"}
    assert _who(ControlData(births=(adult, unreadable))) is None


@pytest.mark.parametrize(
    ("born", "fifteen"),
    [
        (date(2011, 10, 26), date(2026, 10, 26)),
        (date(2012, 2, 29), date(2027, 3, 1)),
        (date(9990, 1, 1), None),
        (date(9984, 2, 29), date(9999, 3, 1)),
        (date(9988, 2, 29), None),
    ],
)
def test_coming_of_age_is_a_berlin_day(born: date, fifteen: date | None) -> None:
    assert coming_of_age(born, 15) == fifteen


def test_moments_are_berlin_midnights_and_own_dates() -> None:
    control = ControlData(
        births=(Statement("jc", NOW, date(2011, 10, 26)),), custody=(Statement("jc", NOW + DAY, ("m",)),)
    )
    midnight = datetime(2026, 10, 25, 23, tzinfo=UTC)  # the clocks went back that day
    assert midnight == berlin_midnight(date(2026, 10, 26))
    assert set(control.moments()) >= {NOW, NOW + DAY, midnight}
