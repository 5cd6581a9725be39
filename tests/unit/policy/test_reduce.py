"""What a reduced cell shows (domain D), written down a second time; every pair that is not named shows nothing."""

import pytest

from hub.policy import default_policy
from hub.policy.reduce import FIELDS, obliged_categories, reduced
from tests.unit.policy.cast import CATEGORIES, HOME

SHOWN = {
    ("ID", "provider_worker"): "names first_name last_name contact",
    ("ID", "office_clerk"): "names first_name last_name contact",
    ("HH", "jc_case_manager"): "role from until",
    ("HH", "ja_asd"): "role from until",
    ("HH", "ja_wjh"): "role from until",
    ("HH", "coordinator"): "role from until",
    ("TM", "jc_case_manager"): "date time place",
    ("TM", "ja_asd"): "date time place",
    ("TM", "provider_worker"): "date time place",
    ("LS", "coordinator"): "month period",
    ("LB", "ja_asd"): "amount",
    ("LB", "ja_wjh"): "amount",
    ("LM", "ja_asd"): "until",
    ("EG", "provider_worker"): "norm provider result status start end",
    ("BT", "provider_worker"): "kind month period",
    ("HS", "provider_worker"): "paragraph provider place intensity start end end_code",
    ("HS", "coordinator"): "paragraph start end",
    ("HP", "jc_case_manager"): "goals review_date",
    ("HP", "coordinator"): "goals review_date",
    ("HP", "provider_worker"): "goals review_date",
    ("HP", "ja_wjh"): "goals review_date",
    ("G9", "jc_case_manager"): "intensity",
    ("G9", "ja_asd"): "intensity",
    ("VB", "jc_benefits"): "what task owner by_when due status agreement_ref date who",
    ("VB", "provider_worker"): "what task owner by_when due status agreement_ref date who",
}
EVERY = sorted({name for names in SHOWN.values() for name in names.split()} | {"reason", "birth_date"})


@pytest.mark.parametrize("role", HOME)
@pytest.mark.parametrize("category", CATEGORIES)
def test_only_the_reviewed_fields_are_left(category: str, role: str) -> None:
    fields = {name: ["work: x"] if name == "goals" else "value" for name in EVERY}
    shown = reduced(fields, dict.fromkeys(EVERY, category), frozenset({category}), role)
    assert shown.keys() == set(SHOWN.get((category, role), "").split())


def test_every_pair_is_a_reduced_cell_of_the_matrix() -> None:
    cells = default_policy().latest.rows
    assert {pair for pair in FIELDS if cells[pair[1]][pair[0]].show != "R"} == set()


def test_what_nobody_obliges_to_reduce_stays_whole() -> None:
    fields = {"names": "A", "birth_date": "B"}
    labels = {"names": "ID", "birth_date": "ID"}
    assert reduced(fields, labels, frozenset({"EG"}), "provider_worker") == fields
    assert reduced(fields, labels | {"birth_date": "EG"}, frozenset({"ID"}), "provider_worker") == fields


@pytest.mark.parametrize("empty", [None, [], ()])
def test_a_field_of_which_nothing_is_left_is_absent(empty: object) -> None:
    assert reduced({"contact": empty}, {"contact": "ID"}, frozenset({"ID"}), "office_clerk") == {}


@pytest.mark.parametrize("goal", ["work: Ausbildung", "childcare: Kita", "school: Abschluss", " Work : x"])
def test_goals_of_work_childcare_and_school_reach_the_case_manager(goal: str) -> None:
    asked = {"goals": [goal, "therapy: x", "network"]}, {"goals": "HP"}, frozenset({"HP"})
    assert reduced(*asked, "jc_case_manager") == {"goals": [goal]}
    assert reduced(*asked, "coordinator") == asked[0]


@pytest.mark.parametrize(
    ("paragraph", "group"),
    [(code, "ambulant") for code in ("27(2)", "27(3)", "28", "29", "30", "31", "35")]
    + [("32", "teilstationär"), ("33", "stationär"), ("34", "stationär"), ("35a", "Hilfe zur Erziehung")]
    + [("41", "junge Volljährige"), ("41a", "junge Volljährige"), ("99", "Hilfe zur Erziehung")],
)
def test_the_coordinator_sees_the_group_of_a_help(paragraph: str, group: str) -> None:
    shown = reduced({"paragraph": paragraph}, {"paragraph": "HS"}, frozenset({"HS"}), "coordinator")
    assert shown == {"paragraph": group}
    provider = reduced({"paragraph": paragraph}, {"paragraph": "HS"}, frozenset({"HS"}), "provider_worker")
    assert provider == {"paragraph": paragraph}


def test_the_obligations_of_a_decision_name_the_categories() -> None:
    found = obliged_categories(("log_disclosure", "reduce:HS:coordinator", "reduce:ID:coordinator"))
    assert found == {"HS", "ID"}
