"""The no-gap guard says "prüfen" where, and only where, entries that are shown give a cause."""

from datetime import date, timedelta
from typing import Any

import pytest

from projections.hints import NOBODYS, hints
from projections.hints.words import TEXTS
from tests.unit.projections.story import JA, JC, TODAY, Story, brief


def found(story: Story, **view: Any) -> list[tuple[Any, ...]]:
    return brief(hints(story.view(**view)), "code", "about", "rests_on")


def iso(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


@pytest.mark.parametrize("role", sorted(NOBODYS))
def test_not_for_the_benefits_unit_nor_the_person(role: str) -> None:
    story = Story()
    story.says(JA, "StepDownAgreed", look_again=iso(0))
    assert found(story) == [("look_again", "mother", ["e01"])]
    assert found(story, role=role) == []


@pytest.mark.parametrize(("days", "hinted"), [(-1, False), (0, True), (42, True), (43, False)])
def test_a_help_that_ends_and_nothing_follows(days: int, hinted: bool) -> None:
    story = Story()
    story.says(JA, "HelpStarted", "child", paragraph="31", end=iso(days))
    assert found(story) == ([("help_ends", "child", ["e01"])] if hinted else [])


@pytest.mark.parametrize("other", [{"end": iso(60)}, {}], ids=["later", "never"])
def test_another_help_or_measure_goes_on(other: dict[str, str]) -> None:
    story = Story()
    story.says(JA, "HelpStarted", "child", paragraph="31", end=iso(10))
    story.says(JC, "MeasureStarted", "child", norm="16", **other)
    assert found(story) == []


@pytest.mark.parametrize("end", [{"of": "e01"}, {"paragraph": "31"}], ids=["named", "by its fields"])
def test_a_help_that_was_ended_is_no_cause(end: dict[str, str]) -> None:
    story = Story()
    story.says(JA, "HelpStarted", "child", paragraph="31", end=iso(10))
    story.says(JA, "HelpEnded", "child", **end)
    assert found(story) == []
    story.entries.pop()
    story.says(JA, "HelpEnded", "child", of="another")
    assert found(story) == [("help_ends", "child", ["e01"])]


def test_the_last_month_of_benefits() -> None:
    story = Story()
    story.says(JC, "BenefitTotal", month="2026-11", amount="1.00")
    story.says(JC, "BenefitGranted", month="2026-12", kind="x")
    story.says(JC, "BenefitGranted", "child", month="2026-11", kind="x")
    assert found(story) == [("benefit_ends", "child", ["e03"])]
    assert found(story, today=date(2026, 11, 18)) == [("benefit_ends", "child", ["e03"])]
    assert found(story, today=date(2026, 11, 19)) == [
        ("benefit_ends", "mother", ["e02"]),
        ("benefit_ends", "child", ["e03"]),
    ]


@pytest.mark.parametrize(
    ("born", "today", "code"),
    [
        ("2011-11-16", TODAY, "turns_15"),
        ("2009-01-15", TODAY, "turns_18"),
        ("2009-01-16", TODAY, ""),
        ("2011-11-15", TODAY, ""),
        ("2002-01-01", TODAY, "turns_25"),
        ("2008-02-29", date(2026, 3, 1), "turns_18"),
        ("2008-02-29", date(2026, 3, 2), ""),
    ],
)
def test_a_child_comes_of_age(born: str, today: date, code: str) -> None:
    story = Story()
    story.says(JA, "PersonRegistered", "child", birth_date=born)
    assert [hint[0] for hint in found(story, today=today)] == ([code] if code else [])


def test_the_household_changed_after_the_latest_plan() -> None:
    story = Story()
    story.says(JC, "MemberJoined", role="partner")
    assert found(story) == []
    story.says(JC, "PersonRegistered", address="Hafen 1")
    story.says(JA, "HelpPlanAgreed", "child", goals=["x"])
    story.says(JC, "PersonChanged", address="Hafen 1")
    assert found(story) == []
    moved = story.says(JC, "PersonChanged", address="Hafen 2")
    left = story.says(JC, "MemberLeft", role="partner")
    assert found(story) == [("household_changed", "mother", [moved]), ("household_changed", "mother", [left])]


def test_nobody_applied_for_education_and_participation() -> None:
    story = Story()
    born = story.says(JA, "PersonRegistered", "child", birth_date="2016-01-01")
    assert found(story) == []
    story.says(JC, "BenefitTotal", month="2026-09", amount="1.00")
    assert found(story) == [("but_missing", "child", [born])]
    assert found(story, today=date(2026, 12, 1)) == []
    story.says(JC, "ApplicationSubmitted", "fam", matter_ref="m", benefit="but")
    assert found(story) == []
    story.entries.pop()
    story.says(JC, "BenefitGranted", "child", kind="28(3)")
    assert found(story) == []


@pytest.mark.parametrize(
    ("born", "hinted"), [("2020-11-16", True), ("2020-11-17", False), ("2008-11-17", True)]
)
def test_school_age_is_six_to_seventeen(born: str, hinted: bool) -> None:
    story = Story()
    story.says(JA, "PersonRegistered", "child", birth_date=born)
    story.says(JC, "BenefitTotal", month="2026-09", amount="1.00")
    assert ("but_missing" in [hint[0] for hint in found(story)]) is hinted


def test_a_matter_came_back_twice() -> None:
    story = Story()
    start = story.says(JC, "ReferralSent", matter_ref="m", addressee=JA, reason_code="x")
    story.says(JA, "ReferralQueried", matter_ref="m", missing=["a"])
    assert found(story) == []
    story.says(JA, "ReferralDeclined", matter_ref="m")
    assert found(story) == [("bounced_twice", "mother", [start])]
    story.says(JA, "ReferralDeclined", matter_ref="m")
    story.says(JC, "ReferralSent", matter_ref="m", addressee=JA, reason_code="x")
    assert found(story) == [("bounced_twice", "mother", [start])]
    story.says(JA, "ReferralCompleted", matter_ref="m")
    assert found(story) == []


def test_each_overdue_agreement_or_task() -> None:
    story = Story()
    story.says(JA, "AgreementMade", agreement_ref="a", owner="person", text="x", due=iso(-1))
    story.says(JA, "TaskAssigned", task_ref="t", owner="person", text="x", due=iso(-1))
    story.says(JA, "AgreementMade", agreement_ref="b", owner="person", text="x", due=iso(0))
    assert found(story) == [
        ("agreement_overdue", "mother", ["e01"]),
        ("agreement_overdue", "mother", ["e02"]),
    ]


def test_more_than_five_helpers_rest_on_all_of_them() -> None:
    story = Story()
    for number in range(3):
        story.says(JA, "HelpStarted", "child", paragraph=str(number), start=iso(-5))
        story.says(JA, "WorkerAssigned", function=str(number))
    assert found(story) == [("many_helpers", "fam", ["e01", "e02", "e03", "e04", "e05", "e06"])]
    story.says(JA, "HelpEnded", "child", of="e01")
    assert found(story) == []


def test_every_sentence_asks_to_look() -> None:
    assert all("prüfen" in text for text in TEXTS.values())


def test_an_agency_spells_its_address_as_before() -> None:
    """Another agency's spelling is no move, and an address with nothing before it tells of none."""
    story = Story()
    story.says(JC, "PersonRegistered", address="Hauptstr. 1")
    story.says(JA, "PersonRegistered", address="Hauptstraße 1")
    story.says(JA, "HelpPlanAgreed", "child", goals=["school"])
    story.says(JC, "PersonChanged", address="Hauptstr. 1")
    story.says(JC, "PersonChanged", "child", address="Hauptstr. 1")
    assert found(story) == []
    story.says(JC, "PersonChanged", address="Am Markt 2")
    assert found(story) == [("household_changed", "mother", ["e06"])]


def test_an_end_without_a_name_ends_what_it_shares_all_fields_with() -> None:
    """Another start of the same paragraph goes on, an end before the start ends nothing."""
    story = Story()
    story.says(JA, "HelpEnded", "child", paragraph="31")
    story.says(JA, "HelpStarted", "child", paragraph="31", start="2026-01-01", end=iso(10))
    going_on = story.says(JA, "HelpStarted", "child", paragraph="31", start="2026-02-01", end=iso(10))
    assert len(found(story)) == 2
    story.says(JA, "HelpEnded", "child", paragraph="31", start="2026-01-01")
    assert found(story) == [("help_ends", "child", [going_on])]
    story.says(JA, "HelpEnded", "child", paragraph="31")
    assert found(story) == []
