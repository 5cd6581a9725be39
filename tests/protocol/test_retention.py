"""Retention: what has been kept long enough goes by itself, a dry run says so before, and a rebuild agrees after."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from hub.erasure import proofs, retention
from hub.erasure.retention import retain
from hub.operations.audit.verify import verify
from hub.ports import Erased, Key, KeyRef
from hub.stages import timers
from hub.subjects import birthdays
from hub.subjects.consent_barrier import mark_if_caught_up
from tests.support.world import CHILD, JA, JC, MOTHER, CrashError, World, crash_at

TELLS = {"kind": "sgb2"}
EVIDENCE = ("disclosure_ground", "view_append", "consents_applied")
"""What an auditor needs beside the disclosure register, kept as long as that is."""


def _closed(world: World) -> None:
    """The joint case of mother and child, closed by both offices."""
    world.shared()
    world.jc.grants("c3", MOTHER, ["LS", "EG", "ID", "TM", "G9"], to=[JA])
    world.wait(hours=1)
    named = {"norm": "§ 69 SGB X", "task_norm": "§ 22 SGB II", "attested_by": "w1"}
    world.jc.say("CaseClosed", MOTHER, {"kind": "sgb2"}, consents=["c1"])
    world.ja.say("CaseClosed", CHILD, {"kind": "sgb8"}, consents=["c2"])
    world.ja.say("PersonRegistered", CHILD, {"names": "Kind, Das"}, key="named", **named)
    world.run()


def _later(world: World, days: int) -> list[Any]:
    world.clock.set(world.clock.now() + timedelta(days=days))
    world.outcomes.clear()
    world.run()
    return [outcome.retained for stage, outcome in world.outcomes if stage == "tick" and outcome.retained]


def _opens(world: World, ref: KeyRef) -> bool:
    return isinstance(world.parts.keys.opening([(ref, 1)])[ref, 1], Key)


def test_a_closed_case_goes_after_six_months_and_its_keys_with_it(world: World) -> None:
    _closed(world)
    rows = len(world.rows("case_row"))
    assert rows == 5
    _later(world, 170)
    assert len(world.rows("case_row")) == rows
    _later(world, 20)
    assert world.rows("case_row") == []
    assert not _opens(world, KeyRef("box", JC, world.jc.ref(MOTHER)))
    assert not _opens(world, KeyRef("box", JA, world.ja.ref(CHILD)))
    assert _opens(world, KeyRef("proof", JC, world.jc.ref(MOTHER)))
    assert world.seen(JA, "ja_asd") == []
    assert world.divergence() == 0
    assert world.rows("case_row") == []


def test_a_case_that_one_office_keeps_open_or_opens_again_stays(world: World) -> None:
    _closed(world)
    world.wait(hours=1)
    world.ja.say("CaseOpened", CHILD, {"kind": "sgb8"}, consents=["c2"])
    world.run()
    rows = len(world.rows("case_row"))
    _later(world, 400)
    assert len(world.rows("case_row")) == rows


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    _closed(world)
    before = world.rows("case_row")
    world.clock.set(world.clock.now() + timedelta(days=190))
    due = {(one.what, one.state, one.table, one.category): one.rows for one in retain(world.parts)}
    assert due["records", "case_closed", "case_row", "HS"] == 2
    assert due["records", "case_closed", "case_row", "EG"] == 1
    assert world.rows("case_row") == before
    assert {one.rows for one in retain(world.parts, apply=True) if one.category == "HS"} == {2}
    assert retain(world.parts) == []


def test_a_category_of_its_own_goes_earlier_and_a_rebuild_agrees(world: World) -> None:
    shorter = next(one for one in world.parts.retention if one.state == "case_closed")
    mine = replace(shorter, categories=frozenset({"HS"}), number=1)
    world.parts = replace(world.parts, retention=(*world.parts.retention, mine))
    _closed(world)
    world.clock.set(world.clock.now() + timedelta(days=40))
    retain(world.parts, apply=True)
    assert sorted(row["event_type"] for row in world.rows("case_row")) == [
        "CaseClosed",
        "MeasureStarted",
        "PersonRegistered",
    ]
    assert world.divergence() == 0
    assert len(world.rows("case_row")) == 3


def test_proofs_go_four_years_after_the_last_consent_of_the_case(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.ja.withdraws("c2", CHILD)
    world.run()
    assert world.rows("case_row") == []
    proofs = [KeyRef("proof", JC, world.jc.ref(MOTHER)), KeyRef("proof", JA, world.ja.ref(CHILD))]
    _later(world, 4 * 365 - 10)
    assert all(_opens(world, ref) for ref in proofs)
    verify(world.parts)
    assert all(world.rows(name) for name in ("disclosure", *EVIDENCE))
    _later(world, 30)
    assert [type(world.parts.keys.opening([(ref, 1)])[ref, 1]) for ref in proofs] == [Erased, Erased]
    assert world.rows("consent_row") == []
    assert world.rows("pairing") == []
    assert [world.rows(name) for name in ("disclosure", *EVIDENCE)] == [[]] * 4
    assert world.divergence() == 0
    assert world.rows("consent_row") == []


def test_proofs_stay_while_a_consent_of_the_case_stands(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.ja.withdraws("c2", CHILD)
    world.run()
    _later(world, 5 * 365)
    assert _opens(world, KeyRef("proof", JA, world.ja.ref(CHILD)))


@pytest.mark.parametrize("ended", ["1001", f"{JA}:1001"])
def test_proofs_stay_while_another_office_has_a_consent_of_that_number(world: World, ended: str) -> None:
    """Both offices count from 1001 on; only the youth office's consent was taken back."""
    world.know_family()
    world.jc.grants("1001", MOTHER, ["EG", "LS", "ID"])
    world.ja.grants("1001", CHILD, ["HS", "ID"], by=[MOTHER])
    world.run()
    world.wait(hours=1)
    world.ja.withdraws(ended, CHILD)
    world.run()
    _later(world, 4 * 365 + 20)
    assert _opens(world, KeyRef("proof", JC, world.jc.ref(MOTHER)))
    world.measure(consents=["1001"])
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_proofs_stay_though_another_person_of_the_case_named_the_consent(world: World) -> None:
    """Only who signed a consent takes it back; the child named the mother's."""
    world.know_family()
    world.jc.grants("1001", MOTHER, ["EG", "LS", "ID"])
    world.run()
    world.wait(hours=1)
    world.jc.withdraws("1001", CHILD)
    world.run()
    _later(world, 4 * 365 + 20)
    assert _opens(world, KeyRef("proof", JC, world.jc.ref(MOTHER)))


