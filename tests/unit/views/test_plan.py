"""The view plan on plain data: which views a case owes to whom, and which of them are still right."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from hub.domain.clock import micros
from hub.parts import Parts
from hub.policy.gate import Gate, declared_roles
from hub.subjects.knowledge import Knowledge
from hub.views.plan import Before, ViewPlan, units, view_row
from hub.views.record import Draft
from tests.unit.views.example import AGENCIES, JA, JC, NOW, POLICY, case_file, consent, evidence, knowledge

LEASE = 24 * 3600
PARTS = cast(
    "Parts",
    SimpleNamespace(
        agencies=AGENCIES,
        gate=Gate(POLICY, declared_roles(AGENCIES.values())),
        lease=LEASE,
        secret=bytes(32),
    ),
)
"""As much of the hub's parts as a plan asks for."""


OF_ASD = ("joint", JA, "ja_asd", "")


def planned(known: Knowledge, before: Before | None = None, hours: float = 0) -> list[Draft]:
    now = NOW + timedelta(hours=hours)
    return ViewPlan(PARTS, before or {}, 1, now).drafts(case_file(known, evidence()))


def delivered(drafts: list[Draft]) -> Before:
    """As the store has them afterwards."""
    return {draft.key: view_row(draft, b"view")._replace(state="delivered") for draft in drafts}


def test_whoever_may_see_the_record_gets_a_view_that_ends_with_the_lease() -> None:
    drafts = planned(knowledge(consent()))
    assert OF_ASD in {draft.key for draft in drafts}
    assert {(draft.recipient, draft.version) for draft in drafts} == {(JA, 1)}
    assert all(micros(NOW) < draft.not_after <= micros(NOW) + LEASE * 1_000_000 for draft in drafts)


def test_a_view_ends_with_the_consent_that_it_rests_on() -> None:
    end = NOW + timedelta(hours=3)
    (draft,) = (one for one in planned(knowledge(consent(valid_until=end))) if one.key == OF_ASD)
    assert draft.not_after == micros(end)


def test_nobody_who_sees_nothing_and_had_nothing_gets_a_view() -> None:
    assert planned(knowledge()) == []


def test_a_view_that_is_still_right_is_left_out_until_half_of_its_lease_is_over() -> None:
    known = knowledge(consent())
    before = delivered(planned(known))
    assert planned(known, before) == []
    assert planned(known, before, hours=11) == []
    assert {draft.version for draft in planned(known, before, hours=13)} == {2}


@pytest.mark.parametrize("state", ["pending", "late"])
def test_a_view_of_which_nobody_knows_whether_it_is_shown_is_delivered_again(state: str) -> None:
    known = knowledge(consent())
    before = {key: row._replace(state=state) for key, row in delivered(planned(known)).items()}
    assert {draft.key for draft in planned(known, before)} == before.keys()


def test_a_withdrawal_removes_every_view_once() -> None:
    before = delivered(planned(knowledge(consent())))
    drafts = planned(knowledge(consent(withdrawn_at=NOW)), before)
    assert {draft.key for draft in drafts} == before.keys()
    assert all(not draft.made.parts for draft in drafts)
    assert planned(knowledge(), delivered(drafts)) == []


def test_a_named_worker_has_a_view_of_their_own() -> None:
    named = knowledge(consent(recipient_workers=frozenset({"w-1"})))
    found = set(units(PARTS.agencies[JA], case_file(named)))
    assert (JA, "ja_asd", "") in found
    assert all(worker in ("", "w-1") for _, _, worker in found)
    assert units(PARTS.agencies[JC], case_file(named))
