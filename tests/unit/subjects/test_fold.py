"""The fold of control records: what is known of a person follows from opened rows, in whatever order they came."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count, permutations
from typing import Any

import pytest

from hub.domain.clock import micros
from hub.sealed.boxes import Content
from hub.subjects.consent_index import Index, OpenedGrant
from hub.subjects.fold import facts_of
from hub.subjects.knowledge import Knowledge
from projections.consent_register.queries import RegisterRow

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=100)
JC, JA = "jc:p", "ja:p"
_numbers = count()


def said(
    event_type: str,
    fields: Mapping[str, Any],
    *,
    by: str = JC,
    day: int = 0,
    version: int = 0,
    record: str = "",
    state: Any = "open",
) -> OpenedGrant:
    """One opened row of the register; `day` counts from START."""
    at = micros(START + timedelta(days=day))
    number = f"{next(_numbers):04}"
    row = RegisterRow(
        event_id=number,
        record_ref=record or number,
        source_version=version,
        publication=1,
        subject=by,
        event_type=event_type,
        consent_id=None,
        envelope=b"",
        occurred_at=at,
        received_at=at,
        scope=None,
    )
    return OpenedGrant(row, by.split(":", 1)[0], at, Content(fields, state))


def known(
    opened: Sequence[OpenedGrant],
    same: Sequence[str] = (JC,),
    former: Mapping[str, Mapping[str, int]] | None = None,
) -> Knowledge:
    index = Index.of(opened, dict.fromkeys(same, "person"), former or {}, {}, frozenset({"jc", "ja"}))
    return facts_of("person", same, index)


def test_nothing_is_known_of_somebody_of_whom_nothing_was_said() -> None:
    found = known([])
    assert (found.consents, found.objections, found.recorded) == ((), (), False)
    assert found.subject(LATER).custodians == ()


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_newest_version_of_a_record_counts_in_any_order(order: Sequence[int]) -> None:
    versions = [
        said("SubjectRecorded", {"birth_date": date(1990 + n, 1, 1)}, version=n, record="r") for n in range(3)
    ]
    found = known([versions[number] for number in order])
    assert found.subject(LATER).birth_date == date(1992, 1, 1)


def test_a_version_without_fields_takes_the_record_back() -> None:
    given = said("SubjectRecorded", {"birth_date": date(1990, 1, 1)}, record="r")
    taken = said("SubjectRecorded", {}, version=1, record="r")
    assert known([given]).recorded
    assert not known([given, taken]).recorded


def test_a_record_that_nobody_can_open_narrows() -> None:
    readable = said("CustodyChanged", {"custodians": ["m"]}, record="r")
    erased = said("CustodyChanged", {}, version=1, record="r", state="erased")
    assert known([readable]).subject(LATER).custodians == ("jc:m",)
    assert known([readable, erased]).subject(LATER).custodians == ()


def test_custody_holds_from_its_own_date() -> None:
    first = said("CustodyChanged", {"custodians": ["m"]})
    second = said("CustodyChanged", {"custodians": ["m", "f"]}, day=50)
    found = known([second, first])
    assert found.subject(START + timedelta(days=49)).custodians == ("jc:m",)
    assert found.subject(START + timedelta(days=50)).custodians == ("jc:m", "jc:f")


@pytest.mark.parametrize(
    ("fields", "state", "objects"),
    [
        ({"norm": "§ 76 SGB X"}, "open", True),
        ({"norm": "§ 84 SGB X"}, "open", False),
        ({}, "erased", True),
    ],
)
def test_an_objection_counts_unless_it_is_readable_and_names_another_norm(
    fields: Mapping[str, Any], state: str, objects: bool
) -> None:
    found = known([said("ObjectionRaised", fields, day=1, state=state)])
    assert found.objected(LATER) is objects


def test_a_split_takes_no_objection_back() -> None:
    """A statement about the other person counts on if it was made while both were one, and not if made later."""
    before = said("ObjectionRaised", {"norm": "76"}, by=JA, day=1)
    after = said("ObjectionRaised", {"norm": "76"}, by=JA, day=9)
    split = micros(START + timedelta(days=5))
    assert known([before, after], former={JC: {JA: split}}).objections == (START + timedelta(days=1),)
    assert known([after], former={JC: {JA: split}}).objections == ()
