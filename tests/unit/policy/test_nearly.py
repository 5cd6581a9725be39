"""The consent that nearly counts: what it lacks is named, and nothing is decided by it."""

from typing import Any

import pytest

from hub.policy import decide, default_policy, explain, parse_request
from hub.policy.decision import Decision
from tests.unit.policy.cast import CONSENT, STATUTORY, put, request


def judged(case: dict[str, Any]) -> Decision:
    return decide(default_policy(), parse_request(case))


def told(case: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.consent, one.missing) for one in judged(case).nearly]


LACKING = [
    ({"form": "oral"}, ("form",)),
    ({"notices": ["purpose", "refusal"]}, ("notices",)),
    ({"proof_hash": ""}, ("proof",)),
    ({"recipients": ["another"]}, ("recipient",)),
    ({"purposes": ["benefit_administration"]}, ("purpose",)),
    ({"categories": ["LS"]}, ("category",)),
    ({"valid_until": "2026-09-02T00:00:00+02:00"}, ("period",)),
    ({"form": "oral", "proof_hash": "", "granted_by": []}, ("form", "proof", "signers")),
]


@pytest.mark.parametrize(("changes", "missing"), LACKING)
def test_it_names_the_consent_and_what_it_lacks(changes: dict[str, Any], missing: tuple[str, ...]) -> None:
    case = put(request(), consents=[{**CONSENT, **changes}])
    decision = judged(case)
    assert decision.rules == ("R04",)
    assert told(case) == [("c1", missing)]
    assert decision.as_json()["needed"] == [
        "consent: category EG to recipient",
        f"nearly: consent c1 for category EG to recipient lacks {', '.join(missing)}",
    ]


def test_in_words() -> None:
    case = put(request(), consents__0__proof_hash="", consents__0__form="oral")
    assert explain(judged(case)).split("\n")[-1] == (
        "Fast gegolten hätte die Einwilligung c1 (Kategorie EG an recipient). "
        "Es fehlt: eine gültige Form (schriftlich oder elektronisch), der Nachweis."
    )
    assert explain(judged(case), "en").split("\n")[-1] == (
        "Consent c1 (category EG to recipient) would nearly have counted. "
        "It lacks: a valid form (written or electronic), the proof."
    )


def test_a_special_category_needs_an_explicit_yes() -> None:
    case = put(request("ja_asd", "G9"), consents__0__explicit_special=False)
    assert told(case) == [("c1", ("explicit",))]


def test_one_to_which_the_record_does_not_refer() -> None:
    assert told(put(request(), event__ground={"consents": []})) == [("c1", ("reference",))]


def test_of_several_the_nearest() -> None:
    oral = {**CONSENT, "form": "oral"}
    worse = {**CONSENT, "id": "c2", "form": "oral", "proof_hash": ""}
    case = put(request(), event__ground={"consents": ["c1", "c2"]}, consents=[worse, oral])
    assert told(case) == [("c1", ("form",))]


@pytest.mark.parametrize(
    "case",
    [
        put(request(), consents__0__recipients=["another"], consents__0__categories=["LS"]),
        put(request(), consents__0__subject="p-other"),
        put(request(), consents__0__sender="another"),
        put(request("ja_asd", "ID"), event__ground={**STATUTORY, "norm": "§ 18 SGB II"}),
        put(request(), consents=[]),
        request(),
    ],
)
def test_one_about_something_else_is_not_named(case: dict[str, Any]) -> None:
    assert told(case) == []
