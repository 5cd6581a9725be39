"""The gate's question (protocol rule 11): would any declared role keep this field, if its worker were assigned?"""

from collections.abc import Mapping
from dataclasses import replace
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
        request(), event__fields={"plan": "EG", "benefit": "LS", "code": "CT"}, consents=[signed, unsigned],
        event__ground={"consents": [signed["id"], "c2"]},
    )  # fmt: skip
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
        request("jc_case_manager", "HP"), event__endangers_help=True, recipient__kind="youth_welfare",
        recipient__role="ja_wjh",
    )  # fmt: skip
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
        ("a", "jobcenter", "jc_case_manager", False), ("a", "jobcenter", "jc_benefits", False),
        ("a", "jobcenter", "coordinator", False), ("b", "provider", "provider_worker", True),
        ("b", "provider", "coordinator", True),
    ]  # fmt: skip


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
