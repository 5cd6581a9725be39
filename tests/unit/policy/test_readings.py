"""Sentences of the contract that are easily misread, each with the request that tells the readings apart."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from hub.domain.consent import ScopedWithdrawal
from hub.policy import Decision, Request, decide, default_policy, parse_request
from hub.policy.grounds import counts
from tests.unit.policy.cast import COOPERATION, STATUTORY, UNATTESTED, both, put, request

AT = datetime.fromisoformat("2026-11-21T10:00:00+01:00")


def judged(case: Any) -> Decision:
    return decide(default_policy(), parse_request(case))


def test_one_good_consent_is_enough() -> None:
    unsigned = put(request(), consents__0__granted_by=[])
    assert judged(unsigned).rules == ("R06",)
    assert judged(both(unsigned, {"granted_by": ["p-mother"]})).outcome == "allow"


def test_from_a_doctor_the_consent_that_names_the_worker_is_the_one_to_be_signed() -> None:
    unnamed_but_signed = put(request(), event__source_203=True, consents__0__recipient_workers=[])
    case = both(unnamed_but_signed, {"recipient_workers": ["w-1"], "granted_by": []})
    assert judged(case).rules == ("R06",)


def test_one_hold_holds_all_and_tells_what_would_go() -> None:
    case = put(request(), event__fields={"name": "ID", "plan": "EG", "unlabelled": ""})
    case = both(put(case, consents__0__categories=["ID"]), {"categories": ["EG"], "granted_by": ["p-other"]})
    decision = judged(case)
    assert (decision.outcome, decision.kept) == ("hold", ("name",))
    assert decision.dropped == {"plan": "R06", "unlabelled": "R03"}


def test_a_norm_does_not_use_a_consent_that_is_there() -> None:
    assert judged(put(request("ja_asd", "VB"), event__ground=STATUTORY)).rules == ("R04",)


def test_a_duty_to_cooperate_is_named_beside_the_missing_ground() -> None:
    assert judged(put(request("ja_asd", "ID"), event__ground=COOPERATION)).rules == ("R04", "R23")
    assert judged(put(request("ja_asd", "G9"), event__ground=COOPERATION)).rules == ("R05",)


def test_a_consent_only_cell_is_closed_to_a_norm_before_its_attestation_is_asked() -> None:
    assert judged(put(request("ja_asd", "VB"), event__ground=UNATTESTED)).rules == ("R04",)


CONFIDED = put(
    request("ja_asd", "A65"),
    event__entrusted_by="p-grandmother",
    consents__0__granted_by=["p-grandmother"],
)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, ()),
        ({"subject__birth_date": "2020-01-01"}, ()),
        ({"subject__capable": False}, ()),
        ({"consents__0__granted_by": ["p-grandmother", "p-mother"]}, ("R18",)),
        ({"consents__0__granted_by": ["p-mother"]}, ("R18",)),
        ({"consents__0__subject": "p-grandmother"}, ("R18",)),
        ({"consents__0__recipient_workers": []}, ("R18",)),
        ({"event__entrusted_by": None}, ("R18",)),
        ({"event__ground": STATUTORY}, ("R18",)),
        ({"event__source_203": True}, ()),
        ({"event__objected_76": True}, ()),
        ({"event__source_203": True, "event__objected_76": True}, ("R10",)),
        ({"event__task_class": "help", "event__merges_with": "other_task"}, ("R16",)),
        ({"event__endangers_help": True, "sender__kind": "youth_welfare"}, ()),
        ({"purpose": "cost_contribution", "consents__0__purposes": ["cost_contribution"]}, ("R07",)),
        ({"purpose": "benefit_administration", "consents__0__purposes": ["benefit_administration"]}, ()),
    ],
)
def test_entrusted_data_ask_the_confider_and_nothing_else_of_the_ground(
    changes: dict[str, Any], rules: tuple[str, ...]
) -> None:
    assert judged(put(CONFIDED, **changes)).rules == rules


def test_entrusted_data_ask_the_confider_inside_the_office_too() -> None:
    inside = request("ja_asd", "A65", inside=True)
    assert judged(inside).outcome == "allow"
    assert judged(put(inside, consents=[])).rules == ("R18",)
    assert judged(request("ja_wjh", "A65", inside=True)).rules == ("R18",)


def test_inside_one_controller_no_ground_is_asked() -> None:
    case = put(
        request("jc_case_manager", "LS", inside=True), event__ground=COOPERATION, event__source_203=True
    )
    assert judged(case).outcome == "allow"


def test_a_connection_recorded_later_is_none_yet() -> None:
    case = put(request(), event__task_class="help", event__merges_with="other_task")
    assert judged(put(case, event__connection="2026-11-21")).outcome == "allow"
    assert judged(put(case, event__connection="2026-11-22")).rules == ("R16",)


def test_subject_access_opens_all_but_what_it_excepts() -> None:
    fields = {"a": "LB", "b": "CT", "c": "VG", "d": "G9", "e": "A65", "f": "K8a", "g": "B68", "h": ""}
    case = put(
        request(),
        purpose="subject_access",
        recipient={
            "controller": "self",
            "kind": "subject",
            "role": "subject",
            "worker": "p-mother",
            "assigned": False,
            "undertaking": False,
        },
        event__fields=fields,
        consents=[],
    )
    decision = judged(case)
    assert decision.kept == ("a", "b", "c", "d")
    assert decision.dropped == {"e": "R18", "f": "R19", "g": "R20", "h": "R03"}
    assert judged(put(case, event__entrusted_by="p-mother")).kept == ("a", "b", "c", "d", "e")
    assert judged(put(case, recipient__worker="p-other")).dropped == dict.fromkeys(fields, "R01")
    assert judged(put(case, recipient__worker=None)).rules == ("R01",)


def test_an_unassigned_reporter_gets_no_danger_answer() -> None:
    case = put(
        request("jc_case_manager", "K8a"),
        purpose="danger_protection",
        sender__kind="youth_welfare",
        event__type="DangerAnswered",
        event__fields={"confirmed": "K8a", "acted": "B68", "result": "K8a"},
    )
    assert judged(case).dropped == {"acted": "R20", "result": "R19"}
    assert judged(put(case, recipient__assigned=False)).dropped == {
        "confirmed": "R19",
        "acted": "R20",
        "result": "R19",
    }


def test_only_what_is_kept_carries_a_mark() -> None:
    fields = {"name": "ID", "plan": "LM"}
    case = put(request("jc_case_manager"), event__fields=fields, event__disputed=["name", "plan", "other"])
    decision = judged(case)
    assert decision.marked == ("name",)
    assert "keep_dispute_mark" in decision.obligations


def test_obligations_of_a_release() -> None:
    decision = judged(put(request("provider_worker", "EG"), event__ground=STATUTORY))
    expected = ("log_disclosure", "inform_subject", "purpose_lock", "reduce:EG:provider_worker")
    assert decision.obligations == expected
    assert judged(put(request(), consents=[])).obligations == ()


@pytest.mark.parametrize(
    ("scope", "withdrawn"),
    [
        ({}, True),
        ({"purposes": {"joint_case_management"}}, True),
        ({"categories": {"EG", "ID"}, "recipients": {"recipient"}}, True),
        ({"purposes": {"planning"}}, False),
        ({"purposes": {"joint_case_management"}, "categories": {"ID"}}, False),
        ({"recipients": {"elsewhere"}}, False),
        ({"at": "2026-11-21T10:00:01+01:00"}, False),
    ],
)
def test_a_part_withdrawn_is_withdrawn_where_its_dimensions_meet(
    scope: dict[str, Any], withdrawn: bool
) -> None:
    read = parse_request(request())
    assert isinstance(read, Request)
    at = datetime.fromisoformat(scope.get("at", AT.isoformat()))
    named = {name: frozenset(values) for name, values in scope.items() if name != "at"}
    consent = _with(read.consents[0], scoped_withdrawals=(ScopedWithdrawal(at=at, **named),))
    assert counts(consent, "EG", read) is not withdrawn
    rules = ("R04",) if withdrawn else ()
    assert decide(default_policy(), _with(read, consents=(consent,))).rules == rules


def _with(value: Any, **changes: Any) -> Any:
    return replace(value, **changes)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("", {"purpose": "evaluation"}),
        ("recipient", {"role": "subject"}),
        ("recipient", {"role": "mayor"}),
        ("recipient", {"kind": "provider"}),
        ("event", {"fields": {}}),
        ("event", {"fields": {"field": "XX"}}),
    ],
)
def test_facts_put_together_in_code_are_not_trusted_either(part: str, changes: dict[str, Any]) -> None:
    read = parse_request(request())
    changed = _with(read, **{part: _with(getattr(read, part), **changes)}) if part else _with(read, **changes)
    assert decide(default_policy(), changed).rules == ("R00",)


def test_nothing_personal_in_a_repr() -> None:
    read = repr(parse_request(put(request(), event__entrusted_by="p-grandmother")))
    assert not [secret for secret in ("p-mother", "p-grandmother", "1990", "w-1") if secret in read]
