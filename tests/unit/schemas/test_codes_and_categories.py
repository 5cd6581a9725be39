"""Code lists are effective-dated, and some codes tell more than their field."""

import datetime as dt
from decimal import Decimal

import pytest

from schemas import CATEGORIES, CodeProblem, UnknownSchema, code_list, code_lists, event_schema

DAY = dt.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("code", "on", "found"),
    [
        ("Bürgergeld", dt.date(2022, 12, 31), False),
        ("Bürgergeld", dt.date(2023, 1, 1), True),
        ("Bürgergeld", dt.date(2026, 6, 30), True),
        ("Bürgergeld", dt.date(2026, 7, 1), False),
        ("Grundsicherungsgeld", dt.date(2026, 6, 30), False),
        ("Grundsicherungsgeld", dt.date(2026, 7, 1), True),
        ("§ 21 Abs. 5 SGB II", DAY, True),
        ("21(5)", DAY, True),
        ("", DAY, False),
        ("§", DAY, False),
    ],
)
def test_a_code_counts_on_its_days_only(code: str, on: dt.date, found: bool) -> None:
    assert (code_list("benefit_kinds").entry(code, on) is not None) == found


@pytest.mark.parametrize("name", code_lists())
def test_code_lists_are_sound(name: str) -> None:
    codes = code_list(name).codes
    assert {code.category for code in codes} <= CATEGORIES | {""}
    assert all(code.valid_to is None or code.valid_from <= code.valid_to for code in codes)
    for code in codes:
        assert code_list(name).entry(code.code, code.valid_from) == code


@pytest.mark.parametrize("name", ["nothing", "../topics", ""])
def test_an_unknown_code_list_is_refused(name: str) -> None:
    with pytest.raises(UnknownSchema):
        code_list(name)


@pytest.mark.parametrize(
    ("event_type", "field", "code", "special"),
    [
        ("BenefitGranted", "kind", "21(2)", True),
        ("BenefitChanged", "kind", "§ 21 Abs. 4 SGB II", True),
        ("BenefitEnded", "kind", "Mehrbedarf § 21 (5)", True),
        ("BenefitGranted", "kind", "Mehrbedarf bei Schwangerschaft", True),
        ("BenefitGranted", "kind", "Mehrbedarf", True),
        ("BenefitGranted", "kind", "§ 21 Abs. 3, 5", True),
        ("BenefitGranted", "kind", "§ 21 Abs. 3 SGB II", False),
        ("BenefitGranted", "kind", "Mehrbedarf für Alleinerziehende", False),
        ("BenefitGranted", "kind", "Bürgergeld", False),
        ("BenefitGranted", "kind", "something new", False),
        ("BenefitGranted", "kind", "24(3)", True),
        ("BenefitGranted", "kind", "§ 24 Abs. 3 SGB II", True),
        ("BenefitGranted", "kind", "§ 24 Abs. 3 Satz 1 Nr. 1 SGB II", False),
        ("BenefitGranted", "kind", "§ 24 Abs. 3 Satz 1 Nr. 2", True),
        ("BenefitChanged", "kind", "24(3)-3", True),
        ("BenefitGranted", "kind", "Erstausstattung", True),
        ("BenefitGranted", "kind", "Erstausstattung für die Wohnung", False),
        ("BenefitGranted", "kind", "Erstausstattung bei Geburt", True),
        ("BenefitGranted", "kind", "Orthopädische Schuhe", True),
        ("BenefitGranted", "kind", "§ 21 Abs. 6 SGB II", True),
        ("BenefitGranted", "kind", "Mehrbedarf im Einzelfall", True),
        ("BenefitGranted", "kind", "Mehrbedarf im Einzelfall (Umgangsrecht)", False),
        ("BenefitGranted", "kind", "21(6a)", False),
        ("MeasureStarted", "norm", "§ 16a Nr. 3 SGB II", True),
        ("MeasureEnded", "norm", "16a-4", True),
        ("MeasureStarted", "norm", "16a", True),
        ("MeasureStarted", "norm", "§ 16a Nr. 2", False),
        ("MeasureStarted", "norm", "§ 16a Nr. 1, 4", True),
        ("MeasureStarted", "norm", "§ 16d SGB II", False),
        ("AttendanceRecorded", "norm", "Suchtberatung", True),
        ("HelpStarted", "paragraph", "§ 35a SGB VIII", True),
        ("HelpEnded", "paragraph", "27 i. V. m. 35A", True),
        ("HelpStarted", "paragraph", "35", False),
        ("HelpStarted", "paragraph", "31", False),
    ],
)
def test_a_code_that_tells_of_health_raises_the_whole_record(
    event_type: str, field: str, code: str, special: bool
) -> None:
    schema = event_schema(event_type)
    payload = dict.fromkeys(schema.fields, "x") | {field: code}
    found = schema.categories(payload, on=DAY, entrusted=False, controller_kind="jobcenter")
    assert ("G9" in found.values()) == special
    assert not special or set(found.values()) == {"G9"}


