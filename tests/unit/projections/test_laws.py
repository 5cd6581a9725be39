"""The laws of folds: order, repetition and what is hidden change nothing; no clock but the given day."""

import ast
import json
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.policy.facts import Recipient
from hub.policy.reduce import Released, view
from projections.models import FOLDS, models
from projections.shown import ShownEntry, ShownView
from tests.unit.projections.story import JA, JC, KINDS

REFS = ("r1", "r2")
CODES = ("person", "jc_case_manager")
_DAYS = st.sampled_from(["2026-10-01", "2026-11-15", "2026-11-16", "2026-12-20"])
_TYPES: dict[str, dict[str, Any]] = {
    "WorkerAssigned": {
        "function": st.sampled_from(["asd", "wjh"]),
        "name": st.sampled_from("AB"),
        "from": _DAYS,
    },
    "AgreementMade": {"agreement_ref": st.sampled_from(REFS), "owner": st.sampled_from(CODES), "due": _DAYS},
    "AgreementClosed": {
        "agreement_ref": st.sampled_from(REFS),
        "outcome": st.sampled_from(["kept", "moved"]),
    },
    "AgreementAcknowledged": {"agreement_ref": st.sampled_from(REFS), "by": st.sampled_from(CODES)},
    "ReferralSent": {
        "matter_ref": st.sampled_from(REFS),
        "addressee": st.sampled_from([JC, JA]),
        "answer_due": _DAYS,
    },
    "ReferralAccepted": {"matter_ref": st.sampled_from(REFS)},
    "ReferralQueried": {"matter_ref": st.sampled_from(REFS), "missing": st.just(["a", "b"])},
    "ReferralDeclined": {"matter_ref": st.sampled_from(REFS)},
    "DocumentReceived": {"matter_ref": st.sampled_from(REFS), "document": st.sampled_from("ab")},
    "ThreeWayTalkScheduled": {"talk_ref": st.sampled_from(REFS), "date": _DAYS},
    "TalkCancelled": {"talk_ref": st.sampled_from(REFS), "date": _DAYS},
    "HelpPlanAgreed": {"goals": st.just(["x", "y"]), "review_date": _DAYS},
    "RasterAssessed": {
        "dimension": st.sampled_from(["arbeit", "wohnen"]),
        "step": st.integers(1, 5),
        "assessed_by": st.sampled_from(["jobcenter", "family"]),
    },
    "HelpStarted": {"paragraph": st.sampled_from(["31", "33"]), "end": _DAYS},
    "BenefitTotal": {"month": st.sampled_from(["2026-10", "2026-12"])},
    "PersonRegistered": {"birth_date": st.sampled_from(["2011-12-01", "2016-02-03"])},
    "StepDownAgreed": {"look_again": _DAYS},
}


@st.composite
def entries(draw: st.DrawFn) -> list[ShownEntry]:
    found = []
    for number in range(draw(st.integers(0, 25))):
        name = draw(st.sampled_from(sorted(_TYPES)))
        fields = {key: draw(value) for key, value in _TYPES[name].items()}
        at = datetime(2026, 11, draw(st.integers(1, 5)), draw(st.integers(0, 3)), tzinfo=UTC)
        about, sender = draw(st.sampled_from(["mother", "child"])), draw(st.sampled_from([JC, JA]))
        found.append(ShownEntry(at, f"e{number:02}", name, about, sender, fields))
    return found


def told(found: list[ShownEntry], today: date = date(2026, 11, 16)) -> str:
    view = ShownView(tuple(found), "ja_asd", JA, today, "fam", ("mother", "child"), KINDS)
    return json.dumps(models(view))


