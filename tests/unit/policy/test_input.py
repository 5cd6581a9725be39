"""Reading a request: every closed list, every place where null is allowed, every form of a time."""

from typing import Any

import pytest

from hub.policy import DangerRequest, Incomplete, Request, decide, default_policy, parse_request
from tests.unit.policy.cast import HOME, STATUTORY, put, request

NULLABLE = {
    "recipient__worker",
    "subject__birth_date",
    "subject__capable",
    "event__entrusted_by",
    "event__task_class",
    "event__connection",
    "event__merges_with",
    "event__addressee",
    "consents__0__valid_until",
    "consents__0__withdrawn_at",
}
NOT_NULL = {
    "at",
    "purpose",
    "sender",
    "sender__controller",
    "sender__kind",
    "recipient__controller",
    "recipient__kind",
    "recipient__role",
    "recipient__assigned",
    "recipient__undertaking",
    "subject__ref",
    "subject__custodians",
    "event__type",
    "event__fields",
    "event__fields__field",
    "event__ground",
    "event__source_203",
    "event__objected_76",
    "event__endangers_help",
    "event__disputed",
    "consents",
    "consents__0",
    *(f"consents__0__{key}" for key in request()["consents"][0]),
} - NULLABLE


def gap(case: Any) -> str | None:
    read = parse_request(case)
    return read.key if isinstance(read, Incomplete) else None


@pytest.mark.parametrize("path", sorted(NULLABLE))
def test_null_is_a_statement_here(path: str) -> None:
    assert isinstance(parse_request(put(request(), **{path: None})), Request)


@pytest.mark.parametrize("path", sorted(NOT_NULL))
def test_null_is_a_gap_elsewhere(path: str) -> None:
    assert gap(put(request(), **{path: None})) is not None


@pytest.mark.parametrize(
    "path",
    [
        "purpose",
        "sender__kind",
        "recipient__kind",
        "recipient__role",
        "event__fields__field",
        "event__task_class",
        "event__merges_with",
        "consents__0__form",
    ],
)
@pytest.mark.parametrize("value", ["unknown", "EG ", "HELP", "Jobcenter"])
def test_unknown_code(path: str, value: str) -> None:
    assert gap(put(request(), **{path: value})) is not None


@pytest.mark.parametrize("path", ["purposes", "categories", "notices"])
def test_unknown_code_in_a_consent(path: str) -> None:
    assert gap(put(request(), **{f"consents__0__{path}": ["", "unknown"]})) == f"consents[0].{path}"


def test_a_consent_may_cover_evaluation_and_look_back() -> None:
    covered = ["joint_case_management", "evaluation", "look_back"]
    assert isinstance(parse_request(put(request(), consents__0__purposes=covered)), Request)


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("2026-11-21T10:00:00+01:00", True),
        ("2026-11-21T09:00:00Z", True),
        ("2026-11-21t09:00:00z", True),
        ("2026-11-21T09:00:00.5Z", True),
        ("2026-11-21T09:00:00.123456789Z", True),
        ("2026-12-31T23:59:60Z", True),
        ("2026-11-21T10:00:00", False),
        ("2026-11-21", False),
        ("2026-11-21T10:00+01:00", False),
        ("20261121T100000Z", False),
        ("2026-11-21T10:00:00+0100", False),
        ("2026-11-21T24:00:00Z", False),
        ("2026-02-29T10:00:00Z", False),
        ("2026-11-21T10:00:00Z ", False),
        ("2026-W47-6T10:00:00Z", False),
        ("٢٠٢٦-11-21T10:00:00Z", False),
        ("gestern", False),
    ],
)
@pytest.mark.parametrize("path", ["at", "consents__0__granted_at", "consents__0__valid_until"])
def test_times_carry_an_offset(path: str, text: str, readable: bool) -> None:
    assert isinstance(parse_request(put(request(), **{path: text})), Request) is readable


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:60Z"]
)
def test_moments_at_the_ends_of_the_calendar(text: str) -> None:
    assert gap(put(request(), at=text)) == "at"


def test_a_consent_may_end_with_the_calendar() -> None:
    case = put(request(), consents__0__valid_until="9999-12-31T23:59:59Z")
    assert decide(default_policy(), parse_request(case)).outcome == "allow"


@pytest.mark.parametrize(
    "text", ["1990-5-1", "19900501", "1990-02-30", "1990-05-01T00:00:00Z", "01.05.1990", ""]
)
@pytest.mark.parametrize("path", ["subject__birth_date", "event__connection"])
def test_days(path: str, text: str) -> None:
    assert gap(put(request(), **{path: text})) is not None


@pytest.mark.parametrize("role", sorted(HOME))
@pytest.mark.parametrize("kind", ["jobcenter", "youth_welfare", "provider", "social_office", "subject"])
def test_a_role_sits_in_its_kind_of_agency(role: str, kind: str) -> None:
    anywhere = role in {"coordinator", "controlling"} and kind != "subject"
    read = parse_request(put(request(role), recipient__kind=kind))
    assert isinstance(read, Request) is (anywhere or HOME[role] == kind)


def test_the_role_subject_belongs_to_subject_access() -> None:
    case = put(request(), recipient__kind="subject", recipient__role="subject")
    assert gap(case) == "recipient.role"
    assert isinstance(parse_request(put(case, purpose="subject_access")), Request)
    assert gap(put(case, purpose="danger_protection")) == "recipient.role"


@pytest.mark.parametrize(
    "ground",
    [
        {},
        {"consents": "c1"},
        {"consents": [1]},
        {"consents": ["c1"], "norm": "§ 69 SGB X"},
        {**STATUTORY, "consents": []},
        {"norm": "§ 69 SGB X", "task_norm": "§ 36 SGB VIII"},
        {**STATUTORY, "norm": None},
        {**STATUTORY, "task_norm": None},
        {**STATUTORY, "attested_by": True},
    ],
)
def test_a_ground_is_one_of_two(ground: object) -> None:
    assert gap(put(request(), event__ground=ground)) is not None


def test_no_field_at_all() -> None:
    assert gap(put(request(), event__fields={})) == "event.fields"


def test_every_field_that_can_be_read_is_dropped() -> None:
    case = put(request(), event__fields={"a": "EG", "b": "XX", "c": 7}, at="gestern")
    decision = decide(default_policy(), parse_request(case))
    assert (decision.outcome, decision.dropped) == ("deny", {"a": "R00", "b": "R00", "c": "R00"})


DANGER = {
    "purpose": "danger_protection",
    "sender": {"kind": "jobcenter", "controller": 7},
    "recipient": {"role": "ja_intake", "assigned": False},
    "event": {"type": "DangerReported", "fields": {"signs": "K8a"}, "ground": "?"},
    "subject": "unreadable",
}


def test_a_danger_report_asks_for_little() -> None:
    read = parse_request(DANGER)
    assert isinstance(read, DangerRequest)
    assert decide(default_policy(), read).outcome == "allow"


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("sender", "kind"),
        ("recipient", "role"),
        ("recipient", "assigned"),
        ("event", "type"),
        ("event", "fields"),
    ],
)
def test_but_that_little_is_required(outer: str, inner: str) -> None:
    without = {**DANGER, outer: {key: value for key, value in DANGER[outer].items() if key != inner}}  # type: ignore[attr-defined]
    assert gap(without) == f"{outer}.{inner}"
    assert gap({**DANGER, outer: None}) is not None
    assert gap(put(DANGER, **{f"{outer}__{inner}": None})) is not None