def test_entrusted_data_are_a65_altogether() -> None:
    schema = event_schema("HelpStarted")
    found = schema.categories(
        {"paragraph": "35a", "place": "x", "note": "y"},
        on=DAY,
        entrusted=True,
        controller_kind="youth_welfare",
    )
    assert found == {"paragraph": "A65", "place": "A65", "note": "A65"}


def test_absent_fields_have_no_category_and_unknown_ones_an_empty_one() -> None:
    found = event_schema("BenefitGranted").categories(
        {"kind": "Regelbedarf", "amount": None, "note": "x"},
        on=DAY,
        entrusted=False,
        controller_kind="jobcenter",
    )
    assert found == {"kind": "LS", "note": ""}


@pytest.mark.parametrize(
    ("kind", "category"),
    [("jobcenter", "LS"), ("youth_welfare", "HS"), ("provider", ""), ("social_office", "")],
)
def test_a_case_is_labelled_by_who_publishes_it(kind: str, category: str) -> None:
    found = event_schema("CaseOpened").categories(
        {"kind": "x"}, on=DAY, entrusted=False, controller_kind=kind
    )
    assert found == {"kind": category}


def test_code_problems_name_field_and_list_and_never_the_value() -> None:
    problems = event_schema("HelpPlanAgreed").check_codes({"goals": ["work:a"], "reasons": ["12", "99"]}, DAY)
    assert problems == (CodeProblem("reasons", "help_reasons", "unknown"),)
    benefit = event_schema("BenefitGranted")
    assert benefit.check_codes({"kind": "Bürgergeld"}, DAY) == (
        CodeProblem("kind", "benefit_kinds", "not valid"),
    )
    assert benefit.check_codes({"kind": "Bürgergeld"}, dt.date(2026, 6, 1)) == ()


BUT = ["28", "but", "28(2)", "28(2)-1", "28(2)-2", "28(3)", "28(4)", "28(5)", "28(6)", "28(7)"]


@pytest.mark.parametrize("kind", BUT)
def test_education_and_participation_is_a_category_of_its_own(kind: str) -> None:
    """§ 28 SGB II: who may see what a child gets for school sees no other benefit by that, and the other way round."""
    schema = event_schema("BenefitGranted")
    payload = {"kind": kind, "amount": Decimal("30.00"), "month": "2026-11"}
    told = schema.categories(payload, on=DAY, entrusted=False, controller_kind="jobcenter")
    assert told == dict.fromkeys(payload, "BT")
    assert schema.check_codes(payload, DAY) == ()
    assert schema.check_codes(payload, dt.date(2010, 12, 31))
    entrusted = schema.categories(payload, on=DAY, entrusted=True, controller_kind="jobcenter")
    assert set(entrusted.values()) == {"A65"}


def test_heating_is_told_beside_housing() -> None:
    schema = event_schema("BenefitGranted")
    for kind in ("kdu", "heizung", "Heizkosten"):
        told = schema.categories({"kind": kind}, on=DAY, entrusted=False, controller_kind="jobcenter")
        assert told == {"kind": "LS"}
        assert schema.check_codes({"kind": kind}, DAY) == ()


def test_codes_bring_a_record_to_these_categories() -> None:
    assert event_schema("BenefitGranted").moving == {"G9", "BT"}
    assert event_schema("HelpStarted").moving == {"G9"}
    assert event_schema("PersonRegistered").moving == frozenset()


def test_a_person_lies_in_an_area() -> None:
    for name in ("PersonRegistered", "PersonChanged"):
        assert event_schema(name).fields["sozialraum_code"].category == "ID"
        assert "sozialraum_code" not in event_schema(name, 1).fields
