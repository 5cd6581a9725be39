"""The gate's question (protocol rule 11): would any declared role keep this field, if its worker were assigned?"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.domain.agencies import default_agency
from hub.policy import Request, default_policy, parse_request
from hub.policy.gate import Declared, Gate, Verdict, declared_roles
from tests.unit.policy.cast import COOPERATION, HOME, STATUTORY, UNATTESTED, put, request


def role(name: str, controller: str = "recipient", *, undertaking: bool = True) -> Declared:
    return Declared(controller, HOME[name], name, undertaking)


def judged(case: Mapping[str, Any], *declared: Declared) -> Verdict:
    """The verdict for these roles; who asks, and whether assigned, is not taken from the request."""
    asked = parse_request(put(dict(case), recipient__assigned=False))
    assert isinstance(asked, Request)
    gate = Gate(default_policy(), declared)
    return gate.judge(asked.sender, asked.subject, asked.event, asked.consents, asked.at)


ASD, MANAGER, WJH = role("ja_asd"), role("jc_case_manager"), role("ja_wjh")


def test_one_role_that_keeps_it_is_enough() -> None:
    assert judged(request(), role("office_clerk"), ASD) == Verdict(frozenset({"field"}), {}, "", held=False)


def test_nobody_declared_keeps_nothing() -> None:
    assert judged(request()) == Verdict(frozenset(), {"field": "R02"}, "R02", held=False)
    assert judged(request(), role("ja_asd", "sender")).rule == "R02"


def test_the_first_role_names_the_rule() -> None:
    case = put(request(), consents=[])
    assert judged(case, role("office_clerk"), ASD).dropped == {"field": "R03"}
    assert judged(case, ASD, role("office_clerk")).rule == "R04"


def test_what_one_role_keeps_and_another_not_is_kept() -> None:
    case = put(request(), event__fields={"plan": "EG", "name": "ID", "goal": "CT"})
    verdict = judged(case, role("office_clerk"), ASD)
    assert (verdict.kept, verdict.dropped, verdict.rule) == (frozenset({"plan", "name"}), {"goal": "R03"}, "")


def test_a_hold_keeps_nothing_and_tells_that_a_person_may() -> None:
    case = put(request(), consents__0__granted_by=["p-other"])
    waiting = frozenset({"field"})
    assert judged(case, ASD) == Verdict(frozenset(), {"field": "R06"}, "R06", held=True, waiting=waiting)


def test_what_waits_is_told_beside_what_would_go_but_for_it() -> None:
    signed, unsigned = (dict(request()["consents"][0]) for _ in range(2))
    signed |= {"categories": ["EG"]}
    unsigned |= {"id": "c2", "granted_by": ["p-other"], "categories": ["LS"]}
    case = put(
        request(),
        event__fields={"plan": "EG", "benefit": "LS", "code": "CT"},
        consents=[signed, unsigned],
        event__ground={"consents": [signed["id"], "c2"]},
    )
    found = judged(case, ASD)
    assert (found.kept, found.waiting, found.would) == (
        frozenset(),
        frozenset({"benefit"}),
        frozenset({"plan"}),
    )


def test_the_rule_of_a_hold_is_one_that_holds() -> None:
    case = put(request(), consents__0__granted_by=[], event__fields={"goal": "CT", "plan": "EG"})
    verdict = judged(case, ASD)
    assert (verdict.rule, verdict.held, verdict.dropped) == ("R06", True, {"goal": "R03", "plan": "R06"})


def test_a_hold_of_one_role_does_not_outweigh_what_another_keeps() -> None:
    case = put(
        request("jc_case_manager", "HP"),
        event__endangers_help=True,
        recipient__kind="youth_welfare",
        recipient__role="ja_wjh",
    )
    held = judged(case, MANAGER)
    assert (held.rule, held.held) == ("R17", True)
    verdict = judged(case, MANAGER, role("coordinator"))
    assert (verdict.kept, verdict.held) == (frozenset({"field"}), False)


@pytest.mark.parametrize("worker", [None, "w-9"])
def test_any_worker_whom_a_consent_names_may_be_the_one(worker: str | None) -> None:
    case = put(request("ja_asd", "A65"), recipient__worker=worker)
    assert judged(case, ASD).kept == {"field"}
    assert judged(put(case, consents__0__recipients=["elsewhere"]), ASD).rule == "R18"


def test_where_workers_are_named_the_unit_is_asked_too() -> None:
    case = put(request("ja_asd", "EG"), consents__0__recipient_workers=["w-1"])
    assert judged(case, ASD).kept == {"field"}
    assert judged(case, role("coordinator")).kept == {"field"}
    assert judged(put(case, consents__0__recipient_workers=[]), role("coordinator")).rule == "R04"


@pytest.mark.parametrize(
    ("purpose", "declared", "kept"),
    [
        ("joint_case_management", ASD, True),
        ("cost_contribution", WJH, False),  # a consent opens nothing for it
        ("benefit_administration", role("ja_asd"), True),
        ("sanction_control", ASD, False),
        ("evaluation", ASD, False),
    ],
)
def test_it_is_asked_for_the_purposes_that_consents_name(
    purpose: str, declared: Declared, *, kept: bool
) -> None:
    assert bool(judged(put(request(), consents__0__purposes=[purpose]), declared).kept) is kept


def test_only_purposes_of_consents_that_the_event_refers_to_count() -> None:
    case = put(request(), event__ground={"consents": []})
    assert judged(case, ASD).rule == "R04"


def test_on_a_norm_cost_contribution_is_asked_too() -> None:
    case = put(request("ja_wjh", "LB"), event__ground=STATUTORY, consents=[])
    assert judged(case, WJH).kept == {"field"}
    assert judged(put(case, event__ground=UNATTESTED), WJH) == Verdict(
        frozenset(), {"field": "R09"}, "R09", held=True, waiting=frozenset({"field"})
    )
    assert judged(put(case, event__ground=COOPERATION), WJH).rule == "R04"


def test_a_provider_without_undertaking_is_nobody() -> None:
    assert judged(request(), role("provider_worker")).kept == {"field"}
    assert judged(request(), role("provider_worker", undertaking=False)).rule == "R11"


def test_every_role_of_every_agency_is_declared() -> None:
    found = declared_roles(
        [default_agency("a", "jobcenter"), default_agency("b", "provider", undertaking=True)]
    )
    assert [(one.controller, one.kind, one.role, one.undertaking) for one in found] == [
        ("a", "jobcenter", "jc_case_manager", False),
        ("a", "jobcenter", "jc_benefits", False),
        ("a", "jobcenter", "coordinator", False),
        ("b", "provider", "provider_worker", True),
        ("b", "provider", "coordinator", True),
    ]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"consents__0__granted_by": []}, "R06"),
        ({"event__ground": UNATTESTED, "event__fields": {"field": "ID"}}, "R09"),
        ({"event__task_class": "help", "event__merges_with": "other_task"}, "R16"),
    ],
)
def test_a_hold_of_a_later_role_is_named_before_a_denial_of_an_earlier_one(
    changes: dict[str, Any], rule: str
) -> None:
    verdict = judged(put(request(), **changes), role("controlling"), ASD)
    assert (dict(verdict.dropped), verdict.rule, verdict.held) == ({"field": rule}, rule, True)
    assert verdict.waiting == {"field"}


def test_an_event_without_fields_keeps_nothing() -> None:
    asked = parse_request(request())
    assert isinstance(asked, Request)
    bare = replace(asked.event, fields={})
    verdict = Gate(default_policy(), (ASD,)).judge(
        asked.sender, asked.subject, bare, asked.consents, asked.at
    )
    assert (verdict.kept, verdict.rule, verdict.held) == (frozenset(), "R02", False)


PROVIDER, BENEFITS = role("provider_worker"), role("jc_benefits")


def record(
    event_type: str, content: Mapping[str, Any], label: str | Mapping[str, str], **changes: Any
) -> dict[str, Any]:
    labels = dict.fromkeys(content, label) if isinstance(label, str) else dict(label)
    return put(request(), event__type=event_type, event__fields=labels, **changes)


def of_record(case: Mapping[str, Any], content: Mapping[str, Any], *declared: Declared) -> Verdict:
    """The verdict on a record with its content."""
    asked = parse_request(dict(case))
    assert isinstance(asked, Request)
    gate = Gate(default_policy(), declared)
    return gate.judge_record(asked.sender, asked.subject, asked.event, asked.consents, asked.at, content)


@pytest.mark.parametrize(("provider", "kept"), [("recipient", True), ("elsewhere", False), (None, False)])
def test_a_record_that_no_declared_recipient_could_see_does_not_leave(
    provider: str | None, *, kept: bool
) -> None:
    content = {"norm": "16d"} | ({"provider_id": provider} if provider else {})
    verdict = of_record(record("MeasureStarted", content, "EG"), content, PROVIDER)
    assert (verdict.kept == content.keys(), verdict.rule) == (kept, "" if kept else "R03")
    assert of_record(record("MeasureStarted", content, "EG"), content, PROVIDER, ASD).kept == content.keys()


def test_a_code_that_does_not_leave_is_compared_by_nobody() -> None:
    content = {"reasons": ["13"], "goals": ["work: x"], "provider_id": "recipient"}
    labels = {"reasons": "HI", "goals": "HP", "provider_id": "HP"}
    both = record("HelpPlanAgreed", content, labels)
    assert of_record(both, content, PROVIDER).kept == content.keys()
    reasons = put(both, consents__0__categories=["HI"])
    assert of_record(reasons, content, PROVIDER).kept == frozenset()


def test_free_text_stays_whoever_could_see_the_rest() -> None:
    content = {"what": "x", "owner": "jc_benefits", "text": "y", "read_back": True, "released_by": []}
    verdict = of_record(record("AgreementMade", content, "VB"), content, ASD, BENEFITS)
    assert verdict.kept == {"owner", "read_back", "released_by"}
    assert verdict.dropped == {"what": "R08", "text": "R08"}
    only = of_record(record("AgreementMade", {"what": "x"}, "VB"), {"what": "x"}, ASD)
    assert (only.kept, only.rule, only.held) == (frozenset(), "R08", False)


def test_evidence_alone_does_not_leave() -> None:
    content = {"text": "x" * 161, "read_back": True, "released_by": ["person"]}
    assert of_record(record("AgreementMade", content, "VB"), content, ASD).kept == frozenset()


def test_the_codes_of_a_total_travel_with_its_amount() -> None:
    content = {"kind": "20", "month": "2026-09", "amount": Decimal(1), "period": "p"}
    labels = {"kind": "LS", "month": "LS", "amount": "LB", "period": "LS"}
    case = record("BenefitGranted", content, labels, consents__0__categories=["LB"])
    assert of_record(case, content, ASD).kept == {"kind", "month", "amount"}
    assert of_record(case, content, ASD).dropped == {"period": "R04"}
    assert of_record(case, content, WJH).kept == {"amount"}
    assert of_record(case, {**content, "month": "soon"}, ASD).kept == frozenset()


def test_what_follows_a_start_leaves_by_its_own_codes() -> None:
    """The start may be open by a consent that comes later: whether it is shown is the view's to say."""
    content = {"agreement_ref": "a-1", "owner": "jc_benefits"}
    assert of_record(record("AgreementClosed", content, "VB"), content, BENEFITS).kept == content.keys()
    assert (
        of_record(record("AgreementClosed", content, "VB"), {**content, "owner": "ja_asd"}, BENEFITS).kept
        == set()
    )


def test_a_reduced_record_on_hold_waits_like_any_other() -> None:
    content = {"norm": "16d", "provider_id": "recipient"}
    case = record("MeasureStarted", content, "EG", consents__0__granted_by=["p-other"])
    verdict = of_record(case, content, PROVIDER)
    assert (verdict.rule, verdict.held, verdict.waiting) == ("R06", True, frozenset(content))
