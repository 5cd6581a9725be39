"""Requests that no JSON reader made: a stage's mistake is decided like a caller's, and what is said of it is exact."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hub.errors import ConfigurationError
from hub.policy import DangerRequest, Decision, Request, decide, default_policy, parse_request
from hub.policy.facts import ConsentGround, NormGround
from hub.policy.grounds import counts
from hub.policy.load import compile_policy, load_policy
from tests.unit.policy.cast import put, request
from tests.unit.policy.test_load import two_periods

POLICY = default_policy()


def asked(case: dict[str, Any] | None = None, **changes: Any) -> Request:
    """A request as a stage makes it: values, not text."""
    read = parse_request(case or request())
    assert isinstance(read, Request)
    return replace(read, **changes)


def refused(decision: Decision, key: str) -> bool:
    return (decision.outcome, decision.rules, decision.needed) == ("deny", ("R00",), (f"key: {key}",))


@pytest.mark.parametrize("purpose", ["", "evaluation", "look_back", "planning~"])
def test_a_purpose_that_no_request_may_have(purpose: str) -> None:
    assert refused(decide(POLICY, asked(purpose=purpose)), "purpose")


def test_a_day_that_no_period_covers() -> None:
    later = asked(put(request(), at="2027-01-02T12:00:00Z"))
    assert refused(decide(compile_policy(two_periods()), later), "at")


def test_a_role_that_cannot_sit_there() -> None:
    whole = asked()
    for recipient in (
        replace(whole.recipient, kind="jobcenter"),
        replace(whole.recipient, role="nobody"),
        replace(whole.recipient, role="subject", kind="subject"),
    ):
        assert refused(decide(POLICY, replace(whole, recipient=recipient)), "recipient.role")


@pytest.mark.parametrize("fields", [{}, {"x": "EG", "y": "XX"}, {"x": "eg"}])
def test_fields_that_are_none_or_carry_no_known_label(fields: dict[str, str]) -> None:
    whole = asked()
    decision = decide(POLICY, replace(whole, event=replace(whole.event, fields=fields)))
    assert refused(decision, "event.fields")
    assert decision.dropped == dict.fromkeys(fields, "R00")


def test_the_reason_names_what_is_missing_in_both_languages() -> None:
    (reason,) = decide(POLICY, asked(purpose="")).reasons
    assert (reason.text[-9:], reason.text_en) == (": purpose", "incomplete or unknown input: purpose")


def test_danger_protection_asks_its_own_rules_whoever_made_the_request() -> None:
    case = put(request("ja_intake", "K8a"), purpose="danger_protection")
    made = parse_request(case)
    assert isinstance(made, DangerRequest)
    whole = asked(request("ja_intake", "K8a"), purpose="danger_protection")
    assert decide(POLICY, whole) == decide(POLICY, made)
    assert decide(POLICY, whole).outcome == "allow"
    assert decide(POLICY, whole).obligations == ("log_disclosure",)


@pytest.mark.parametrize(
    ("kind", "kept"), [("provider", True), ("jobcenter", True), ("social_office", False)]
)
def test_a_report_reaches_the_intake_from_those_who_may_report(kind: str, *, kept: bool) -> None:
    case = put(request("ja_intake", "K8a"), purpose="danger_protection", sender__kind=kind)
    assert bool(decide(POLICY, parse_request(case)).kept) is kept


@pytest.mark.parametrize("role", ["jc_case_manager", "provider_worker", "jc_benefits", "coordinator"])
def test_three_flags_go_back_to_who_may_report(role: str) -> None:
    flags = dict.fromkeys(("confirmed", "acted", "still_acting"), "K8a")
    case = put(
        request(role, "K8a"),
        purpose="danger_protection",
        sender__kind="youth_welfare",
        event__type="DangerAnswered",
        event__fields={**flags, "signs": "K8a"},
    )
    answered = decide(POLICY, parse_request(case))
    assert set(answered.kept) == (set(flags) if role in ("jc_case_manager", "provider_worker") else set())
    assert decide(POLICY, parse_request(put(case, recipient__assigned=False))).kept == ()
    assert decide(POLICY, parse_request(put(case, event__type="DangerReported"))).kept == ()
    assert decide(POLICY, parse_request(put(case, sender__kind="provider"))).kept == ()


@pytest.mark.parametrize("kind", ["youth_welfare", "jobcenter"])
def test_what_ends_the_matter_is_a_denial_whatever_its_rule_does_elsewhere(kind: str) -> None:
    decision = decide(POLICY, asked(put(request(), purpose="planning", sender__kind=kind)))
    assert decision.rules == (("R17",) if kind == "youth_welfare" else ("R12",))
    assert (decision.outcome, decision.reasons[0].effect) == ("deny", "deny")


@pytest.mark.parametrize("form", ["written", "electronic", "oral"])
def test_the_forms_that_are_known(form: str) -> None:
    decision = decide(POLICY, parse_request(put(request(), consents__0__form=form)))
    assert decision.rules == (("R04",) if form == "oral" else ())


def test_a_mark_names_the_policy_and_its_period() -> None:
    policy = compile_policy(two_periods())
    assert policy.mark(date(2026, 11, 21)) == f"{policy.version} 2026-11-21"
    assert policy.mark(date(2026, 11, 20)) == f"{policy.version} 0001-01-01"
    assert policy.mark(date(2027, 1, 1)) == f"{policy.version} none"
    assert policy.changes_after(date(2026, 11, 20)) == date(2026, 11, 21)
    assert policy.changes_after(date(2026, 11, 21)) is None
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", policy.version)


def test_versions_that_meet_on_a_day_overlap_and_one_may_last_a_day() -> None:
    meeting = two_periods()
    meeting["matrix"][0]["valid_to"] = date(2026, 11, 21)
    with pytest.raises(ConfigurationError, match=r"two versions are valid on 2026-11-21"):
        compile_policy(meeting)
    short = two_periods()
    short["matrix"][1]["valid_to"] = date(2026, 11, 21)
    assert compile_policy(short).on(date(2026, 11, 22)) is None
    assert compile_policy(short).on(date(2026, 11, 21)) is not None
    turned = two_periods()
    turned["matrix"][1]["valid_from"] = date(2027, 1, 1)
    with pytest.raises(ConfigurationError, match="dates in order"):
        compile_policy(turned)


def test_the_version_does_not_depend_on_the_order_of_keys() -> None:
    turned = {name: [dict(reversed(row.items())) for row in rows] for name, rows in two_periods().items()}
    assert compile_policy(turned).version == compile_policy(two_periods()).version


def test_a_wording_may_change_on_the_last_day_of_a_matrix() -> None:
    changed = two_periods()
    place = next(n for n, rule in enumerate(changed["rule"]) if rule["id"] == "R04")
    old = changed["rule"][place]
    changed["rule"][place] = {**old, "valid_to": date(2026, 12, 30)}
    changed["rule"].append({**old, "valid_from": date(2026, 12, 31), "de": "Neu gefasst"})
    policy = compile_policy(changed)
    texts = [
        decide(policy, parse_request(put(request("ja_asd", "ID"), at=at, consents=[]))).reasons[0].text
        for at in ("2026-12-30T12:00:00Z", "2026-12-31T12:00:00Z")
    ]
    assert texts == [old["de"], "Neu gefasst"]


def test_a_file_that_names_no_agency_holds_for_everybody(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[[tighten]]\nid = "none"\nrole = "ja_asd"\ncategory = "EG"\ncell = "D"\nnorm = "§ 1"\nde = "zu"\n'
        "valid_from = 2026-01-01\n",
        encoding="utf-8",
    )
    policy = load_policy([file])
    assert decide(POLICY, asked()).outcome == "allow"
    assert decide(policy, asked()).rules == ("hub:none",)
    assert policy.latest.agencies == frozenset()


def test_a_consent_to_which_the_event_does_not_refer_does_not_count() -> None:
    whole = asked()
    (consent,) = whole.consents
    assert counts(consent, "EG", whole)
    norm = NormGround(norm="§ 1", task_norm="", attested_by=None)
    for ground in (ConsentGround(consents=frozenset({"another"})), norm):
        assert not counts(consent, "EG", replace(whole, event=replace(whole.event, ground=ground)))
