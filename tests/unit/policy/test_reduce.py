"""Reduced and own cells show the records and forms of the reviewed table (`reduce.csv`), and nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from hub.policy import decide, default_policy, parse_request
from hub.policy.reduce import ROWS, Row, dropped, obliged_categories, passing
from schemas import event_schema
from tests.unit.policy.cast import CATEGORIES, HOME, request
from tests.unit.policy.reducing import EVENTS, entries, released, rows, seen

RECORDS = {
    "all": "all",
    "provider": "provider_id is this provider",
    "participant": "participants hold this provider or provider_id is it",
    "total": "one entry a person and month",
}
TABLE = {(row["category"], row["role"]): row for row in rows()}
MINE: dict[str, dict[str, Any]] = {
    "provider_id is this provider": {"provider_id": "here"},
    "participants hold this provider or provider_id is it": {"participants": ["family", "provider:here"]},
    "owner or awaits is this provider": {"owner": "provider:here"},
    "owner or awaits is jc_benefits": {"awaits": "jc_benefits"},
}
OTHERS: dict[str, Any] = {
    "provider_id": "there",
    "participants": ["provider:there"],
    "owner": "provider:there",
    "awaits": "ja_asd",
}


def told(row: Row, role: str) -> tuple[str, str]:
    whose = "this provider" if role == "provider_worker" else role
    records = RECORDS.get(row.records, f"owner or awaits is {whose}")
    return records, "as decide keeps" if row.fields is None else " ".join(sorted(row.fields))


def test_the_rows_are_those_of_the_table() -> None:
    for pair, row in ROWS.items():
        records, form = told(row, pair[1])
        assert TABLE[pair]["records"] == records
        if row.records != "total":
            assert sorted(TABLE[pair]["form"].split()) == sorted(form.split())
    assert ROWS.keys() == TABLE.keys()


def test_every_row_is_a_reduced_or_own_cell_of_the_matrix() -> None:
    cells = default_policy().latest.rows
    assert {pair for pair in ROWS if cells[pair[1]][pair[0]].show not in ("R", "own")} == set()


def test_an_own_cell_has_a_row_and_is_still_no_transmission() -> None:
    """KO and provider_worker: `decide` answers R02 across controllers (own is never a transmission), so the row's
    records are those of a provider's own invoices, and nothing of another controller's costs is shown by it."""
    cells = default_policy().latest.rows
    (pair,) = {pair for pair in ROWS if cells[pair[1]][pair[0]].show == "own"}
    assert pair == ("KO", "provider_worker")
    case = request("provider_worker", "KO")
    decision = decide(default_policy(), parse_request(case))
    assert (decision.kept, decision.rules) == ((), ("R02",))


def whole(category: str, **codes: Any) -> tuple[str, dict[str, Any]]:
    """An event with every field that may pass, each with some value of its type."""
    schema = event_schema(EVENTS[category])
    values: dict[str, Any] = {
        "strings": ["work"],
        "string|strings": ["work"],
        "decimal": Decimal(1),
        "boolean": True,
    }
    fields = {
        name: values.get(spec.kind, "value") for name, spec in schema.fields.items() if not spec.free_text
    }
    if "goals" in schema.fields:
        fields["goals"] = ["work: x"]
    return schema.event_type, fields | {name: code for name, code in codes.items() if name in fields}


@pytest.mark.parametrize("role", HOME)
@pytest.mark.parametrize("category", [code for code in CATEGORIES if code in EVENTS])
def test_a_cell_shows_the_fields_of_its_row_alone(category: str, role: str) -> None:
    row = TABLE.get((category, role))
    codes = MINE.get(row["records"], {}) if row else {}
    event_type, fields = whole(category, **codes)
    shown = seen(role, released(event_type, fields, category))
    if row is None or row["records"] == "one entry a person and month":
        assert shown == []  # this line has no month
        return
    names = set(fields) - {"read_back", "released_by"}
    wanted = names if row["form"] == "as decide keeps" else set(row["form"].split()) & names
    assert [set(one) for one in shown] == [wanted] * bool(wanted)


@pytest.mark.parametrize(
    ("category", "role"), [pair for pair, row in TABLE.items() if row["records"] in MINE and pair[0] != "BT"]
)
def test_a_record_of_others_or_without_a_code_is_not_shown(category: str, role: str) -> None:
    event_type, fields = whole(category, **OTHERS)
    assert seen(role, released(event_type, fields, category)) == []
    bare = {name: value for name, value in fields.items() if name not in OTHERS}
    assert seen(role, released(event_type, bare, category)) == []
    for odd in (None, "", [], "here", ["here"], 7):
        assert (
            role != "jc_benefits" or seen(role, released(event_type, {**bare, "owner": odd}, category)) == []
        )


def test_a_talk_is_a_providers_own_by_its_id_too() -> None:
    talk = {"date": "d", "provider_id": "here", "participants": "family"}
    assert seen("provider_worker", released("HelpPlanMeetingScheduled", talk, "TM")) == [{"date": "d"}]
    named = {"date": "d", "participants": "provider:here"}
    assert seen("provider_worker", released("HelpPlanMeetingScheduled", named, "TM")) == [{"date": "d"}]


def test_each_category_of_a_record_is_asked_for_itself() -> None:
    talk = {"date": "d", "participants": ["provider:here"], "agreement_ref": "a-1"}
    labels = {"date": "TM", "participants": "TM", "agreement_ref": "VB"}
    assert seen("provider_worker", released("ThreeWayTalkScheduled", talk, labels)) == [{"date": "d"}]


def test_inside_one_controller_and_for_the_person_nothing_is_reduced() -> None:
    fields = {"paragraph": "31", "provider_id": "there"}
    own = released("HelpStarted", fields, "HS", sender="here")
    assert seen("provider_worker", own) == [fields]
    assert seen("subject", released("HelpStarted", fields, "HS")) == [fields]


def test_what_nobody_obliges_to_reduce_stays_whole() -> None:
    record = released("PersonRegistered", {"names": "A", "address": "B"}, {"names": "ID", "address": "ID"})
    assert seen("ja_asd", record) == []
    free = type(record)(
        **{name: getattr(record, name) for name in record.__slots__} | {"obliged": frozenset()}
    )
    assert seen("ja_asd", free) == [{"names": "A", "address": "B"}]


@pytest.mark.parametrize("goal", ["work: Ausbildung", "childcare: Kita", "school: x", " Work : x", "school"])
def test_the_case_manager_sees_tags_of_work_childcare_and_school(goal: str) -> None:
    plan = released("HelpPlanAgreed", {"goals": [goal, "therapy: x", "network"]}, "HP")
    tag = goal.partition(":")[0].strip().lower()
    assert seen("jc_case_manager", plan) == [{"goals": [tag]}]
    assert seen("coordinator", plan) == [{"goals": [tag, "therapy", "network"]}]
    assert seen("jc_case_manager", released("HelpPlanAgreed", {"goals": ["therapy: x"]}, "HP")) == []


@pytest.mark.parametrize(
    ("paragraph", "group"),
    [(code, "ambulant") for code in ("27(2)", "27(3)", "28", "29", "30", "31", "35")]
    + [("32", "teilstationär"), ("33", "stationär"), ("34", "stationär"), ("35a", "Hilfe zur Erziehung")]
    + [("41", "junge Volljährige"), ("41a", "junge Volljährige"), ("99", "Hilfe zur Erziehung")],
)
def test_the_coordinator_sees_the_group_of_a_help(paragraph: str, group: str) -> None:
    assert seen("coordinator", released("HelpStarted", {"paragraph": paragraph}, "HS")) == [
        {"paragraph": group}
    ]


LINE = {"kind": "LS", "amount": "LB", "month": "LS", "period": "LS", "provisional": "LS"}
ANY = set(LINE)


def line(kind: str | None, amount: str | None, month: str | None = "2026-09", **more: Any) -> Any:
    given = {
        "kind": kind,
        "amount": Decimal(amount) if amount else None,
        "month": month,
        "period": more.pop("period", None),
    }
    fields = {name: value for name, value in given.items() if value is not None}
    kept = set(fields) & more.pop("kept", ANY)
    return released(more.pop("type", "BenefitGranted"), fields, LINE, kept=kept, **more)


def test_the_lines_of_a_month_are_one_entry_named_by_the_newest() -> None:
    (total,) = entries(
        "ja_asd",
        line("20", "563.00", ref="r2", hours=1, period="2026-09/2027-02"),
        line("22", "410.00", ref="r9"),
    )
    assert (total.event_type, total.ref, total.occurred_at.hour) == ("BenefitTotal", "r2", 9)
    assert total.fields == {"month": "2026-09", "period": "2026-09/2027-02", "amount": Decimal("973.00")}
    assert [one.ref for one in total.behind] == ["r9", "r2"]


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_a_change_stands_for_the_lines_of_its_kind_and_month_whatever_came_first(hours: int) -> None:
    changed = line("22", "400.00", type="BenefitChanged", ref="r3", hours=hours)
    older = line("22", "1.00", type="BenefitChanged", ref="r4", hours=-2)
    kept = line("22", "5.00", "2026-10", ref="r5")
    shown = seen(
        "ja_asd",
        line("22", "410.00"),
        line("22", "90.00", ref="r2"),
        older,
        changed,
        kept,
        line("20", "1.00", ref="r6"),
    )
    assert sorted(one["amount"] for one in shown) == [Decimal("5.00"), Decimal("401.00")]


def test_status_and_amount_open_each_their_own_half() -> None:
    status, amount = ANY - {"amount"}, {"amount"}
    assert seen("ja_asd", line("20", "1.00", period="p", kept=status)) == [
        {"month": "2026-09", "period": "p"}
    ]
    assert seen("ja_asd", line("20", "1.00", period="p", kept=amount)) == [
        {"month": "2026-09", "amount": Decimal("1.00")}
    ]
    assert seen("coordinator", line("20", None, period="p", kept=status)) == [
        {"month": "2026-09", "period": "p"}
    ]
    both = seen("ja_asd", line("20", "1.00"), line("22", "2.00", ref="r2", kept=status))
    assert both == [{"month": "2026-09", "amount": Decimal("1.00")}]


@pytest.mark.parametrize("month", [None, "", "2026", "2026-13", "September, seit der Trennung"])
def test_a_line_without_a_month_is_none(month: str | None) -> None:
    assert seen("ja_asd", line("20", "1.00", month)) == []


def test_an_end_and_a_line_that_tells_of_health_are_no_lines() -> None:
    assert seen("ja_asd", line("20", "1.00", type="BenefitEnded")) == []
    special = released(
        "BenefitGranted", {"kind": "21(5)", "amount": Decimal(9), "month": "2026-09"}, "G9", ref="r2"
    )
    assert seen("ja_asd", line("20", "1.00"), special)[0]["amount"] == Decimal("1.00")
    assert seen("ja_asd", special) == []


def test_persons_and_senders_have_totals_of_their_own() -> None:
    found = entries(
        "ja_asd",
        line("20", "1.00"),
        line("20", "2.00", ref="r2", person="p2"),
        line("20", "4.00", ref="r3", sender="z"),
    )
    assert sorted((one.person, one.sender, one.fields["amount"]) for one in found) == [
        ("p1", "there", Decimal(1)),
        ("p1", "z", Decimal(4)),
        ("p2", "there", Decimal(2)),
    ]


def test_a_disputed_line_marks_its_total() -> None:
    (total,) = entries("ja_asd", line("20", "1.00", marked=("amount", "kind")), line("22", "1.00", ref="r2"))
    assert total.marked == ("amount",)


def test_a_case_of_a_jobcenter_is_not_shown_where_its_status_is_reduced() -> None:
    for role in ("ja_asd", "coordinator"):
        assert seen(role, released("CaseOpened", {"kind": "BG"}, "LS")) == []


FOLLOWS = [
    ("AgreementAcknowledged", "AgreementMade", "agreement_ref"),
    ("AgreementClosed", "AgreementMade", "agreement_ref"),
    ("TaskDone", "TaskAssigned", "task_ref"),
]


@pytest.mark.parametrize(("follows", "start", "ref"), FOLLOWS)
@pytest.mark.parametrize("sender", ["there", "here"])
def test_what_follows_a_start_shows_beside_it_alone(follows: str, start: str, ref: str, sender: str) -> None:
    mine = {ref: "a-1", "owner": "jc_benefits"}
    later = released(follows, mine, "VB", ref="r2", sender=sender)
    assert len(seen("jc_benefits", later, released(start, mine, "VB"))) == 2
    assert len(seen("jc_benefits", released(start, mine, "VB", sender="here"), later)) == 2
    assert seen("jc_benefits", later) == []
    assert len(seen("jc_benefits", later, released(start, mine | {ref: "a-2"}, "VB"))) == 1
    assert seen("jc_benefits", later, released(start, mine | {"owner": "ja_asd"}, "VB")) == []
    assert seen("jc_benefits", released(follows, {"owner": "jc_benefits"}, "VB", sender=sender)) == []
    assert len(seen("subject", later)) == 1


SAID = {"text": "Ich rufe an.", "read_back": True, "released_by": ["person"]}


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({}, True),
        ({"text": "x" * 160}, True),
        ({"text": "x" * 161}, False),
        ({"read_back": False}, False),
        ({"read_back": None}, False),
        ({"released_by": []}, False),
        ({"released_by": [" "]}, False),
        ({"released_by": None}, False),
    ],
)
@pytest.mark.parametrize("event_type", ["AgreementMade", "TaskAssigned"])
def test_a_sentence_stays_when_it_was_read_back_and_released(
    event_type: str, changes: dict[str, Any], *, stays: bool
) -> None:
    fields = {**SAID, "owner": "ja_asd", **changes}
    assert ("text" in passing(event_type, fields)) is stays
    assert ("text" in dropped(event_type, fields)) is not stays
    shown = seen("jc_benefits", released(event_type, fields | {"owner": "jc_benefits"}, "VB"))
    assert shown == [{"owner": "jc_benefits"} | ({"text": fields["text"]} if stays else {})]


@pytest.mark.parametrize(
    ("event_type", "field", "value"),
    [
        ("AgreementMade", "what", "kurz"),
        ("AgreementMade", "who", ["Herr Neumann"]),
        ("AgreementAcknowledged", "what", "kurz"),
        ("FamilyConferenceHeld", "what", "kurz"),
        ("CooperationPlanAgreed", "steps", ["kurz"]),
        ("CooperationPlanUpdated", "steps", ["kurz"]),
        ("DangerReported", "signs", ["kurz"]),
        ("StepDownAgreed", "next_step", "x" * 161),
        ("ReferralSent", "target", "x" * 161),
        ("HelpPlanAgreed", "goals", ["Er soll weniger trinken", "a b: c"]),
        ("AgreementMade", "remarks", "a field that no version of the event has"),
        ("NoEvent", "kind", "x"),
    ],
)
def test_free_text_never_passes(event_type: str, field: str, value: Any) -> None:
    assert passing(event_type, {field: value}) == {}
    assert dropped(event_type, {field: value}) == {field: "R08"}


def test_what_passed_passes_again_unchanged() -> None:
    plan = {"goals": ["work: Ausbildung", "Home_Rules : x"], "review_date": "d"}
    once = passing("HelpPlanAgreed", plan)
    assert once == {"goals": ["work", "home_rules"], "review_date": "d"}
    assert passing("HelpPlanAgreed", once) == once
    assert passing("HelpStarted", {"hours_per_week": 8, "intensity": "8 h"}) == {
        "hours_per_week": 8,
        "intensity": "8 h",
    }


def test_of_a_protected_worker_the_unit_remains() -> None:
    worker = {
        "worker_id": "w",
        "name": "n",
        "room": "r",
        "mail": "m",
        "substitute": "s",
        "contact": "c",
        "function": "f",
    }
    left = passing("WorkerAssigned", worker | {"protected": True})
    assert left == {"contact": "c", "function": "f", "protected": True}
    assert set(dropped("WorkerAssigned", worker | {"protected": True}).values()) == {"R03"}
    assert passing("WorkerAssigned", worker | {"protected": False}) == worker | {"protected": False}


def test_the_obligations_of_a_decision_name_the_categories() -> None:
    found = obliged_categories(("log_disclosure", "reduce:HS:coordinator", "reduce:ID:coordinator"))
    assert found == {"HS", "ID"}
