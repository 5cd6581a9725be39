"""Who holds custody at a moment signs: from its own date, corrected, contradicted, held by nobody."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from hub.errors import DataError
from hub.rehearse.parse import parse_story
from hub.rehearse.run import rehearsals
from tests.rehearse.conftest import told

Play = Callable[[Sequence[Mapping[str, Any]]], list[bool]]
BOTH = ["mother", "father"]
MIDNIGHT = "2027-01-01T00:00:00+01:00"


def _custody(at: str, custodians: Sequence[str], since: str = "", by: str = "jc-a") -> Mapping[str, Any]:
    step = {"at": at, "do": "custody", "by": by, "child": "child", "custodians": list(custodians)}
    return step | ({"from": since} if since else {})


def _view(at: str) -> Mapping[str, Any]:
    recipient = {
        "controller": "ja-a",
        "kind": "youth_welfare",
        "role": "ja_asd",
        "worker": "w-7",
        "assigned": True,
        "undertaking": True,
    }
    return {
        "at": at,
        "do": "view",
        "recipient": recipient,
        "purpose": "joint_case_management",
        "family": "fam",
    }


def _story(steps: Sequence[Mapping[str, Any]]) -> bytes:
    """The mother alone consents for the child, of whom both parents hold custody; the benefit is the child's."""
    base = told("02")
    consent = {
        "id": "c1",
        "subject": "child",
        "granted_by": ["mother"],
        "sender": "jc-a",
        "recipients": ["ja-a"],
        "recipient_workers": [],
        "purposes": ["joint_case_management"],
        "categories": ["LS"],
        "form": "written",
        "explicit_special": False,
        "notices": ["purpose", "refusal", "withdrawal"],
        "text_version": "v",
        "proof_hash": "sha256:00",
        "granted_at": "2026-09-01T09:00:00+02:00",
        "valid_until": None,
        "withdrawn_at": None,
    }
    record = {
        "at": "2026-09-01T10:00:00+02:00",
        "do": "record",
        "by": "jc-a",
        "id": "r1",
        "family": "fam",
        "subject": "child",
        "type": "BenefitGranted",
        "payload": {"kind": "regelbedarf", "month": "2026-09"},
    }
    people = [("mother", "1991-02-03", []), ("father", "1989-05-06", []), ("child", "2018-06-07", BOTH)]
    told_steps = [
        {"at": "2026-09-01T09:00:00+02:00", "do": "consent", "by": "jc-a", "consent": consent},
        record,
        *steps,
    ]
    story = base | {
        "agencies": [{"id": "jc-a", "kind": "jobcenter"}, {"id": "ja-a", "kind": "youth_welfare"}],
        "persons": [{"ref": r, "birth_date": b, "capable": None, "custodians": c} for r, b, c in people],
        "families": [{"ref": "fam", "members": [r for r, *_ in people], "known_to": ["jc-a", "ja-a"]}],
        "steps": sorted(told_steps, key=lambda step: datetime.fromisoformat(str(step["at"]))),
    }
    return json.dumps(story).encode()


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """Plays steps; for each view, whether the child's benefit showed."""
    with rehearsals() as play:
        yield lambda steps: ["child" in one.persons for one in play(parse_story(_story(steps))).answers]


@pytest.mark.parametrize("by", ["jc-a", "ja-a"])
def test_a_future_custody_rules_from_its_day_on(play: Play, by: str) -> None:
    steps = [_custody("2026-09-02T09:00:00+02:00", ["mother"], MIDNIGHT, by)]
    views = ["2026-09-02T10:00:00+02:00", "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z"]
    assert play([*steps, *map(_view, views)]) == [False, False, True]


@pytest.mark.parametrize("by", ["jc-a", "ja-a"])
def test_a_future_custody_of_both_ends_what_one_signed(play: Play, by: str) -> None:
    steps = [
        _custody("2026-09-02T09:00:00+02:00", ["mother"], by="ja-a"),
        _custody("2026-09-02T09:30:00+02:00", BOTH, MIDNIGHT, by),
    ]
    views = ["2026-09-02T10:00:00+02:00", "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z"]
    assert play([*steps, *map(_view, views)]) == [True, True, False]


def test_custody_from_the_past_rules_at_once(play: Play) -> None:
    steps = [_custody("2026-09-02T09:00:00+02:00", ["mother"], "2026-09-01T22:00:00Z")]
    assert play([*steps, _view("2026-09-02T10:00:00+02:00")]) == [True]


def test_the_same_date_entered_again_is_a_correction(play: Play) -> None:
    steps = [
        _custody("2026-09-02T09:00:00+02:00", ["mother"], MIDNIGHT),
        _custody("2026-09-03T09:00:00+02:00", BOTH, "2026-12-31T23:00:00Z"),
    ]
    assert play([*steps, _view("2027-01-02T10:00:00+01:00")]) == [False]


@pytest.mark.parametrize(("first", "second"), [(["mother"], BOTH), (BOTH, ["mother"])])
def test_two_offices_that_disagree_at_one_moment_are_both_asked(
    play: Play, first: list[str], second: list[str]
) -> None:
    at = "2026-09-02T00:00:00+02:00"
    steps = [_custody(at, first, by="jc-a"), _custody(at, second, by="ja-a")]
    assert play([*steps, _view("2026-09-02T10:00:00+02:00")]) == [False]


@pytest.mark.parametrize("other", [["grandmother"], ["father"], []])
def test_two_offices_that_name_different_holders_are_both_asked(play: Play, other: list[str]) -> None:
    at = "2026-09-02T00:00:00+02:00"
    steps = [_custody(at, ["mother"], by="jc-a"), _custody(at, other, by="ja-a")]
    assert play([*steps, _view("2026-09-02T10:00:00+02:00")]) == [False]


def test_nobody_holds_custody_and_nobody_signs(play: Play) -> None:
    steps = [
        _custody("2026-09-02T09:00:00+02:00", ["mother"]),
        _custody("2026-09-03T09:00:00+02:00", []),
    ]
    views = ["2026-09-02T10:00:00+02:00", "2026-09-03T10:00:00+02:00"]
    assert play([*steps, *map(_view, views)]) == [True, False]


def test_a_moment_that_cannot_be_read_names_the_step() -> None:
    with pytest.raises(DataError, match="from"):
        parse_story(_story([_custody("2026-09-02T09:00:00+02:00", ["mother"], "morgen")]))
