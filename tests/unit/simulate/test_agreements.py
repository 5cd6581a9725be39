"""Consents at both offices: every kind occurs among the twenty families, and every key of a consent is there."""

import re

import pytest

from hub.dev.simulate.consents import WORDS, consents_on, signers_of
from hub.dev.simulate.world import Family
from tests.unit.simulate.running import START, Run

JOBCENTER_COLUMNS = (
    "EINW_NR, KDNR, UNTERZEICHNER, ABSENDER, EMPFAENGER, EMPF_MITARBEITER, ZWECKE, KATEGORIEN, FORM, AUSDR_BESONDERE,"
    " HINW_ZWECK || HINW_FOLGEN || HINW_WIDERRUF, TEXTFASSUNG, NACHWEIS, ERTEILT_AM, GUELTIG_BIS"
)


def family(run: Run, kind: str) -> Family:
    return next(f for f in run.simulation.world.families if f.model.kind == kind)


def at_jobcenter(run: Run, kind: str) -> list[tuple[object, ...]]:
    homes = "', '".join(str(h.bg_number) for h in family(run, kind).homes)
    return run.rows(f"select {JOBCENTER_COLUMNS} from T_EINWILLIGUNG where BG_NR in ('{homes}')")  # noqa: S608


def at_youth_office(run: Run, kind: str, day: int = 5) -> list[dict[str, str]]:
    homes = {h.case_number for h in family(run, kind).homes}
    return [row for row in run.read("einwilligungen", day) if row["aktenzeichen"] in homes]


def test_consents_go_both_ways(run: Run) -> None:
    directions = {(row[3], row[4]) for row in at_jobcenter(run, "single_parent")}
    both = {("jc-seestadt", "ja-seestadt"), ("ja-seestadt", "jc-seestadt")}
    assert directions == both
    assert {(row["absender"], row["empfaenger"]) for row in at_youth_office(run, "couple")} == both


def test_every_key_of_a_consent_is_recorded_at_both_offices(run: Run) -> None:
    for row in run.rows(f"select {JOBCENTER_COLUMNS} from T_EINWILLIGUNG"):  # noqa: S608 - our own columns
        assert all(value for i, value in enumerate(row) if i not in (5, 14))
        assert re.fullmatch("sha256:[0-9a-f]{64}", str(row[12]))
        assert {w.lower() for w in str(row[7]).split(",")} <= set(WORDS.values())
    for form in run.read("einwilligungen"):
        assert all(v for k, v in form.items() if k not in ("empfaenger_fachkraefte", "gueltig_bis"))
        assert set(form["kategorien"].split(",")) <= set(WORDS.values())
    assert {bool(r["gueltig_bis"]) for r in run.read("einwilligungen")} == {True, False}


@pytest.mark.parametrize("day", [0, 5])
def test_signers_and_subjects_are_known_to_the_office_that_recorded_them(run: Run, day: int) -> None:
    known = {row["personen_nr"] for row in run.read("personen", day)}
    for row in run.read("einwilligungen", day):
        assert {row["personen_nr"], *row["unterzeichner"].split(",")} <= known
    people = {number for (number,) in run.rows("select KDNR from T_PERSON")}
    for subject, signers in run.rows("select KDNR, UNTERZEICHNER from T_EINWILLIGUNG"):
        assert {subject, *str(signers).split(",")} <= people


def test_refused_leaves_no_row(run: Run) -> None:
    assert at_jobcenter(run, "refused") == []
    assert at_youth_office(run, "refused") == []


def test_only_one_of_two_custodians_signed(run: Run) -> None:
    child = family(run, "two_homes").persons[2].jobcenter_id
    signed = {row[2] for row in at_jobcenter(run, "two_homes") if row[1] == child}
    assert signed == {family(run, "two_homes").persons[0].jobcenter_id}


