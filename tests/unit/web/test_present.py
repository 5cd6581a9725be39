"""What the page says of what may be shown."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.web.contacts import lines_of
from hub.web.present import Card, Page, present
from hub.web.wording import amount_text, period_text, span_text, unbroken, value_text
from tests.unit.web.example import AGENCIES, JA, JC, entry, example, part, view, worker

DAY = date(2026, 7, 14)


def page(*parts: Any, **more: Any) -> Page:
    return present(view(*parts, **more), AGENCIES)


def card(*entries: Any, sender: str = JA, **more: Any) -> Card:
    return page(part("q", sender, *entries), **more).cards[0]


@pytest.mark.parametrize(
    ("event_type", "name", "value", "said"),
    [
        ("HelpStarted", "paragraph", "31", "Sozialpädagogische Familienhilfe (§ 31 SGB VIII)"),
        (
            "HelpStarted",
            "paragraph",
            "35a",
            "Eingliederungshilfe bei seelischer Behinderung (§ 35a SGB VIII)",
        ),
        ("HelpStarted", "paragraph", "ambulant", "ambulant"),
        ("HelpEnded", "end_code", "10", "Beendigung gemäß Hilfeplan"),
        ("MeasureStarted", "norm", "16a-2", "Schuldnerberatung (§ 16a Nr. 2 SGB II)"),
        ("MeasureStarted", "norm", "45", "Aktivierung und berufliche Eingliederung, § 45 SGB III"),
        ("SanctionImposed", "norm", "31a", "§ 31a SGB II"),
        ("SanctionImposed", "percent", 30, "30 %"),
        ("BenefitGranted", "kind", "21(3)", "Mehrbedarf für Alleinerziehende (§ 21 Abs. 3 SGB II)"),
        ("BenefitGranted", "kind", "buergergeld", "buergergeld"),
        ("BenefitGranted", "amount", Decimal("1234.56"), "1.234,56 €"),
        ("BenefitGranted", "amount", Decimal("-3.5"), "-3,50 €"),
        ("BenefitGranted", "month", "2026-03", "März 2026"),
        ("BenefitGranted", "provisional", True, "ja"),
        ("ServiceDelivered", "units", Decimal("12.5"), "12,50"),
        ("HelpPlanAgreed", "goals", ["work:praktikum", "school:NEU"], "Arbeit: Praktikum, Schule: NEU"),
        ("PersonRegistered", "languages", ["tr", "DE", "xx"], "Türkisch, Deutsch, xx"),
        ("PersonRegistered", "birth_date", date(2015, 9, 2), "02.09.2015"),
        ("PersonRegistered", "birth_date", datetime(2026, 7, 14, 22, 5, tzinfo=UTC), "15.07.2026, 00:05 Uhr"),
    ],
)
def test_values_in_german(event_type: str, name: str, value: Any, said: str) -> None:
    assert value_text(event_type, name, value, DAY) == said


def test_a_code_is_labelled_by_the_list_of_its_day() -> None:
    assert value_text("BenefitGranted", "kind", "buergergeld", date(2026, 6, 30)) == "Bürgergeld"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (amount_text(Decimal("1234567.8")), "1.234.567,80"),
        (period_text("2026-07/2026-12"), "Juli 2026 bis Dezember 2026"),
        (period_text("2026-07-01/2026-12-31"), "01.07.2026 bis 31.12.2026"),
        (period_text("laufend"), "laufend"),
        (span_text(date(2026, 1, 1), date(9999, 12, 31)), "seit 01.01.2026"),
        (span_text(None, date(2026, 1, 1)), "bis 01.01.2026"),
        (span_text(date(2025, 1, 1), date(2026, 1, 1)), "01.01.2025 bis 01.01.2026"),
        (span_text(None, None), ""),
        (unbroken("§ 67b Abs. 2 SGB X"), "§\xa067b Abs.\xa02\xa0SGB\xa0X"),
    ],
)
def test_texts(said: str, expected: str) -> None:
    assert said == expected


def test_persons_are_numbered_and_ordered_among_the_shown_only() -> None:
    people = [
        part("q_z", JC, entry("PersonRegistered", (2026, 6, 1), birth_date=date(1990, 1, 1))),
        part("q_a", JC, entry("PersonRegistered", (2026, 6, 1), birth_date=date(2015, 1, 1))),
        part("q_b", JC, entry("CaseOpened", (2026, 6, 1), kind="bg")),
    ]
    assert [one.name for one in page(*people).cards] == ["Person 1", "Person 2", "Person 3"]
    assert [one.facts[0].text for one in page(*people).cards[:2]] == ["01.01.1990", "01.01.2015"]
    assert [one.name for one in page(*people[1:]).cards] == ["Person 1", "Person 2"]


def test_the_name_comes_from_the_person_and_stands_once() -> None:
    both = [part("q", sender, entry("PersonRegistered", (2026, 6, 1), names="Öz, Ay")) for sender in (JC, JA)]
    assert [one.name for one in page(*both).cards] == ["Ay Öz"]
    assert page(*both).cards[0].facts == ()


def test_agencies_that_differ_are_both_heard() -> None:
    told = page(
        part("q", JC, entry("PersonRegistered", (2026, 6, 1), names="Öz, Ay", sex="f")),
        part("q", JA, entry("PersonChanged", (2026, 6, 3), "names", names="Oez, Ay", sex="f")),
    ).cards[0]
    assert [(fact.label, fact.text, len(fact.sources), fact.disputed) for fact in told.facts] == [
        ("Name", "Öz, Ay", 1, False),
        ("Name", "Oez, Ay", 1, True),
        ("Geschlecht", "weiblich", 2, False),
    ]


def test_newer_master_data_replace_older_of_the_same_agency() -> None:
    told = card(
        entry("PersonRegistered", (2026, 6, 1), address="alt"),
        entry("PersonChanged", (2026, 6, 2), address="neu"),
    )
    assert [fact.text for fact in told.facts] == ["neu"]


def test_a_line_says_what_when_whose_and_what_is_disputed() -> None:
    benefit = entry(
        "BenefitGranted", (2026, 6, 30), "amount", kind="20", amount=Decimal(563), month="2026-07"
    )
    (section,) = card(benefit, sender=JC).sections
    (line,) = section.rows
    assert (section.title, line.title, line.when) == ("Leistungen", "Regelbedarf, § 20 SGB II", "Juli 2026")
    assert (line.source, line.since, line.disputed) == ("Jobcenter Seestadt", "30.06.2026", False)
    assert [(one.label, one.text, one.disputed) for one in line.details] == [("Betrag", "563,00 €", True)]


def test_a_disputed_date_marks_the_line() -> None:
    talk = entry("ThreeWayTalkScheduled", (2026, 7, 1), "date", date=date(2026, 7, 20), time="10:30")
    (line,) = card(talk).sections[0].rows
    assert (line.when, line.disputed, line.details) == ("20.07.2026, 10:30 Uhr", True, ())


@pytest.mark.parametrize(
    ("entries", "now", "earlier"),
    [
        ([entry("HelpStarted", (2026, 2, 1), paragraph="31", start=date(2026, 2, 1))], 1, 0),
        (
            [
                entry("HelpStarted", (2026, 2, 1), paragraph="31", start=date(2026, 2, 1)),
                entry(
                    "HelpEnded", (2026, 6, 1), paragraph="31", start=date(2026, 2, 1), end=date(2026, 6, 1)
                ),
            ],
            0,
            2,
        ),
        (
            [
                entry("HelpEnded", (2026, 6, 1), paragraph="28", end=date(2026, 6, 1)),
                entry("HelpStarted", (2026, 6, 2), paragraph="31", start=date(2026, 6, 2)),
            ],
            1,
            1,
        ),
        (
            [
                entry("CooperationPlanAgreed", (2026, 1, 1), goal_code="ARBEIT"),
                entry("CooperationPlanUpdated", (2026, 5, 1), goal_code="ARBEIT"),
            ],
            1,
            1,
        ),
        (
            [
                entry("BenefitGranted", (2026, 6, 1), kind="20", month="2026-07"),
                entry("BenefitChanged", (2026, 6, 2), kind="20", month="2026-07"),
                entry("BenefitGranted", (2026, 6, 1), kind="22", month="2026-07"),
            ],
            2,
            1,
        ),
        (
            [
                entry("BenefitGranted", (2026, 6, 1), amount=Decimal(1)),
                entry("BenefitChanged", (2026, 6, 2), amount=Decimal(2)),
            ],
            2,
            0,
        ),
        ([entry("BenefitGranted", (2026, 5, 1), kind="20", month="2026-06")], 0, 1),
        ([entry("HelpPlanMeetingScheduled", (2026, 6, 1), date=date(2026, 7, 13))], 0, 1),
        ([entry("HelpPlanMeetingScheduled", (2026, 6, 1), date=DAY)], 1, 0),
        ([entry("SanctionImposed", (2026, 6, 1), until=date(2026, 7, 31))], 1, 0),
    ],
)
def test_what_counts_now_and_what_is_over(entries: Sequence[Any], now: int, earlier: int) -> None:
    (section,) = card(*entries).sections
    assert (len(section.rows), len(section.earlier)) == (now, earlier)


def test_who_is_responsible_now() -> None:
    told = page(
        part(
            "q_1",
            JC,
            worker((2026, 1, 1), "jc_case_manager", "A, 00000 77-101", "de", from_=date(2026, 1, 1)),
            worker((2026, 5, 1), "jc_case_manager", "B, 00000 77-102", "de", "bg", from_=date(2026, 5, 1)),
            worker((2026, 5, 1), "jc_benefits", "C, 00000 77-201", "de", until=date(2026, 6, 1)),
        ),
        part("q_1", JA, worker((2026, 6, 1), "ja_asd", "D, d@seestadt.invalid", "de", worker_id="FK-1")),
        part("q_2", JC, worker((2026, 6, 1), "jc_case_manager", "E, 00000 77-105", "de")),
    )
    assert [(one.agency, one.lines[0].text, one.languages, one.people) for one in told.contacts] == [
        ("Jugendamt Seestadt", "D", "Deutsch", ""),
        ("Jobcenter Seestadt", "B", "Deutsch, Bulgarisch", "Person 1"),
        ("Jobcenter Seestadt", "E", "Deutsch", "Person 2"),
    ]


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("00000 77-101", "tel:0000077101"),
        ("Tel. 00000 77-101", "tel:0000077101"),
        ("fk-018@seestadt.invalid", "mailto:fk-018@seestadt.invalid"),
        ("Zimmer 12", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_only_numbers_and_mail_addresses_become_links(text: str, href: str) -> None:
    assert lines_of(text)[0].href == href


def test_withheld_is_named_with_what_would_open_it() -> None:
    told = card(entry("CaseOpened", (2026, 1, 1), kind="x"), withheld={"q": ("G9", "VB", "HS")})
    named = "Art und Dauer der Hilfen, Gesundheit und andere besondere Daten, Vereinbarungen und Aufgaben"
    assert told.withheld == named
    assert "aller Sorgeberechtigten" in told.opens
    assert "ausdrücklich und schriftlich" in told.opens


def test_of_a_family_known_twice_only_what_neither_opens_is_withheld() -> None:
    families = [part(name, JC, entry("CaseOpened", (2026, 1, 1), kind="x")) for name in ("f_1", "f_2")]
    told = page(*families, withheld={"f_1": ("HS", "VB"), "f_2": ("VB",)}, families=("f_1", "f_2"))
    assert [(one.name, one.withheld) for one in told.cards] == [("Familie", "Vereinbarungen und Aufgaben")]


def test_grounds() -> None:
    told = page(
        part("q", JC, entry("CaseOpened", (2026, 1, 1), kind="x")),
        part(
            "q",
            JA,
            entry("CaseOpened", (2026, 1, 1), kind="x"),
            grounds=("e1", "e2", "§ 69 SGB X: § 16 SGB II"),
        ),
    )
    assert [ground.text for ground in told.cards[0].grounds] == [
        "Daten der eigenen Stelle, nicht übermittelt",
        "Einwilligung (§ 67b Abs. 2 SGB X)",
        "§ 69 SGB X in Verbindung mit § 16 SGB II",
    ]


def test_nothing_shown_makes_one_page() -> None:
    told = present(view(), AGENCIES)
    assert (told.cards, told.contacts, told.ground) == ((), (), "nichts freigegeben")
    assert (told.office, told.role, told.as_of) == (
        "Jobcenter Seestadt",
        "Fallmanagement",
        "14.07.2026, 10:30 Uhr",
    )


def test_every_event_field_section_and_category_has_a_german_word() -> None:
    from hub.views.redaction import NEVER_NAMED
    from hub.web.wording import words
    from schemas import CATEGORIES, event_schema, event_types

    known = words()
    shown = [
        name
        for name in event_types()
        if not {spec.category for spec in event_schema(name).fields.values()} & {"CT", "K8a"}
        and name not in ("WorkerAssigned", "ServiceGapReported", "FeedbackGiven")
    ]
    assert [name for name in shown if name not in known["events"]] == []
    fields = {field for name in shown for field in event_schema(name).fields}
    assert sorted(fields - set(known["fields"])) == []
    assert {entry[0] for entry in known["events"].values()} == set(known["sections"])
    assert set(known["categories"]) == CATEGORIES - NEVER_NAMED


def test_repr_keeps_content_out_of_logs() -> None:
    told = repr(present(example(), AGENCIES))
    assert "Allgemeiner Sozialer Dienst" in told
    assert not [word for word in ("Möwenweg", "Yıldız", "563,00", "Familienhilfe") if word in told]