def test_proofs_go_though_the_consent_ended_at_the_other_office(world: World) -> None:
    """The paper names office and number, so the other office's word ends the consent, and its proof in time."""
    world.know_family()
    world.jc.grants("1001", MOTHER, ["EG", "LS", "ID"])
    world.run()
    world.wait(hours=1)
    world.ja.withdraws(f"{JC}:1001", MOTHER)
    world.run()
    _later(world, 4 * 365 + 20)
    assert not _opens(world, KeyRef("proof", JC, world.jc.ref(MOTHER)))
    assert world.rows("consent_row") == []


def test_a_night_reads_nothing_of_a_family_whose_consents_must_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all families have been silent for years: a midnight costs what changed, not all persons."""
    world.know_family()
    world.jc.grants("1001", MOTHER, ["EG", "LS", "ID"])
    world.run()
    read = list[str]()
    rows = proofs._rows

    def noted(connection: Any, live: int, column: Any, keys: Any) -> Any:
        read.extend(keys)
        return rows(connection, live, column, keys)

    monkeypatch.setattr(proofs, "_rows", noted)
    _later(world, 4 * 365 + 20)
    assert read == []
    world.jc.withdraws("1001", MOTHER, scope='{"categories": ["EG"]}')
    world.run()
    _later(world, 4 * 365 + 20)
    assert f"{JC}:{world.jc.ref(MOTHER)}" in read
    assert _opens(world, KeyRef("proof", JC, world.jc.ref(MOTHER)))


def test_the_names_that_a_split_took_apart_go_with_the_proofs(world: World) -> None:
    """Withdrawals said while they were one person need these rows as long as a consent has its proof."""
    world.shared()
    world.wait(hours=1)
    world.jc.say("IdentitySplit", MOTHER, {"refs": []}, key="split")
    world.jc.withdraws("c1", MOTHER)
    world.ja.withdraws("c2", CHILD)
    world.run()
    _later(world, 4 * 365 - 10)
    named = {row["subject"] for row in world.rows("former_person")}
    assert f"{JC}:{world.jc.ref(MOTHER)}" in named
    _later(world, 30)
    assert world.rows("consent_row") == []
    assert world.rows("former_person") == []


def test_retrieval_logs_go_after_six_months_and_the_disclosure_register_stays(world: World) -> None:
    world.shared()
    world.open(JA, "ja_asd")
    assert len(world.rows("retrieval")) == 1
    _later(world, 190)
    assert world.rows("retrieval") == []
    assert world.rows("disclosure")


def test_it_runs_once_a_day(world: World) -> None:
    world.shared()
    world.open(JA, "ja_asd")
    assert _later(world, 190) == [1]
    assert _later(world, 0) == []


def test_dark_rows_go_with_the_last_ground(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    assert [row["controller"] for row in world.rows("case_row")] == [JA]
    assert world.divergence() == 0
    assert [row["controller"] for row in world.rows("case_row")] == [JA]


def test_many_cases_go_page_by_page_and_each_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is a transaction of its own; a joint case whose two ends lie in two pages is one case."""
    monkeypatch.setattr(retention, "PAGE", 1)
    _closed(world)
    for number in range(3):
        family = f"f{number}"
        world.jc.grants(f"c {family}", family, ["EG"], family=family)
        world.jc.say("CaseClosed", family, TELLS, consents=[f"c {family}"], family=family, key=family)
    world.run()
    before = len(world.rows("case_row"))
    world.clock.set(world.clock.now() + timedelta(days=190))
    due = {one.category: one.rows for one in retain(world.parts) if one.table == "case_row"}
    assert {
        one.category: one.rows for one in retain(world.parts, apply=True) if one.table == "case_row"
    } == due
    assert before >= max(due.values())
    assert world.rows("case_row") == []


