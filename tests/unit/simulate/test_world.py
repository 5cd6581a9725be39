"""The truth behind the simulated agencies: formats, sizes, and that every promised kind of family occurs."""

import re
from datetime import date, timedelta
from itertools import combinations

import pytest

from hub.dev.simulate import SimulatedWorld, build_world
from hub.dev.simulate.cast import CAST

START = date(2026, 6, 1)


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    return build_world(20, 1, START)


@pytest.fixture(scope="module")
def larger() -> SimulatedWorld:
    return build_world(2000, 3, START)


def test_a_family_is_the_same_in_a_small_and_in_a_large_world(world: SimulatedWorld) -> None:
    assert build_world(30, 1, START).families[:20] == world.families


def test_another_seed_gives_other_people(world: SimulatedWorld) -> None:
    other = build_world(20, 2, START)
    assert {p.jobcenter_id for p in other.persons} != {p.jobcenter_id for p in world.persons}
    assert [f.model for f in other.families] == [f.model for f in world.families]


def test_local_ids_have_their_formats_and_are_unique(larger: SimulatedWorld) -> None:
    jobcenter = [p.jobcenter_id for p in larger.persons if p.jobcenter_id]
    youth = [p.youth_office_id for p in larger.persons if p.youth_office_id]
    homes = [home for family in larger.families for home in family.homes]
    bg = [home.bg_number for home in homes if home.bg_number]
    cases = [home.case_number for home in homes if home.case_number]
    assert all(re.fullmatch(r"\d{3}[A-Z0-9]\d{6}", x) for x in jobcenter)
    assert all(re.fullmatch(r"0\d{7}", x) for x in youth)
    assert all(re.fullmatch(r"\d{5}BG\d{7}", x) for x in bg)
    assert all(re.fullmatch(r"0\d{6}", x) for x in cases)
    for ids in (jobcenter, youth, bg, cases):
        assert len(ids) == len(set(ids)) > 100


def test_nobody_has_the_same_number_in_both_offices(larger: SimulatedWorld) -> None:
    same = larger.same_person
    assert len(same) > 100
    assert all(theirs not in ours and ours[-6:] != theirs[-6:] for ours, theirs in same.items())


def test_pairing_codes_are_crockford_and_only_on_joint_families(world: SimulatedWorld) -> None:
    codes = [h.pairing_code for f in world.families for h in f.homes if h.pairing_code]
    assert len(codes) == len(set(codes)) == len(world.same_case)
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", code) for code in codes)
    assert all((f.homes[0].pairing_code is not None) == f.joint for f in world.families)


def test_sizes_from_one_to_eight(world: SimulatedWorld) -> None:
    sizes = {len(f.persons) for f in world.families}
    assert {1, 2, 3, 4, 5, 8} <= sizes
    assert max(sizes) == 8


def test_a_kreis_has_two_persons_a_household_and_eleven_percent_joint_families(
    larger: SimulatedWorld,
) -> None:
    per_family = sum(1 for _ in larger.persons) / 2000
    assert 1.9 < per_family < 2.1
    assert 0.09 < len(larger.joint_families) / 2000 < 0.14


def test_twins_share_all_but_the_first_name(world: SimulatedWorld) -> None:
    family = next(f for f in world.families if f.model.kind == "twins")
    one, two = family.persons[2:]
    assert (one.surname, one.birth_date, one.address) == (two.surname, two.birth_date, two.address)
    assert one.given_name != two.given_name


def test_a_child_of_two_homes_is_in_two_households_with_two_codes(world: SimulatedWorld) -> None:
    family = next(f for f in world.families if f.model.kind == "two_homes")
    child = family.persons[2]
    assert [child in home.members for home in family.homes] == [True, True]
    assert family.homes[0].pairing_code != family.homes[1].pairing_code
    assert family.persons[0].address != family.persons[1].address


def test_ages_that_matter_for_consent(world: SimulatedWorld) -> None:
    ages = {p.age_on(START) for p in world.persons}
    assert {15, 16, 17, 18} <= ages
    turning = next(f for f in world.families if f.model.kind == "turns_fifteen").persons[1]
    assert [turning.age_on(START + timedelta(days=n)) for n in (1, 2)] == [14, 15]
    assert {p.capable for p in world.persons} == {None, True, False}


def test_people_are_known_to_both_to_one_and_to_the_other_office(world: SimulatedWorld) -> None:
    kinds = {(bool(p.jobcenter_id), bool(p.youth_office_id)) for p in world.persons}
    assert kinds == {(True, True), (True, False), (False, True)}


def test_names_of_three_origins_with_umlauts_that_cp1252_knows(larger: SimulatedWorld) -> None:
    names = [p.surname + p.given_name for p in larger.persons]
    assert {p.origin for p in larger.persons} == {"de", "tr", "bg"}
    assert any("ö" in n for n in names)
    assert any("ü" in n for n in names)
    assert all(n.encode("cp1252") for n in names)


def test_members_of_a_family_have_different_first_names(larger: SimulatedWorld) -> None:
    for family in larger.families:
        assert all(a.given_name != b.given_name for a, b in combinations(family.persons, 2))


def test_the_cast_has_twenty_kinds() -> None:
    assert len({model.kind for model in CAST}) == len(CAST) == 20


def test_no_personal_field_in_repr(world: SimulatedWorld) -> None:
    shown = repr(world) + repr(world.families[0]) + repr(world.families[0].persons[0])
    person = world.families[0].persons[0]
    assert person.surname not in shown
    assert str(person.jobcenter_id) not in shown
