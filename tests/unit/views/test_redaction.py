"""Redaction on plain data: what one recipient may see of one person, and that nobody else shows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.policy.facts import Recipient
from hub.subjects.knowledge import Knowledge
from hub.views.redaction import Evidence, Question, RedactedView, redact
from tests.unit.views.example import (
    AGENCIES,
    JA,
    JC,
    MOTHER,
    NOW,
    POLICY,
    case_file,
    consent,
    evidence,
    knowledge,
    types,
)

ASD = Recipient(
    controller=JA, kind="youth_welfare", role="ja_asd", worker=None, assigned=True, undertaking=False
)


def redacted(
    known: Knowledge, *records: Evidence, recipient: Recipient = ASD, beside: str = ""
) -> RedactedView:
    file = case_file(known, *records)
    question = Question(recipient, "joint_case_management", NOW)
    return redact(POLICY, AGENCIES, question, file.evidence, file.known, file.names, beside=beside)


def test_a_consented_record_is_shown_with_its_grounds() -> None:
    made = redacted(knowledge(consent()), evidence())
    (part,) = made.parts
    assert (part.person, part.sender, types(made.parts)) == (MOTHER, JC, ["MeasureStarted"])
    assert part.grounds == ("c1",)
    assert {name for ground in part.covered for name in ground.fields} == set(part.fields)


@pytest.mark.parametrize(
    "known",
    [
        knowledge(),
        knowledge(consent(withdrawn_at=NOW)),
        knowledge(consent(valid_until=NOW)),
        knowledge(consent(granted_at=NOW + timedelta(seconds=1))),
        knowledge(consent(recipients=frozenset({"another"}))),
        knowledge(consent(purposes=frozenset({"statistics"}))),
        knowledge(consent(granted_by=("somebody",))),
        knowledge(consent(), linked=False),
        knowledge(consent(), split=True),
    ],
)
def test_without_a_ground_or_a_link_the_person_is_absent(known: Knowledge) -> None:
    assert redacted(known, evidence()) == redacted(known)
    assert redacted(known, evidence()).parts == ()


@pytest.mark.parametrize("state", ["erased", "fenced", "unsealed"])
def test_a_record_that_does_not_open_is_absent(state: str) -> None:
    assert redacted(knowledge(consent()), evidence(fields={}, state=state)).parts == ()


def test_who_is_not_assigned_sees_nothing() -> None:
    assert redacted(knowledge(consent()), evidence(), recipient=replace(ASD, assigned=False)).parts == ()


def test_what_is_withheld_does_not_depend_on_what_exists() -> None:
    known = knowledge(consent(categories=frozenset({"EG"})))
    one, two = evidence(), evidence(ref=2)
    assert redacted(known, one).withheld == redacted(known, one, two).withheld
    assert redacted(known, one).withheld[MOTHER]


def test_the_recipients_own_records_are_not_listed_beside_the_others() -> None:
    own = evidence(controller=JA, ref=2)
    made = redacted(knowledge(consent()), evidence(), own, beside=JA)
    assert [part.sender for part in made.parts] == [JC]


def test_the_order_of_the_records_says_nothing() -> None:
    records = [evidence(ref=number) for number in (1, 2, 3)]
    known = knowledge(consent())
    assert redacted(known, *records) == redacted(known, *reversed(records))
