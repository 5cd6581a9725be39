"""Joint work in a story: what the work book answers is what every recipient's view then shows."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hub.desk.work.objects import WorkError
from hub.rehearse.parse import parse_story
from hub.rehearse.run import Rehearsal, rehearsals

AGENCIES = [
    {"id": "jc-a", "kind": "jobcenter"},
    {"id": "ja-a", "kind": "youth_welfare"},
    {"id": "awo", "kind": "provider"},
]
KINDS = {one["id"]: one["kind"] for one in AGENCIES}
PERSONS = [
    {"ref": "mother", "birth_date": "1991-02-03", "capable": None, "custodians": []},
    {"ref": "child", "birth_date": "2015-06-07", "capable": None, "custodians": ["mother"]},
]
FAMILIES = [{"ref": "fam", "members": ["mother", "child"], "known_to": ["jc-a", "ja-a", "awo"]}]
AT = "2026-09-01T08:00:00Z"
ROLES = [
    ("jc-a", "jc_case_manager"),
    ("jc-a", "jc_benefits"),
    ("ja-a", "ja_asd"),
    ("ja-a", "ja_wjh"),
    ("awo", "provider_worker"),
]


def consent(number: int, sender: str, subject: str, *categories: str) -> dict[str, Any]:
    others = sorted(KINDS.keys() - {sender})
    return {
        "at": AT,
        "do": "consent",
        "by": sender,
        "consent": {
            "id": f"c{number}",
            "subject": subject,
            "granted_by": ["mother"],
            "sender": sender,
            "recipients": others,
            "recipient_workers": [],
            "purposes": ["joint_case_management"],
            "categories": list(categories),
            "form": "written",
            "explicit_special": False,
            "notices": ["purpose", "refusal", "withdrawal"],
            "text_version": "2026-06/de",
            "proof_hash": "sha256:00",
            "granted_at": AT,
            "valid_until": None,
            "withdrawn_at": None,
        },
    }


def step(do: str, by: str, name: str, at: str = "2026-09-02T08:00:00Z", **said: Any) -> dict[str, Any]:
    begun = (
        {"family": "fam"}
        if do in ("talk", "agree", "task", "refer", "apply", "assess", "stepdown", "end")
        else {}
    )
    return {"at": at, "do": do, "by": by, "id": name, **begun, **said}


def view(controller: str, role: str, at: str) -> dict[str, Any]:
    recipient = {
        "controller": controller,
        "kind": KINDS[controller],
        "role": role,
        "worker": None,
        "assigned": True,
        "undertaking": True,
    }
    return {
        "at": at,
        "do": "view",
        "recipient": recipient,
        "purpose": "joint_case_management",
        "family": "fam",
    }


@pytest.fixture(scope="module")
def played() -> Callable[..., Rehearsal]:
    def play_steps(*steps: Mapping[str, Any]) -> Rehearsal:
        story = {"agencies": AGENCIES, "persons": PERSONS, "families": FAMILIES, "steps": list(steps)}
        with rehearsals() as play:
            return play(parse_story(json.dumps(story).encode()))

    return play_steps


CONSENTS = [
    consent(number, sender, subject, "VB", "TM", "VG")
    for number, (sender, subject) in enumerate(
        (sender, subject) for sender in ("jc-a", "ja-a", "awo") for subject in ("mother", "child")
    )
]
STORY = [
    step(
        "agree",
        "jc-a",
        "a1",
        subject="mother",
        owner="jc_benefits",
        awaits="provider:awo",
        code="antrag_stellen",
    ),
    step(
        "agree",
        "ja-a",
        "a2",
        subject="mother",
        owner="family",
        text="Wir rufen an.",
        read_back=True,
        released_by=["family"],
        due="2026-10-01",
    ),
    step("agree", "jc-a", "a3", owner="family", code="antrag_stellen"),
    step("task", "ja-a", "k1", subject="child", owner="provider:awo", code="unterlagen_bringen"),
    step(
        "talk",
        "jc-a",
        "t1",
        subject="mother",
        kind="dreiecksgespraech",
        date="2026-10-05",
        time="10:00",
        place="Rathaus",
        participants=["family", "provider:awo"],
    ),
    step(
        "refer",
        "jc-a",
        "r1",
        subject="mother",
        addressee="awo",
        reason_code="schulden",
        answer_due="2026-10-01",
    ),
    step("apply", "jc-a", "p1", subject="child", addressee="ja-a", benefit="but"),
    step("assess", "ja-a", "s1", subject="mother", dimension="arbeit", step=2, assessed_by="youth_office"),
    step("ack", "ja-a", "a1", who="ja_asd", how="phone"),
    step("answer", "awo", "r1", step="queried", missing=["ausweis"]),
    step("query", "ja-a", "p1", missing=["schulbescheinigung"]),
    step("document", "jc-a", "p1", document="schulbescheinigung"),
    step("decide", "ja-a", "p1", result="granted"),
    step("close", "ja-a", "a1", outcome="kept"),
    step("done", "awo", "k1"),
]


def test_what_is_answered_is_what_each_recipients_view_shows(played: Callable[..., Rehearsal]) -> None:
    at = "2026-09-03T08:00:00Z"
    found = played(*CONSENTS, *STORY, *(view(*role, at) for role in ROLES))
    assert len(found.work) == len(STORY)
    assert all(one.told["written"] for one in found.work)
    shown = {(one.view.recipient.controller, one.view.recipient.role): one.persons for one in found.answers}
    for said, one in zip(STORY, found.work, strict=True):
        for decision in one.told["decisions"]:
            persons = shown[decision["recipient"], decision["role"]]
            entries = [entry for types in persons.values() for of in types.values() for entry in of]
            hit = [entry for entry in entries if _is(entry, said)]
            assert [sorted(entry) for entry in hit] == ([decision["kept"]] if decision["kept"] else []), (
                said,
                decision,
            )


def _is(entry: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether it is the entry of this step: its reference, and what no other step of the reference says."""
    marks = {
        "ack": "how",
        "close": "outcome",
        "done": "date",
        "query": "missing",
        "answer": "missing",
        "document": "document",
        "decide": "result",
        "assess": "dimension",
    }
    refs = {entry.get(name) for name in ("agreement_ref", "task_ref", "talk_ref", "matter_ref")}
    if said["do"] == "assess":
        return "dimension" in entry
    mark = marks.get(said["do"])
    others = set(marks.values()) - {mark, "date"}
    if said["id"] not in refs or not others.isdisjoint(entry):
        return False
    return (
        mark in entry
        if mark
        else not ({"how", "outcome", "missing"} & entry.keys() or (said["do"] == "task" and "date" in entry))
    )


