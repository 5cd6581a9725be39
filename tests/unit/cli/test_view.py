"""`hub view`: one object for page, API and command; who is not shown leaves no byte behind."""

from typing import Any

import pytest

from hub.views.joint_view import NOTICE
from projections.models import FOLDS
from tests.unit.cli.conftest import JOBCENTER, YOUTH_OFFICE, World, answer, hub

EMPTY = {"persons": [], "models": {name: [] for name in FOLDS}}


def _of(case_key: str) -> str:
    return case_key.partition(":")[2]


def _looked(world: World, *, case: str = "", role: str = "ja_asd", **options: str) -> dict[str, Any]:
    case_ref = case or _of(world.youth_office.case("family"))
    said = [f"--{name}={value}" for name, value in options.items()]
    return answer(
        "view",
        case_ref,
        "--agency",
        YOUTH_OFFICE,
        "--role",
        role,
        "--purpose",
        "joint_case_management",
        *said,
    )


@pytest.fixture
def family(world: World) -> World:
    """Anna, known to both agencies; her consent opens measures, and one runs."""
    for side in (world.jobcenter, world.youth_office):
        side.person("anna", "family")
        side.link("anna", "family", "ABCD-EFGH")
    consent = world.jobcenter.grant("anna", "family", [YOUTH_OFFICE], categories=("EG", "FK"))
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.youth_office.flush()
    world.run()
    return world


def test_the_object_names_persons_entries_and_models(family: World) -> None:
    found = _looked(family)
    assert list(found) == ["case_ref", "role", "purpose", "notice", "persons", "models"]
    assert (found["notice"], list(found["models"])) == (NOTICE, list(FOLDS))
    (person,) = found["persons"]
    assert person["ref"] == _of(family.youth_office.subject("anna"))
    (entry,) = person["entries"]
    assert list(entry) == ["type", "id", "occurred_at", "sender", "fields", "marked"]
    assert (entry["type"], entry["sender"]) == ("MeasureStarted", JOBCENTER)
    assert entry["occurred_at"].endswith("Z")
    assert person["grounds"]
    assert "HP" not in person["withheld"]


def test_a_person_sees_their_own_file(family: World) -> None:
    """Art. 15 GDPR: through the agency that they ask, under its own pseudonym of them, and without hints."""
    anna = _of(family.youth_office.subject("anna"))
    case = _of(family.youth_office.case("family"))
    asked = ("--agency", YOUTH_OFFICE, "--role", "subject", "--purpose", "subject_access", "--worker", anna)
    found = answer("view", case, *asked)
    assert [(one["ref"], [entry["type"] for entry in one["entries"]]) for one in found["persons"]] == [
        (anna, ["MeasureStarted"])
    ]
    assert found["models"]["hints"] == []


def test_unknown_withdrawn_and_empty_cases_answer_alike(family: World) -> None:
    unknown = _looked(family, case="f_nobody")
    family.jobcenter.withdraw("anna", "family", "c-" + _of(family.jobcenter.subject("anna family"))[2:14])
    family.jobcenter.flush()
    family.run()
    withdrawn = _looked(family)
    assert {name: unknown[name] for name in EMPTY} == EMPTY
    assert {**withdrawn, "case_ref": ""} == {**unknown, "case_ref": ""}


def test_each_look_is_recorded(family: World) -> None:
    with family.parts.store.transaction() as connection:
        before = _looks(connection)
    _looked(family)
    with family.parts.store.transaction() as connection:
        assert _looks(connection) == before + 1


def _looks(connection: Any) -> int:
    from sqlalchemy import func, select

    from hub.store.tables import retrieval

    return int(connection.execute(select(func.count()).select_from(retrieval)).scalar_one())


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (["--agency", "nobody", "--role", "ja_asd", "--purpose", "planning"], "--agency"),
        (["--agency", YOUTH_OFFICE, "--role", "jc_benefits", "--purpose", "planning"], "--role"),
        (["--agency", YOUTH_OFFICE, "--role", "ja_asd", "--purpose", "curiosity"], "--purpose"),
    ],
)
def test_what_cannot_be_asked_names_what_can(family: World, options: list[str], place: str) -> None:
    result = hub("view", "f_x", *options)
    assert result.exit_code != 0
    assert place in str(result.exception)
    assert "one of " in str(result.exception)


def test_people_read_tables(family: World) -> None:
    shown = hub(
        "view",
        _of(family.youth_office.case("family")),
        "--agency",
        YOUTH_OFFICE,
        "--role",
        "ja_asd",
        "--purpose",
        "joint_case_management",
    )
    assert "MeasureStarted" in shown.output
    assert "As of " in shown.output
