"""What must hold for every request: agreement with the second reading, and that less never opens more."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.policy import Decision, Policy, decide, default_policy, parse_request
from hub.policy.load import compile_policy, default_paths, read_tables
from tests.unit.policy.cast import CATEGORIES, CONSENT, COOPERATION, HOME, STATUTORY, UNATTESTED, put, request
from tests.unit.policy.oracle import answer

TABLES = read_tables(default_paths())
AT = "2026-11-21T10:00:00+01:00"
CONTROLLERS = st.sampled_from(["one", "two"])
PERSONS = st.sampled_from(["p-1", "p-2", "p-3"])
TIMES = st.sampled_from(["2026-09-01T09:00:00+02:00", AT, "2026-11-21T09:00:01Z", "2026-11-21T08:59:59Z"])
PURPOSES = st.sampled_from(
    ["joint_case_management"] * 6
    + ["benefit_administration", "cost_contribution", "sanction_control", "planning", "danger_protection"]
)
SOME_CATEGORIES = st.lists(st.sampled_from(CATEGORIES), max_size=12)
MOSTLY = st.sampled_from([True] * 6 + [False])
SELDOM = st.sampled_from([False] * 4 + [True])


@st.composite
def consents(draw: st.DrawFn, name: str) -> dict[str, Any]:
    return {
        **CONSENT,
        "id": name,
        "subject": draw(st.sampled_from(["p-1"] * 5 + ["p-2"])),
        "granted_by": draw(st.lists(PERSONS, max_size=3)),
        "sender": draw(st.sampled_from(["one"] * 4 + ["two"])),
        "recipients": draw(st.lists(CONTROLLERS, min_size=1, max_size=2)),
        "recipient_workers": draw(st.lists(st.sampled_from(["w-1", "w-2"]), max_size=2)),
        "purposes": draw(st.lists(PURPOSES, min_size=1, max_size=3)),
        "categories": draw(SOME_CATEGORIES.map(lambda some: some + CATEGORIES[: 2 * len(some)])),
        "form": draw(st.sampled_from(["written", "electronic"] * 4 + ["oral"])),
        "explicit_special": draw(MOSTLY),
        "notices": ["purpose", "refusal", "withdrawal"] if draw(MOSTLY) else ["purpose"],
        "granted_at": "2026-09-01T09:00:00+02:00" if draw(MOSTLY) else draw(TIMES),
        "valid_until": None if draw(MOSTLY) else draw(TIMES),
        "withdrawn_at": None if draw(MOSTLY) else draw(TIMES),
    }


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    purpose = draw(PURPOSES | st.just("subject_access"))
    role = draw(st.sampled_from(sorted(HOME)))
    if purpose == "subject_access" and draw(MOSTLY):
        role = "subject"
    names = ["confirmed", "acted", "f1", "f2", "f3"]
    fields = draw(st.dictionaries(st.sampled_from(names), st.sampled_from([*CATEGORIES, ""]), min_size=1))
    grounds: list[dict[str, Any]] = [{"consents": ["c1", "c2"]}] * 4 + [{"consents": ["c2"]}]
    grounds += [STATUTORY, STATUTORY, UNATTESTED, COOPERATION]
    return {
        "at": AT,
        "purpose": purpose,
        "sender": {
            "controller": "one",
            "kind": draw(st.sampled_from(["jobcenter", "youth_welfare", "provider", "social_office"])),
        },
        "recipient": {
            "controller": draw(st.sampled_from(["two"] * 4 + ["one"])),
            "kind": HOME.get(role, "subject"),
            "role": role,
            "worker": draw(st.sampled_from(["w-1", "w-1", "p-1", None])),
            "assigned": draw(MOSTLY),
            "undertaking": draw(MOSTLY),
        },
        "subject": {
            "ref": "p-1",
            "birth_date": draw(
                st.sampled_from(["1990-05-01", "2009-01-01", "2015-06-07", "2011-11-21", "2011-11-22", None])
            ),
            "capable": draw(st.sampled_from([None, None, True, False])),
            "custodians": draw(st.lists(PERSONS, max_size=2)),
        },
        "event": {
            "type": draw(st.sampled_from(["MeasureStarted", "DangerAnswered"])),
            "fields": fields,
            "ground": draw(st.sampled_from(grounds)),
            "entrusted_by": draw(st.none() | PERSONS),
            "source_203": draw(SELDOM),
            "objected_76": draw(SELDOM),
            "task_class": draw(st.sampled_from([None, "help", "other_task"])),
            "connection": draw(st.sampled_from([None, "2026-10-01"])),
            "merges_with": draw(st.sampled_from([None, None, "help", "other_task"])),
            "endangers_help": draw(SELDOM),
            "addressee": draw(st.sampled_from([None, "one", "two", "two", "three"])),
            "disputed": draw(st.lists(st.sampled_from(names), max_size=2)),
        },
        "consents": [draw(consents("c1")), draw(consents("c2"))],
    }


def judged(case: object, policy: Policy | None = None) -> Decision:
    return decide(policy or default_policy(), parse_request(case))


@settings(max_examples=800)
@given(requests())
def test_it_agrees_with_the_second_reading(case: dict[str, Any]) -> None:
    decision = judged(case)
    outcome, kept, dropped = answer(case)
    assert (decision.outcome, list(decision.kept), dict(decision.dropped)) == (outcome, kept, dropped)
    assert set(decision.dropped.values()) <= set(decision.rules)
    assert set(decision.marked) <= set(decision.kept)


@settings(max_examples=200)
@given(requests(), st.integers(0, 1))
def test_removing_a_consent_never_widens(case: dict[str, Any], index: int) -> None:
    fewer = deepcopy(case)
    del fewer["consents"][index]
    assert set(judged(fewer).kept) <= set(judged(case).kept)


def closing(role: str, category: str, agency: str = "") -> dict[str, Any]:
    """A `[[tighten]]` table that turns a cell off for ever."""
    what = {"id": "closed", "role": role, "category": category, "cell": "D", "agency": agency}
    return {**what, "norm": "§ 67a SGB X", "de": "Zu", "valid_from": date(1, 1, 1)}


@settings(max_examples=25)
@given(requests(), st.sampled_from(sorted(HOME)), st.sampled_from(CATEGORIES))
def test_closing_a_cell_never_allows(case: dict[str, Any], role: str, category: str) -> None:
    tighter = compile_policy({**TABLES, "tighten": [closing(role, category)]})
    decision = judged(case, tighter)
    assert set(decision.kept) <= set(judged(case).kept)
    assert decision.policy_version != default_policy().version


@settings(max_examples=150)
@given(requests())
def test_a_withdrawal_never_widens(case: dict[str, Any]) -> None:
    withdrawn = put(case, consents__0__withdrawn_at=AT)
    assert set(judged(withdrawn).kept) <= set(judged(case).kept)


def keys(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    pairs: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = iter(enumerate(value))
    for key, inner in pairs:
        if isinstance(key, str):
            yield (*path, key)
        yield from keys(inner, (*path, key))


FULL = {**request(), "expect": {}}
STATUTORY_CASE = put(request(), event__ground=STATUTORY)


def at(case: Any, path: tuple[str | int, ...]) -> tuple[Any, Any]:
    """The container that holds the last key of the path."""
    for part in path[:-1]:
        case = case[part]
    return case, path[-1]


REQUIRED = [(case, path) for case in (FULL, STATUTORY_CASE) for path in keys(case) if path != ("expect",)]


@pytest.mark.parametrize(("case", "path"), REQUIRED, ids=lambda value: ".".join(map(str, value)))
def test_without_any_attribute_it_denies(case: dict[str, Any], path: tuple[str | int, ...]) -> None:
    changed = deepcopy(case)
    holder, key = at(changed, path)
    del holder[key]
    decision = judged(changed)
    assert (decision.outcome, decision.rules, decision.kept) == ("deny", ("R00",), ())
    assert decision.dropped == ({} if path[:2] in {("event",), ("event", "fields")} else {"field": "R00"})


@pytest.mark.parametrize(("case", "path"), REQUIRED, ids=lambda value: ".".join(map(str, value)))
def test_a_value_of_another_type_denies(case: dict[str, Any], path: tuple[str | int, ...]) -> None:
    others: tuple[Any, ...] = (7, 1.5, ["x", 1], {"x": 1}, [[]])
    for wrong in others:
        changed = deepcopy(case)
        holder, key = at(changed, path)
        holder[key] = wrong
        assert judged(changed).rules == ("R00",)


@pytest.mark.parametrize(
    "path", [(), ("sender",), ("recipient",), ("subject",), ("event",), ("event", "ground"), ("consents", 0)]
)
def test_an_unknown_key_denies(path: tuple[str | int, ...]) -> None:
    changed = request()
    holder, key = at({"": changed}, ("", *path))
    holder[key]["surprise"] = None
    decision = judged(changed)
    assert decision.rules == ("R00",)
    assert "surprise" in decision.reasons[0].text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_nothing_raises(value: object) -> None:
    assert judged(value).outcome == "deny"
    assert judged({**request(), "event": value}).outcome == "deny"
    assert judged({**request(), "purpose": "danger_protection", "recipient": value}).outcome == "deny"