def test_the_benefits_unit_and_the_provider_see_what_is_theirs(played: Callable[..., Rehearsal]) -> None:
    found = played(*CONSENTS, *STORY[:4])
    told = {
        (said["id"], one["role"]): one
        for said, answer in zip(STORY, found.work, strict=False)
        for one in answer.told["decisions"]
    }
    assert told["a1", "provider_worker"]["outcome"] == "allow"
    assert told["a2", "provider_worker"]["dropped"] == dict.fromkeys(
        ["agreement_ref", "due", "owner", "text"], "reduce"
    )
    assert told["a2", "jc_benefits"]["outcome"] == "deny"
    assert told["a2", "jc_case_manager"]["kept"] == ["agreement_ref", "due", "owner", "text"]
    assert {one["outcome"] for (name, _), one in told.items() if name == "a3"} == {"deny"}, (
        "no family consent"
    )


def test_a_dry_run_writes_nothing(played: Callable[..., Rehearsal]) -> None:
    first = {**STORY[0], "dry_run": True}
    found = played(
        *CONSENTS,
        first,
        view("ja-a", "ja_asd", "2026-09-03T08:00:00Z"),
        {**STORY[0], "at": "2026-09-03T08:00:00Z"},
    )
    dry, wet = (one.told for one in found.work)
    assert (dry["written"], wet["written"]) == (False, True)
    assert dry["decisions"] == wet["decisions"]
    assert found.answers[0].persons == {}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (step("answer", "ja-a", "r1", step="accepted"), "unknown_ref"),
        (step("answer", "jc-a", "r1", step="accepted"), "not_yours"),
        (step("close", "jc-a", "nothing", outcome="kept"), "unknown_ref"),
        (step("agree", "jc-a", "a9", owner="Frau Kaya", code="antrag_stellen"), "unknown_code"),
        (step("agree", "jc-a", "a9", owner="family", colour="red", code="antrag_stellen"), "unknown_field"),
    ],
)
def test_a_wrong_step_names_itself(
    played: Callable[..., Rehearsal], wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(WorkError) as found:
        played(*CONSENTS, STORY[5], wrong)
    assert (found.value.reason, found.value.exit_code) == (code, 65)
    assert "steps[7]" in found.value.place