@given(entries(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_in_which_entries_came_changes_nothing(found: list[ShownEntry], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert told(shuffled) == told(found)


@given(entries())
@settings(max_examples=150, deadline=None)
def test_each_matter_has_exactly_one_owner_until_it_ends(found: list[ShownEntry]) -> None:
    for matter in json.loads(told(found))["matters"]:
        ended = matter["state"] in ("declined", "completed", "taken_back", "decided")
        assert (matter["owner_now"] is None) == ended
        assert (matter["waiting_since"] is None) == ended


@given(entries())
@settings(max_examples=100, deadline=None)
def test_what_rests_on_nothing_shown_is_not_said(found: list[ShownEntry]) -> None:
    """Every entry of a model names persons and entries that are shown, and a step without its start says nothing."""
    answer = json.loads(told(found))
    shown, ids = {entry.about for entry in found}, {entry.id for entry in found}
    for name in set(FOLDS) - {"responsibilities"}:
        assert {row["about"] for row in answer[name]} <= shown | {"fam"}
    assert {one for hint in answer["hints"] for one in hint["rests_on"]} <= ids
    steps = [
        entry for entry in found if entry.type in ("AgreementClosed", "ReferralAccepted", "ReferralDeclined")
    ]
    assert all(not rows for rows in json.loads(told(steps)).values())


@given(entries())
@settings(max_examples=50, deadline=None)
def test_no_clock_but_the_given_day(found: list[ShownEntry]) -> None:
    """A day long after all others: nothing is planned, nothing open that is due, and no second answer differs."""
    answer = told(found, date(2040, 1, 1))
    assert answer == told(found, date(2040, 1, 1))
    assert not [row for row in json.loads(answer)["agreements"] if row["state"] == "open" and row["due"]]


YOUTH_OFFICE = Recipient(
    controller=JA, kind="youth_welfare", role="ja_asd", worker="w1", assigned=True, undertaking=True
)


def cut(found: list[ShownEntry], hidden: frozenset[str]) -> list[ShownEntry]:
    """What the youth office is shown of these records when no field of the hidden ones may go to it."""
    released = [
        Released(
            ref=one.id,
            person=one.about,
            sender=one.sender,
            event_type=one.type,
            occurred_at=one.occurred_at,
            fields=one.fields,
            categories=dict.fromkeys(one.fields, "VB"),
            obliged=frozenset(),
            kept=() if one.id in hidden else tuple(one.fields),
        )
        for one in found
    ]
    return [
        ShownEntry(one.occurred_at, one.ref, one.event_type, one.person, one.sender, one.fields)
        for one in view(released, YOUTH_OFFICE)
    ]


@given(entries(), entries())
@settings(max_examples=100, deadline=None)
def test_twin_worlds_that_differ_in_what_is_hidden_are_equal_bytes(
    found: list[ShownEntry], more: list[ShownEntry]
) -> None:
    """Laws (a) and (e): through the cut, further records of which nothing is shown change no state, order or number."""
    renamed = [
        ShownEntry(one.occurred_at, f"hidden {one.id}", one.type, one.about, one.sender, one.fields)
        for one in more
    ]
    twin = cut([*renamed, *found], frozenset(one.id for one in renamed))
    assert told(twin) == told(cut(found, frozenset()))


@given(entries())
@settings(max_examples=50, deadline=None)
def test_the_same_rows_read_again_fold_the_same(found: list[ShownEntry]) -> None:
    """Law (c): a rebuild gives the same rows as new objects, in an order of its own."""
    again = [
        ShownEntry(
            datetime.fromisoformat(one.occurred_at.isoformat()),
            one.id,
            one.type,
            one.about,
            one.sender,
            json.loads(json.dumps(one.fields)),
        )
        for one in reversed(found)
    ]
    assert told(again) == told(found)


def test_no_fold_asks_a_clock() -> None:
    """Law (d): import contracts keep clock, environment and store out; this finds calls on imported classes."""
    folder = Path(str(models.__code__.co_filename)).parent
    files = [folder / "shown.py", folder / "models.py", *(folder / name / "__init__.py" for name in FOLDS)]
    called = {
        node.func.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "fromisoformat" in called
    assert not called & {"now", "utcnow", "today", "time", "monotonic", "getenv"}