def test_only_oral_only_some_categories_only_one_way(run: Run) -> None:
    assert {(row[8], row[10]) for row in at_jobcenter(run, "oral")} == {("M", "JNN")}
    assert {row[7] for row in at_jobcenter(run, "large")} == {"STAMMDATEN,ANSPRECHPERSON,TERMINE"}
    assert {row[3] for row in at_jobcenter(run, "special")} == {"jc-seestadt"}
    assert {row[9] for row in at_jobcenter(run, "special")} == {"J"}


def test_withdrawn_on_the_third_day_and_narrowed_on_the_fourth(run: Run) -> None:
    withdrawn = {row[0] for row in at_jobcenter(run, "withdrawn")}
    rows = run.rows("select EINW_NR, UMFANG, WIDERRUFEN_AM from T_EINWILLIGUNG_WIDERRUF")
    assert {number for number, _, _ in rows} == withdrawn
    assert {(scope, str(at)[:10]) for _, scope, at in rows} == {("GESAMT", "2026-06-03")}
    assert run.read("widerrufe", 2) == []
    narrowed = run.read("widerrufe", 3)
    assert {row["einwilligung_nr"] for row in narrowed} < {
        row["einwilligung_nr"] for row in at_youth_office(run, "entrusted")
    }
    assert {(row["umfang"], row["kategorien"]) for row in narrowed} == {
        ("teilweise", "leistungshoehe"),
        ("teilweise", "hilfeplan"),
    }


def test_expires_during_the_days(run: Run) -> None:
    assert {row["gueltig_bis"] for row in at_youth_office(run, "expiring")} == {"03.06.2026 12:00"}


def test_coming_of_age_is_signed_by_the_parent_first_and_by_the_child_after(run: Run) -> None:
    mother, child = (p.jobcenter_id for p in family(run, "turns_fifteen").persons)
    signed = [(str(row[13])[:10], row[2]) for row in at_jobcenter(run, "turns_fifteen") if row[1] == child]
    assert {signer for at, signer in signed if at < "2026-06-03"} == {mother}
    assert {signer for at, signer in signed if at > "2026-06-03"} == {child}


def test_a_consent_is_widened_under_a_new_number(run: Run) -> None:
    rows = at_jobcenter(run, "widened")
    assert len({row[0] for row in rows}) == len(rows) == 12
    assert {len(str(row[7]).split(",")) for row in rows} == {3, 7, 9}


def test_children_of_fifteen_sign_themselves_unless_a_capacity_is_recorded(run: Run) -> None:
    teens = family(run, "teenagers")
    mother, fifteen, incapable, capable = teens.persons
    assert signers_of(teens, fifteen, START) == (fifteen,)
    assert signers_of(teens, incapable, START) == (mother,)
    assert signers_of(teens, capable, START) == (capable,)


def test_what_was_confided_is_released_by_the_confider_to_a_named_worker(run: Run) -> None:
    rows = [row for row in at_youth_office(run, "entrusted") if row["kategorien"] == "anvertraut"]
    confider = next(row["vertraulich_von"] for row in run.read("hilfen") if row["vertraulich_von"])
    assert [row["unterzeichner"] for row in rows] == [confider]
    assert rows[0]["empfaenger_fachkraefte"] in {
        str(n) for (n,) in run.rows("select SB_ID from T_SACHBEARBEITER")
    }


def test_the_pairing_code_says_the_same_in_both_offices(run: Run) -> None:
    same = run.simulation.world.same_person
    ours = run.rows("select CODE, MITGLIED_NR, KDNR from T_PAARUNGSCODE")
    theirs = {(row["code"], int(row["mitglied_nr"])): row["personen_nr"] for row in run.read("paarung")}
    assert len(ours) == len(theirs) > 40
    assert all(theirs[str(code), int(str(n))] == same[str(person)] for code, n, person in ours)


def test_families_of_one_office_have_no_consents(run: Run) -> None:
    for one in (f for f in run.simulation.world.families if not f.joint):
        assert list(consents_on(one, START, 0)) == []
