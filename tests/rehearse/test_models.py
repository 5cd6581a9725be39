"""The models of a view, played through the real parts: what each office reads of the joint work."""

import copy
import json
from typing import Any

import pytest

from hub.errors import DataError
from hub.rehearse.answer import Answer
from hub.rehearse.parse import parse_story
from hub.rehearse.run import rehearsals
from tests.rehearse.conftest import told

SEPTEMBER = "2026-09-{:02}T08:00:00Z"
JC, JA = "jc-a", "ja-a"


def step(day: int, do: str, **keys: Any) -> dict[str, Any]:
    return {"at": SEPTEMBER.format(day), "do": do, **keys}


def record(day: int, by: str, id_: str, type_: str, **payload: Any) -> dict[str, Any]:
    return step(day, "record", by=by, id=id_, family="fam", subject="mother", type=type_, payload=payload)


def view(day: int, controller: str, role: str, kind: str, **expect: Any) -> dict[str, Any]:
    recipient = {
        "controller": controller,
        "kind": kind,
        "role": role,
        "worker": "w1",
        "assigned": True,
        "undertaking": True,
    }
    asked = {"recipient": recipient, "purpose": "joint_case_management", "family": "fam"}
    return step(day, "view", **asked, **({"expect": expect} if expect else {}))


def consent(by: str, to: str, categories: list[str]) -> dict[str, Any]:
    signed = copy.deepcopy(next(one["consent"] for one in told("01")["steps"] if one["do"] == "consent"))
    changed = {
        "id": f"c-{by}",
        "subject": "mother",
        "granted_by": ["mother"],
        "sender": by,
        "recipients": [to],
        "recipient_workers": [],
        "categories": categories,
        "granted_at": SEPTEMBER.format(1),
        "valid_until": None,
        "withdrawn_at": None,
    }
    return step(1, "consent", by=by, consent=signed | changed)


def story(*steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "agencies": [{"id": JC, "kind": "jobcenter"}, {"id": JA, "kind": "youth_welfare"}],
        "persons": [{"ref": "mother", "birth_date": "1991-02-03", "capable": None, "custodians": []}],
        "families": [{"ref": "fam", "members": ["mother"], "known_to": [JC, JA]}],
        "steps": [*steps],
    }


def played(*steps: dict[str, Any]) -> list[Answer]:
    with rehearsals() as play:
        return list(play(parse_story(json.dumps(story(*steps)).encode())).answers)


AGREED = {"agreement_ref": "ref-1", "owner": "person", "due": "2026-09-09", "code": "unterlagen_bringen"}
CASE_MANAGER = (JC, "jc_case_manager", "jobcenter")
SHOWN_TO_JC = (
    consent(JA, JC, ["VB", "TM", "FK"]),
    record(2, JA, "a1", "AgreementMade", **AGREED),
    record(2, JA, "w1", "WorkerAssigned", function="asd", contact="Tel. 1", name="Herr Kaya"),
    record(
        3, JA, "t1", "ThreeWayTalkScheduled", talk_ref="talk-1", date="2026-09-20", participants=["person"]
    ),
)
HIDDEN = record(4, JA, "h1", "HelpPlanAgreed", goals=["health: hidden"], review_date="2026-10-01")


def test_an_agreement_is_overdue_for_the_office_that_sees_it() -> None:
    due, later = played(
        *SHOWN_TO_JC,
        view(
            9,
            *CASE_MANAGER,
            models={"agreements": [{"ref": "ref-1", "about": "mother", "state": "open", "source": JA}]},
        ),
        view(
            10,
            *CASE_MANAGER,
            models={
                "agreements": [
                    {"state": "overdue", "text": "Unterlagen bringen", "since": SEPTEMBER.format(2)}
                ],
                "responsibilities": [{"agency": JA, "function": "asd"}],
                "talks": [{"ref": "talk-1", "participants": [], "state": "planned"}],
                "hints": [{"code": "agreement_overdue", "about": "mother", "rests_on": ["a1"]}],
                "matters": [],
            },
        ),
    )
    assert (due.differs, later.differs) == ((), ())


def test_twins_that_differ_in_what_is_hidden_have_equal_models() -> None:
    """Law (a): a plan that the consent does not cover changes no model, and no order."""
    (plain,) = played(*SHOWN_TO_JC, view(10, *CASE_MANAGER))
    (twin,) = played(*SHOWN_TO_JC, HIDDEN, view(10, *CASE_MANAGER))
    assert repr(twin.models) == repr(plain.models)
    assert plain.models["agreements"]


def test_a_rebuild_restart_and_redelivery_change_no_model() -> None:
    """Law (c)."""
    before, after = played(
        *SHOWN_TO_JC,
        view(10, *CASE_MANAGER),
        step(10, "redeliver", ids=["a1", "t1"]),
        step(10, "rebuild"),
        step(10, "restart"),
        view(10, *CASE_MANAGER),
    )
    assert after.models == before.models


def test_a_wrong_expectation_names_its_model() -> None:
    wrong = {"agreements": [{"state": "kept"}], "talks": [], "matters": []}
    (found,) = played(*SHOWN_TO_JC, view(10, *CASE_MANAGER, models=wrong))
    assert found.differs == ("models.agreements", "models.talks")


@pytest.mark.parametrize("models", [{"agreement": []}, {"talks": {}}, {"talks": ["t1"]}, []])
def test_an_expectation_that_names_no_model_is_refused(models: Any) -> None:
    with pytest.raises(DataError, match="models"):
        played(view(10, *CASE_MANAGER, models=models))
