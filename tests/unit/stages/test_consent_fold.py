"""The fold of consents finds what a plain reading of rule 7 finds, at a cost that grows with its input."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.clock import micros
from hub.domain.consent import ENDING, consent_name
from hub.sealed.boxes import Content
from hub.subjects.consent_index import Index, OpenedGrant
from hub.subjects.fold import consents_of, withdrawn_scope
from projections.consent_register.queries import RegisterRow

START = datetime(2026, 1, 1, tzinfo=UTC)
AGENCIES = ("a", "b")
KEYS = [f"{agency}:{ref}" for agency in AGENCIES for ref in ("p", "q")]
IDS = ["1", "2"]
SCOPES = [None, '{"categories": ["EG"]}', '{"categories": ["LS"]}', "{"]


def at(step: int) -> int:
    return micros(START + timedelta(minutes=step))


def row(number: int, key: str, event_type: str, consent: str | None, **more: Any) -> OpenedGrant:
    said = {"occurred_at": at(0), "received_at": at(0), "scope": None} | more
    fields = said.pop("fields")
    known = RegisterRow(
        event_id=f"{number:04}",
        record_ref=f"{number:04}",
        source_version=0,
        publication=1,
        subject=key,
        event_type=event_type,
        consent_id=consent,
        envelope=b"",
        **said,
    )
    return OpenedGrant(known, key.split(":", 1)[0], said["received_at"], Content(fields, "open"))


def grant(
    number: int, key: str, consent: str, given: int, sealed: str, signers: Sequence[str]
) -> OpenedGrant:
    fields = {
        "id": sealed,
        "sender": "a",
        "granted_at": START + timedelta(minutes=given),
        "granted_by": list(signers),
    }
    return row(number, key, "ConsentGranted", consent, fields=fields, received_at=at(given))


def ending(number: int, key: str, consent: str | None, sealed: str | None, **more: Any) -> OpenedGrant:
    fields = {"consent_id": sealed} if sealed else {}
    return row(number, key, "ConsentWithdrawn", consent, fields=fields, **more)


_STEPS = st.integers(0, 6)
_GRANTS = st.builds(
    lambda key, consent, given, sealed, signers: (
        lambda number: grant(number, key, consent, given, sealed or consent, signers)
    ),
    st.sampled_from(KEYS),
    st.sampled_from(IDS),
    _STEPS,
    st.sampled_from([None, *IDS]),
    st.lists(st.sampled_from("pq"), max_size=2),
)
_ENDINGS = st.builds(
    lambda key, consent, sealed, occurred, received, scope: (
        lambda number: ending(
            number, key, consent, sealed, occurred_at=at(occurred), received_at=at(received), scope=scope
        )
    ),
    st.sampled_from([*KEYS, "a:"]),
    st.sampled_from([*IDS, None, "9"]),
    st.sampled_from([None, None, *IDS, "a:1", "b:2"]),
    _STEPS,
    _STEPS,
    st.sampled_from(SCOPES),
)


@st.composite
def _indexes(draw: st.DrawFn) -> tuple[list[OpenedGrant], Index, dict[str, int]]:
    made = draw(st.lists(st.one_of(_GRANTS, _ENDINGS), max_size=14))
    opened = [make(number) for number, make in enumerate(made)]
    names = {key: draw(st.sampled_from(["one", "two", key])) for key in KEYS}
    former = draw(
        st.dictionaries(st.sampled_from(KEYS), st.dictionaries(st.sampled_from(KEYS), _STEPS), max_size=3)
    )
    since = draw(st.dictionaries(st.sampled_from(KEYS), _STEPS))
    apart = {key: {other: at(step) for other, step in of.items()} for key, of in former.items()}
    known = {key: at(step) for key, step in since.items()}
    return opened, Index.of(opened, names, apart, known, frozenset(AGENCIES)), known


class Plain:
    """Rule 7, read plainly: each consent against each withdrawal."""

    def __init__(self, opened: Sequence[OpenedGrant], index: Index, known: Mapping[str, int]) -> None:
        self.opened, self.index, self.known = opened, index, known

    def consents(self, person: str) -> dict[str, tuple[datetime | None, set[tuple[Any, ...]]]]:
        mine = [one for one in self.opened if one.grants and self.index.person(one.row.subject) == person]
        standing = [one for one in mine if self.stands(one, mine)]
        refused = {one.row.event_id for one in mine} - {one.row.event_id for one in standing}
        return {
            consent_name(one.controller, str(one.row.consent_id)): self.narrowed(one, mine, refused)
            for one in standing
        }

    def stands(self, one: OpenedGrant, mine: Sequence[OpenedGrant]) -> bool:
        def before(other: OpenedGrant) -> bool:
            return (other.recorded_at, other.row.event_id) < (one.recorded_at, one.row.event_id)

        same_agency = [other for other in mine if other.controller == one.controller and before(other)]
        strangers = [
            other
            for other in self.opened
            if other.grants
            and (other.controller, other.row.consent_id) == (one.controller, one.row.consent_id)
            and self.index.person(other.row.subject) != self.index.person(one.row.subject)
            and before(other)
        ]
        return not strangers and not any(other.ids & one.ids for other in same_agency)

    def narrowed(
        self, one: OpenedGrant, mine: Sequence[OpenedGrant], refused: set[str]
    ) -> tuple[datetime | None, set[tuple[Any, ...]]]:
        whole, parts = [], dict[tuple[Any, ...], datetime]()
        for end in self.opened:
            if end.row.event_type not in ENDING or not self.takes_back(end, one, mine, refused):
                continue
            moment = START + timedelta(
                microseconds=min(end.row.occurred_at, end.row.received_at) - micros(START)
            )
            part = withdrawn_scope(end.row.scope, moment, frozenset(AGENCIES))
            if part is None:
                whole.append(moment)
            else:
                name = (part.purposes, part.categories, part.recipients)
                parts[name] = min(moment, parts.get(name, moment))
        return min(whole, default=None), {(*name, moment) for name, moment in parts.items()}

    def takes_back(
        self, end: OpenedGrant, one: OpenedGrant, mine: Sequence[OpenedGrant], refused: set[str]
    ) -> bool:
        own = end.controller == one.controller and end.ids & one.ids
        since = self.known.get(end.row.subject)
        if own and (end.row.subject.endswith(":") or since is None or since > end.row.received_at):
            return True
        if not self.concerned(end, one):
            return False
        if own or end.number in {f"{one.controller}:{name}" for name in one.ids}:
            return True
        if end.controller != one.controller and end.number in one.ids:
            return not self.has_own(end, refused)
        given = one.granted_at <= max(end.row.occurred_at, end.row.received_at)
        known = any(end.row.consent_id in other.ids for other in mine) or self.has_own(end, refused)
        return not end.fields and given and not known

    def concerned(self, end: OpenedGrant, one: OpenedGrant) -> bool:
        now = self.index.person(end.row.subject) in {self.index.person(key) for key in one.people}
        return now or any(
            end.row.received_at <= self.index.former.get(key, {}).get(end.row.subject, -1)
            for key in one.people
        )

    def has_own(self, end: OpenedGrant, refused: set[str]) -> bool:
        return any(
            one.grants
            and (one.controller, one.row.consent_id) == (end.controller, end.row.consent_id)
            and self.index.person(end.row.subject) in {self.index.person(key) for key in one.people}
            and one.granted_at <= max(end.row.occurred_at, end.row.received_at)
            and one.row.event_id not in refused
            for one in self.opened
        )


@given(_indexes())
@settings(max_examples=300, deadline=None)
def test_the_fold_is_rule_7_read_plainly(made: tuple[list[OpenedGrant], Index, dict[str, int]]) -> None:
    opened, index, known = made
    plain = Plain(opened, index, known)
    for person in {index.person(key) for key in KEYS}:
        mine = [one for one in opened if index.person(one.row.subject) == person]
        found = {
            consent.id: (
                consent.withdrawn_at,
                {
                    (part.purposes, part.categories, part.recipients, part.at)
                    for part in consent.scoped_withdrawals
                },
            )
            for consent, _ in consents_of(mine, index)
        }
        assert found == plain.consents(person)


def _named(count: int) -> Iterator[OpenedGrant]:
    for number in range(count):
        yield grant(number, "a:p", f"{number}", 0, f"{number}", ["p"])
        yield ending(count + number, "a:p", f"{number}", f"{number}")


def _told_elsewhere(count: int) -> Iterator[OpenedGrant]:
    for number in range(count):
        yield grant(number, "a:p", f"{number}", 0, f"{number}", ["p"])
        yield ending(count + number, "b:p", f"x{number}", f"{number}")


def _unreadable(count: int) -> Iterator[OpenedGrant]:
    for number in range(count):
        yield grant(number, "a:p", f"{number}", 0, f"{number}", ["p"])
        yield ending(
            count + number, "b:p", f"x{number}", None, received_at=at(number), occurred_at=at(number)
        )


def _one_number(count: int) -> Iterator[OpenedGrant]:
    for number in range(count):
        yield grant(number, "a:p" if number % 2 else f"a:{number}", "1", 0, "1", ["p"])
        yield ending(count + number, "b:p", "1", "1")


@pytest.mark.parametrize("many", [_named, _told_elsewhere, _unreadable, _one_number])
def test_the_work_grows_with_the_consents_and_not_with_their_square(
    many: Callable[[int], Iterator[OpenedGrant]],
) -> None:
    small, large = _work(list(many(100))), _work(list(many(400)))
    assert large < 6 * small


def _work(opened: Sequence[OpenedGrant]) -> int:
    """How many Python functions the fold of one person calls."""
    names = {"a:p": "one", "b:p": "one"}
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        index = Index.of(opened, names, {}, {"a:p": 0, "b:p": 0}, frozenset(AGENCIES))
        list(consents_of([one for one in opened if one.row.subject in names], index))
    finally:
        sys.setprofile(before)
    return calls
