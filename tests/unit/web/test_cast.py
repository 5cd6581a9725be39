"""The simulated cast as a directory of viewers."""

from datetime import date

from hub.dev.cast import cast_directory
from hub.dev.simulate.world import build_world
from tests.unit.web.example import AGENCIES, JA, JC


def test_every_office_lists_its_own_households_by_its_own_pseudonym() -> None:
    world = build_world(20, 1, date(2026, 6, 1))
    made = cast_directory(
        world, AGENCIES, lambda agency, number: f"f_{agency}_{number}", {(JC, "coordinator"): "W1"}
    )
    bgs = [home.bg_number for family in world.families for home in family.homes if home.bg_number]
    files = [home.case_number for family in world.families for home in family.homes if home.case_number]
    assert [one.case_ref for one in made.families[JC]] == [f"f_{JC}_{number}" for number in bgs]
    assert [one.case_ref for one in made.families[JA]] == [f"f_{JA}_{number}" for number in files]
    assert made.simulated
    assert {(one.agency, one.role) for one in made.viewers} == {
        (agency.id, role) for agency in AGENCIES.values() for role in agency.roles
    }
    assert [one.worker for one in made.viewers if one.key == f"{JC}.coordinator"] == ["W1"]


def test_a_label_is_for_the_eye_and_stays_out_of_repr() -> None:
    world = build_world(20, 1, date(2026, 6, 1))
    made = cast_directory(world, AGENCIES, lambda _agency, number: number)
    first = made.families[JC][0]
    assert first.label == f"Familie {world.families[0].homes[0].members[0].surname}"
    assert first.label not in repr(made) + repr(first)
    assert first.note == "Alleinerziehend, ein Kind; volle Einwilligung"
    assert [one.label for one in made.families[JC] if "Haushalt" in one.label]


def test_only_ones_own_families_are_assigned() -> None:
    world = build_world(20, 1, date(2026, 6, 1))
    made = cast_directory(world, AGENCIES, lambda _agency, number: number)
    viewer = made.viewer(f"{JC}.jc_case_manager")
    assert viewer is not None
    own, others = made.families[JC][0].case_ref, made.families[JA][0].case_ref
    assert made.recipient(viewer, own, AGENCIES[JC]).assigned
    assert not made.recipient(viewer, others, AGENCIES[JC]).assigned
    assert made.viewer("nobody") is None
