"""Reducing never widens: whatever is taken from a record, no more of it is seen, and nobody sees what is another's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.policy.reduce import Released, Shown, passing, view, visible
from tests.unit.policy.reducing import EVENTS, recipient, released

CODES = st.sampled_from(
    ["here", "there", "provider:here", "provider:there", "jc_benefits", "ja_asd", "", None]
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "provider_id": CODES,
    "owner": CODES,
    "awaits": CODES,
    "participants": st.lists(CODES, max_size=3),
    "goals": st.lists(st.sampled_from(["work: x", "therapy: x", "plain text"]), max_size=3),
    "agreement_ref": st.sampled_from(["a-1", "a-2"]),
    "task_ref": st.sampled_from(["a-1", "a-2"]),
    "month": st.sampled_from(["2026-09", "2026-10", "soon"]),
    "kind": st.sampled_from(["20", "22"]),
    "amount": st.integers(0, 10_000).map(lambda cents: Decimal(cents).scaleb(-2)),
    "read_back": st.booleans(),
    "released_by": st.lists(st.just("person"), max_size=1),
    "text": st.just("a sentence"),
}
LABELS = {
    "HelpStarted": "HS",
    "MeasureStarted": "EG",
    "HelpPlanAgreed": "HP",
    "AgreementMade": "VB",
    "TaskAssigned": "VB",
    "AgreementClosed": "VB",
    "TaskDone": "VB",
    "ThreeWayTalkScheduled": "TM",
    "BenefitGranted": "LS",
    "BenefitChanged": "LS",
    "CaseOpened": "LS",
}
NAMES = {
    "HelpStarted": ["paragraph", "provider_id"],
    "MeasureStarted": ["norm", "provider_id"],
    "HelpPlanAgreed": ["goals", "provider_id", "review_date"],
    "AgreementMade": ["agreement_ref", "owner", "awaits", "text", "read_back", "released_by"],
    "TaskAssigned": ["task_ref", "owner", "awaits"],
    "AgreementClosed": ["agreement_ref", "owner", "outcome"],
    "TaskDone": ["task_ref", "owner", "date"],
    "ThreeWayTalkScheduled": ["date", "place", "participants"],
    "BenefitGranted": ["kind", "amount", "month"],
    "BenefitChanged": ["kind", "amount", "month"],
    "CaseOpened": ["kind"],
}
ROLES = ["provider_worker", "jc_benefits", "jc_case_manager", "ja_asd", "coordinator", "ja_wjh"]
COMPARED = {"provider_id", "owner", "awaits", "participants"}


@st.composite
def records(draw: st.DrawFn) -> Released:
    event_type = draw(st.sampled_from(sorted(NAMES)))
    fields = {
        name: draw(VALUES.get(name, st.just("value"))) for name in NAMES[event_type] if draw(st.booleans())
    }
    labels = {name: "LB" if name == "amount" else LABELS[event_type] for name in fields}
    kept = {name for name in fields if draw(st.booleans())}
    given = {name: value for name, value in fields.items() if value is not None}
    return released(
        event_type,
        given,
        labels,
        ref=f"r{draw(st.integers(0, 10**6))}",
        kept=kept & given.keys(),
        sender=draw(st.sampled_from(["there", "elsewhere"])),
        hours=draw(st.integers(0, 5)),
    )


views = st.lists(records(), max_size=6, unique_by=lambda one: one.ref)
roles = st.sampled_from(ROLES)


def looked(records: Sequence[Released], role: str, controller: str = "here") -> list[Shown]:
    return view(records, recipient(role, controller))


def without(record: Released, name: str) -> Released:
    left = {field: value for field, value in record.fields.items() if field != name}
    return replace(record, fields=left, kept=[field for field in record.kept if field != name])


def shown_of(entries: Sequence[Shown]) -> set[tuple[str, str]]:
    return {(one.ref, name) for one in entries for name in one.fields}


@given(records(), roles, st.data())
def test_without_a_field_or_an_owner_no_more_is_seen(
    record: Released, role: str, data: st.DataObject
) -> None:
    if record.fields:
        name = data.draw(st.sampled_from(sorted(record.fields)))
        less = without(record, name)
        assert shown_of(looked([less], role)) <= shown_of(looked([record], role))
        assert visible(less, recipient(role)) <= visible(record, recipient(role))


@given(views, st.sampled_from(["provider_worker", "jc_benefits"]))
def test_nobody_sees_what_names_somebody_else(of: list[Released], role: str) -> None:
    by_ref = {one.ref: one for one in of}
    mine = {"here", "provider:here"} if role == "provider_worker" else {"jc_benefits"}
    for one in looked(of, role):
        fields = by_ref[one.ref].fields
        named = {fields.get(name) for name in COMPARED - {"participants"}} | set(
            fields.get("participants", ())
        )
        assert named & mine


@given(views, roles)
def test_what_is_hidden_changes_nothing_of_what_is_shown(of: list[Released], role: str) -> None:
    seen = looked(of, role)
    behind = {record.ref for one in seen for record in one.behind}
    assert looked([one for one in of if one.ref in behind], role) == seen
    assert looked(of[::-1], role) == seen


@given(views)
def test_a_total_is_the_sum_of_the_lines_that_are_shown(of: list[Released]) -> None:
    for one in looked(of, "ja_asd"):
        if one.event_type != "BenefitTotal":
            continue
        changed = {r.fields.get("kind"): r for r in one.behind if r.event_type == "BenefitChanged"}
        lines = [*changed.values(), *(r for r in one.behind if r.fields.get("kind") not in changed)]
        amounts = [r.fields["amount"] for r in lines if "amount" in r.kept]
        assert one.fields.get("amount") == (sum(amounts, Decimal(0)) if amounts else None)
        assert {r.fields["month"] for r in one.behind} == {one.fields["month"]}
        assert "kind" not in one.fields


@given(records())
def test_what_may_leave_leaves_the_same_way_again(record: Released) -> None:
    once = passing(record.event_type, record.fields)
    assert passing(record.event_type, once) == once
    assert once.keys() <= record.fields.keys()


def test_every_event_of_the_strategy_is_reduced_somewhere() -> None:
    assert set(LABELS.values()) <= set(EVENTS)
