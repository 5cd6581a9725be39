"""A decision in sentences, word for word, in both languages; what would be needed; what a release obliges to."""

from typing import Any

import pytest

from hub.policy import Decision, decide, default_policy, explain, parse_request
from tests.unit.policy.cast import STATUTORY, UNATTESTED, put, request


def judged(case: dict[str, Any]) -> Decision:
    return decide(default_policy(), parse_request(case))


PART = put(
    request(), event__fields={"plan": "EG", "goal": "CT", "name": "ID"}, event__disputed=["plan", "goal"]
)
HELD = put(request(), event__fields={"plan": "EG", "name": "ID"}, consents__0__granted_by=["p-other"])

NOT_NEEDED_DE = "Für diese Aufgabe ist die Angabe nicht erforderlich oder sie ist nicht gekennzeichnet"
NOT_NEEDED = "not necessary for this role, not addressed to it, or without a label"
CONFIDED_DE = "allein von der Person, die es anvertraut hat"


@pytest.mark.parametrize(
    ("case", "lang", "lines"),
    [
        (request(), "de", ["Alles darf weitergegeben werden.", "Weitergegeben: field."]),
        (request(), "en", ["Everything may be passed on.", "Passed on: field."]),
        (
            PART,
            "de",
            [
                "Ein Teil darf weitergegeben werden.",
                "Weitergegeben: name, plan.",
                "Mit Kennzeichnung als bestritten: plan.",
                f"Zurückgehalten: goal – {NOT_NEEDED_DE} (R03, § 67a SGB X; § 62 SGB VIII).",
            ],
        ),
        (
            PART,
            "en",
            [
                "A part may be passed on.",
                "Passed on: name, plan.",
                "Carrying the mark of dispute: plan.",
                f"Withheld: goal – {NOT_NEEDED} (R03, § 67a SGB X; § 62 SGB VIII).",
            ],
        ),
    ],
)
def test_sentences(case: dict[str, Any], lang: Any, lines: list[str]) -> None:
    assert explain(judged(case), lang).split("\n") == lines


def test_a_hold_says_what_would_go_and_a_denial_that_nothing_does() -> None:
    half = put(
        HELD,
        event__ground={"consents": ["c1", "c2"]},
        consents=[
            {**HELD["consents"][0], "categories": ["EG"]},
            {**HELD["consents"][0], "id": "c2", "categories": ["ID"], "granted_by": ["p-mother"]},
        ],
    )
    german = explain(judged(half)).split("\n")
    assert german[:2] == [
        "Angehalten: Eine Fachkraft muss entscheiden, bis dahin wird nichts weitergegeben.",
        "Weitergegeben würde: name.",
    ]
    assert explain(judged(half), "en").split("\n")[:2] == [
        "On hold: a person must decide, nothing is passed on until then.",
        "Would be passed on: name.",
    ]
    denied = judged(put(request(), consents=[]))
    assert explain(denied).split("\n")[0] == "Nichts darf weitergegeben werden."
    assert explain(denied, "en").split("\n")[0] == "Nothing may be passed on."


def test_a_rule_that_keeps_no_field_back_stands_beside_the_others() -> None:
    case = put(request("ja_asd", "ID"), event__ground={**STATUTORY, "norm": "§ 18 SGB II"})
    (_, missing, besides, needed) = explain(judged(case), "en").split("\n")
    assert missing.startswith("Withheld: field – ")
    assert "(R04, " in missing
    assert not besides.startswith("Withheld")
    assert "(R23, " in besides
    assert needed == "Needed: consent: category ID to recipient."
    assert explain(judged(case)).split("\n")[2].endswith("(R23, § 18 SGB II; §§ 36, 81 SGB VIII).")