def test_proofs_of_many_go_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 1)
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER)
    world.ja.withdraws("c2", CHILD)
    world.run()
    rows = len(world.rows("consent_row"))
    world.clock.set(world.clock.now() + timedelta(days=4 * 365 + 20))
    assert [one.rows for one in retain(world.parts) if one.what == "consent_proof"] == [rows]
    assert [one.rows for one in retain(world.parts, apply=True) if one.what == "consent_proof"] == [rows]
    assert world.rows("consent_row") == []
    assert world.rows("coming_of_age") == []


def _crowd(world: World, count: int) -> list[str]:
    """Families of a case each, whose consent was taken back long ago."""
    for number in range(count):
        world.jc.grants(f"c{number}", f"p{number}", ["EG"], family=f"f{number}")
    world.run()
    world.wait(hours=1)
    for number in range(count):
        world.jc.withdraws(f"c{number}", f"p{number}", family=f"f{number}")
    world.run()
    world.clock.set(world.clock.now() + timedelta(days=4 * 365 + 20))
    mark_if_caught_up(world.parts)
    return [f"{JC}:{world.jc.ref(f'p{number}')}" for number in range(count)]


def _proven(world: World) -> set[str]:
    return {row["subject"] for row in world.rows("consent_row")}


def test_a_night_ends_proofs_by_pages_and_looks_for_withdrawals_between(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that has used up its time begins no other page."""
    monkeypatch.setattr(retention, "PAGE", 2)
    keys = set(_crowd(small, 5))
    monkeypatch.setattr(timers, "LONGEST", -1.0)
    left = list[int]()
    while (done := timers.tick(small.parts)).more:
        left.append(len(keys & _proven(small)))
    assert {5, 3, 1, 0} <= set(left)
    assert not done.more
    assert timers.tick(small.parts).retained == 0


@pytest.mark.parametrize("page", [2, 4])
def test_a_night_that_is_killed_goes_on_from_where_it_came(
    small: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    keys = set(_crowd(small, 5))
    with crash_at("retention.page", page):
        timers.tick(small.parts)
    reached = keys & _proven(small)
    looked = list[str]()
    ended = proofs.ended_proofs

    def noted(connection: Any, parts: Any, until: int, beyond: str, limit: int) -> Any:
        looked.append(beyond)
        return ended(connection, parts, until, beyond, limit)

    monkeypatch.setattr(retention, "ended_proofs", noted)
    timers.tick(small.parts)
    assert keys & _proven(small) == set()
    assert len(reached) == {2: 5, 4: 1}[page]
    assert ("" in looked) == (page == 2), "the proofs that went are not looked for again"


def test_a_night_that_is_killed_while_keys_go_ends_what_it_began(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are destroyed before the rows go: a consent that nobody can open for that has ended."""
    _crowd(small, 2)

    def fail(*_: object) -> None:
        raise CrashError

    monkeypatch.setattr(birthdays, "forget", fail)
    with pytest.raises(CrashError):
        timers.tick(small.parts)
    assert len(_proven(small)) == 2
    assert not _opens(small, KeyRef("proof", JC, small.jc.ref("p0")))
    monkeypatch.undo()
    small.parts.knowledge.clear()
    timers.tick(small.parts)
    assert _proven(small) == set()


def test_proofs_go_though_the_consent_was_taken_back_in_another_case(small: World) -> None:
    """The office has two cases of the person, which nobody linked; the withdrawal is in the one that is read last."""
    given, taken_back = sorted(("one case", "another case"), key=small.jc.key.case)
    small.jc.grants("c1", MOTHER, ["EG"], family=given)
    small.run()
    small.wait(hours=1)
    small.jc.withdraws("c1", MOTHER, family=taken_back)
    small.run()
    _later(small, 4 * 365 - 10)
    assert _proven(small)
    _later(small, 30)
    assert not _proven(small)
    assert not _opens(small, KeyRef("proof", JC, small.jc.ref(MOTHER)))


def _given_twice(world: World) -> tuple[str, str]:
    """An office gives one id to two persons; the second consent is refused. Returns their subject keys."""
    for person in (MOTHER, CHILD):
        world.jc.born(person, date(1990, 1, 1), family=person)
        world.jc.grants("c1", person, ["EG"], family=person, key=f"grant {person}")
        world.wait(seconds=1)
    world.run()
    world.wait(hours=1)
    return f"{JC}:{world.jc.ref(MOTHER)}", f"{JC}:{world.jc.ref(CHILD)}"


def test_a_refused_consent_ends_when_it_was_received(small: World) -> None:
    first, second = _given_twice(small)
    _later(small, 4 * 365 - 10)
    assert _proven(small) == {first, second}
    _later(small, 30)
    assert _proven(small) == {first}


def test_a_consent_whose_id_was_given_again_stays_while_that_one_is_there(small: World) -> None:
    """Without it, the one that was refused would stand."""
    first, second = _given_twice(small)
    small.jc.withdraws("c1", MOTHER, family=MOTHER)
    small.run()
    _later(small, 3 * 365)
    small.jc.say("ObjectionRaised", CHILD, {"norm": "Art. 21 GDPR"}, family=CHILD)
    small.run()
    _later(small, 2 * 365)
    assert _proven(small) == {first, second}
    _later(small, 3 * 365)
    assert _proven(small) == set()
