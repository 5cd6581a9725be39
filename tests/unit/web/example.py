"""A family as the policy might show it, made up for the pages' tests."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hub.domain.agencies import Agency, by_id, default_agency
from hub.policy.facts import Recipient
from hub.subjects.knowledge import Knowledge
from hub.views.case_file import CaseFile
from hub.views.opening import OpenedView
from hub.views.redaction import Entry, Question, RedactedView, ViewPart

JC, JA = "jc-seestadt", "ja-seestadt"
AGENCIES: Mapping[str, Agency] = by_id(
    [
        default_agency(JC, "jobcenter", "Jobcenter Seestadt"),
        default_agency(JA, "youth_welfare", "Jugendamt Seestadt"),
    ]
)
NOW = datetime(2026, 7, 14, 8, 30, tzinfo=UTC)
CASE = "f_aaaaaaaaaaaaaaaaaaaaaaaaaa"


def recipient(agency: str = JC, role: str = "jc_case_manager") -> Recipient:
    of = AGENCIES[agency]
    return Recipient(
        controller=agency, kind=of.kind, role=role, worker=None, assigned=True, undertaking=False
    )


def entry(event_type: str, day: tuple[int, int, int], *marked: str, **fields: Any) -> Entry:
    ref = f"{event_type}{day}{sorted(fields.items(), key=str)}"
    named = {name.rstrip("_"): value for name, value in fields.items()}
    return Entry(event_type, ref, datetime(*day, 6, tzinfo=UTC), named, marked)


def part(person: str, sender: str, *entries: Entry, grounds: tuple[str, ...] = ("e1",)) -> ViewPart:
    return ViewPart(person, sender, entries, grounds, ())


def view(
    *parts: ViewPart, withheld: Mapping[str, tuple[str, ...]] | None = None, families: tuple[str, ...] = ()
) -> OpenedView:
    """An opened view of these parts; the persons in `families` are families."""
    question = Question(recipient(), "joint_case_management", NOW)
    if not parts:
        return OpenedView(RedactedView((), {}), question, None)
    known = {one.person: Knowledge(one.person, 1, family=one.person in families) for one in parts}
    file = CaseFile("j", (), (), known, {})
    return OpenedView(RedactedView(parts, withheld or {}), question, file)


def worker(day: tuple[int, int, int], function: str, contact: str, *languages: str, **fields: Any) -> Entry:
    return entry(
        "WorkerAssigned", day, function=function, contact=contact, language=list(languages), **fields
    )


def example() -> OpenedView:
    """A mother with two children, seen by the jobcenter's case manager."""
    mother, son, girl, family = "q_1", "q_2", "q_3", "jc-seestadt:f_a"
    return view(
        part(
            family,
            JC,
            entry("CaseOpened", (2026, 1, 4), kind="bg"),
        ),
        part(
            mother,
            JC,
            entry(
                "PersonRegistered",
                (2026, 6, 1),
                names="Yıldızeli-Muster, Emine",
                birth_date=date(1988, 3, 14),
                sex="f",
                address="Möwenweg 7b, 00123 Seestadt",
                contact="00000 123-45",
                languages=["tr", "de"],
                interpreter=True,
            ),
            entry("MemberJoined", (2026, 1, 4), role="ELB", from_=date(2026, 1, 1)),
            worker(
                (2026, 1, 5),
                "jc_case_manager",
                "Cem Önderliman, 00000 77-102, sb0102@seestadt.invalid",
                "de",
                "tr",
                worker_id="SB0102",
                from_=date(2026, 1, 5),
            ),
            worker(
                (2026, 1, 5),
                "jc_benefits",
                "Rolf Zahlmeister-Probe, 00000 77-201, sb0201@seestadt.invalid",
                "de",
                worker_id="SB0201",
                from_=date(2026, 1, 5),
            ),
            entry(
                "BenefitGranted",
                (2026, 6, 30),
                kind="20",
                amount=Decimal("563.00"),
                month="2026-07",
                period="2026-07-01/2026-12-31",
                provisional=False,
            ),
            entry(
                "BenefitGranted",
                (2026, 6, 30),
                "amount",
                kind="22",
                amount=Decimal("1234.56"),
                month="2026-07",
                period="2026-07-01/2026-12-31",
                provisional=True,
            ),
            entry(
                "BenefitGranted",
                (2026, 5, 29),
                kind="20",
                amount=Decimal("563.00"),
                month="2026-06",
                period="2026-01-01/2026-06-30",
                provisional=False,
            ),
            entry(
                "MeasureStarted",
                (2026, 5, 2),
                norm="45",
                provider="Brückenkurs Nord e. V. (Muster)",
                status="running",
                start=date(2026, 5, 2),
                end=date(2026, 10, 30),
            ),
            entry(
                "CooperationPlanAgreed",
                (2026, 5, 4),
                goal_code="SPRACHE_B1",
                steps=["BERATUNG", "KITAPLATZ"],
                next_review=date(2026, 9, 1),
            ),
            entry(
                "ThreeWayTalkScheduled",
                (2026, 7, 1),
                date=date(2026, 7, 28),
                time="10:30",
                place="Familienzentrum Hafen",
                participants=["FM", "ASD", "FAMILIE"],
            ),
        ),
        part(
            mother,
            JA,
            entry(
                "PersonRegistered",
                (2026, 6, 2),
                "address",
                names="Yıldızeli-Muster, Emine",
                birth_date=date(1988, 3, 14),
                address="Möwenweg 7, 00123 Seestadt",
            ),
        ),
        part(
            son,
            JC,
            entry(
                "PersonRegistered", (2026, 6, 1), names="Yıldızeli-Muster, Kerem", birth_date=date(2015, 9, 2)
            ),
            entry("MemberJoined", (2026, 1, 4), role="NEF", from_=date(2026, 1, 1)),
        ),
        part(
            son,
            JA,
            worker(
                (2026, 2, 1),
                "ja_asd",
                "Selin Göksuyolu, 00000 77-018, fk-018@seestadt.invalid",
                "de",
                "tr",
                worker_id="FK-018",
                from_=date(2026, 2, 1),
            ),
            entry(
                "HelpStarted",
                (2025, 3, 1),
                paragraph="28",
                provider="Familienanker Seestadt (Muster)",
                start=date(2025, 3, 1),
            ),
            entry(
                "HelpEnded",
                (2026, 1, 31),
                paragraph="28",
                provider="Familienanker Seestadt (Muster)",
                start=date(2025, 3, 1),
                end=date(2026, 1, 31),
                end_code="10",
            ),
            entry(
                "HelpStarted",
                (2026, 2, 15),
                paragraph="31",
                provider="Jugendhilfe Möwennest (Muster)",
                place="Seestadt",
                intensity="6 h/Woche",
                start=date(2026, 2, 15),
                end=date(9999, 12, 31),
            ),
            entry(
                "HelpPlanAgreed",
                (2026, 3, 1),
                goals=["school:regelmaessiger_besuch", "childcare:kitaplatz"],
                review_date=date(2026, 9, 15),
            ),
            entry(
                "HelpPlanMeetingScheduled",
                (2026, 7, 2),
                "date",
                date=date(2026, 8, 4),
                time="14:00",
                place="Stadthaus, Zimmer 0.12",
            ),
        ),
        part(
            girl,
            JA,
            entry("MemberJoined", (2026, 2, 1), role="child", from_=date(2024, 4, 1)),
            grounds=("§ 69 SGB X: § 16 SGB II",),
        ),
        withheld={mother: ("G9", "VB"), son: ("IN", "VB"), girl: ("HP", "HS", "ID", "TM")},
        families=(family,),
    )