NEEDS = [
    (
        put(request(), consents=[]),
        "consent: category EG to recipient",
        "Einwilligung (Kategorie EG an recipient)",
    ),
    (
        put(request("ja_asd", "G9"), consents=[]),
        "consent: category G9 to recipient",
        "Einwilligung (Kategorie G9 an recipient)",
    ),
    (
        put(request(), consents__0__granted_by=[]),
        "signature: all who can sign, category EG to recipient",
        "Unterschrift aller, die unterschreiben müssen (Kategorie EG an recipient)",
    ),
    (
        put(request("ja_asd", "A65"), consents=[]),
        "consent: category A65 to recipient, by who confided it alone, naming the worker",
        f"Einwilligung (Kategorie A65 an recipient, {CONFIDED_DE}, mit Namen der Fachkraft)",
    ),
    (
        put(request(), event__source_203=True, consents__0__recipient_workers=[]),
        "consent: category EG to recipient, naming the worker",
        "Einwilligung (Kategorie EG an recipient, mit Namen der Fachkraft)",
    ),
    (
        put(request("ja_asd", "ID"), event__ground=UNATTESTED),
        "attestation: a caseworker's, for § 69 SGB X",
        "Bestätigung einer Fachkraft, dass § 69 SGB X es erfordert",
    ),
    (
        put(request(), event__task_class="help", event__merges_with="other_task"),
        "connection: a dated one between the two task classes",
        "ein festgehaltener Zusammenhang der beiden Aufgaben",
    ),
    (
        put(request("jc_case_manager", "HP"), event__endangers_help=True),
        "judgement: that passing it on does not endanger the help",
        "Feststellung, dass die Weitergabe die Hilfe nicht gefährdet",
    ),
    (
        put(request(), event__fields={"x": ""}),
        "label: a category for every field",
        "Kennzeichnung jedes Feldes mit einer Kategorie",
    ),
    (
        put(request(), recipient__assigned=False),
        "assignment: of the recipient at recipient to this case",
        "Zuweisung der empfangenden Stelle zu diesem Fall",
    ),
    (
        put(request("provider_worker"), recipient__undertaking=False),
        "undertaking: by recipient (§ 78 SGB X)",
        "schriftliche Verpflichtung des Trägers (§ 78 SGB X)",
    ),
    (put(request(), purpose="nothing"), "key: purpose", "vollständige Angabe von purpose"),
    (
        put(request("ja_wjh", "LB"), purpose="cost_contribution", consents=[]),
        "attestation: a caseworker's, for § 69 SGB X",
        "Bestätigung einer Fachkraft, dass § 69 SGB X es erfordert",
    ),
]


@pytest.mark.parametrize(("case", "needed", "german"), NEEDS)
def test_what_would_be_needed(case: dict[str, Any], needed: str, german: str) -> None:
    assert judged(case).needed == (needed,)
    assert explain(judged(case)).split("\n")[-1] == f"Nötig wäre: {german}."
    assert explain(judged(case), "en").split("\n")[-1] == f"Needed: {needed}."


@pytest.mark.parametrize(
    "case",
    [
        put(request(), purpose="subject_access"),
        put(request("ja_asd", "CT")),
        put(request(), purpose="sanction_control"),
        put(request(), event__source_203=True, event__objected_76=True),
    ],
)
def test_where_nothing_could_open_it_nothing_is_asked_for(case: dict[str, Any]) -> None:
    assert judged(case).outcome == "deny"
    assert judged(case).needed == ()


def test_who_asks_for_their_own_data_is_asked_for_nothing() -> None:
    confided = put(request("ja_asd", "A65"), **OWN, event__entrusted_by="p-other")
    assert judged(confided).rules == ("R18",)
    assert judged(confided).needed == ()


OWN = {
    "purpose": "subject_access",
    "recipient__role": "subject",
    "recipient__kind": "subject",
    "recipient__worker": "p-mother",
}


@pytest.mark.parametrize(
    ("case", "obliged"),
    [
        (request(), ("log_disclosure",)),
        (put(request(), event__disputed=["field"]), ("log_disclosure", "keep_dispute_mark")),
        (request(inside=True), ("log_retrieval",)),
        (put(request(inside=True), event__disputed=["field"]), ("log_retrieval", "keep_dispute_mark")),
        (
            put(request("ja_wjh", "LB"), event__ground=STATUTORY),
            ("log_disclosure", "inform_subject", "reduce:LB:ja_wjh"),
        ),
        (request("provider_worker", "HS"), ("log_disclosure", "purpose_lock", "reduce:HS:provider_worker")),
        (put(request(), **OWN, event__ground=STATUTORY), ("log_disclosure",)),
    ],
)
def test_what_a_release_obliges_to(case: dict[str, Any], obliged: tuple[str, ...]) -> None:
    assert judged(case).obligations == obliged
