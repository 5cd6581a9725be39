"""An agency's own file tightens cells of the matrix from a day on, in what it sends and receives; it never loosens."""

from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ConfigurationError
from hub.policy import Decision, Policy, decide, default_policy, load_policy, parse_request
from hub.policy.load import compile_policy, default_paths, read_tables, refuse_strangers
from tests.unit.policy.cast import CATEGORIES, HOME, STATUTORY, put, request

TABLES = read_tables(default_paths())
EVER = date(1, 1, 1)
CLOSED = """
agency = "recipient"

[[tighten]]
id = "no-measures"
role = "ja_asd"
category = "EG"
cell = "D"
norm = "Dienstanweisung 7/2026"
de = "Maßnahmen nimmt der ASD nicht an"
en = "the social service takes no measures"
valid_from = 2026-11-21
valid_to = 2026-11-30
"""


def own(
    role: str, category: str, cell: str, agency: str = "", name: str = "own", **more: Any
) -> dict[str, Any]:
    what = {"id": name, "role": role, "category": category, "cell": cell, "agency": agency}
    return {**what, "norm": "§ 67a SGB X", "de": "Enger", "valid_from": EVER, **more}


def tight(*tables: dict[str, Any]) -> Policy:
    return compile_policy({**TABLES, "tighten": list(tables)})


def judged(policy: Policy, case: dict[str, Any]) -> Decision:
    return decide(policy, parse_request(deepcopy(case)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipient.toml"
    path.write_text(CLOSED, encoding="utf-8")
    return path


def test_the_file_is_named_as_the_reason_with_its_norm(file: Path) -> None:
    policy = load_policy([file])
    decision = judged(policy, request())
    assert (decision.outcome, dict(decision.dropped)) == ("deny", {"field": "recipient:no-measures"})
    (reason,) = decision.reasons
    assert (reason.norm, reason.text) == ("Dienstanweisung 7/2026", "Maßnahmen nimmt der ASD nicht an")
    assert reason.text_en == "the social service takes no measures"
    assert decision.policy_version == policy.version != default_policy().version


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        ("2026-11-20T22:59:59Z", "allow"),
        ("2026-11-20T23:00:00Z", "deny"),
        ("2026-11-30T22:59:59Z", "deny"),
        ("2026-11-30T23:00:00Z", "allow"),
    ],
)
def test_it_holds_on_its_berlin_days(file: Path, at: str, outcome: str) -> None:
    assert judged(load_policy([file]), put(request(), at=at)).outcome == outcome


def test_a_file_named_twice_counts_once_and_the_days_are_known_ahead(file: Path) -> None:
    policy = load_policy([file, file])
    assert policy.version == load_policy([file]).version
    assert policy.changes_after(date(2026, 11, 20)) == date(2026, 11, 21)
    assert policy.changes_after(date(2026, 11, 21)) == date(2026, 12, 1)
    assert policy.changes_after(date(2026, 12, 1)) is None
    assert (
        policy.mark(date(2026, 11, 20)) != policy.mark(date(2026, 11, 21)) == policy.mark(date(2026, 11, 22))
    )


@pytest.mark.parametrize(
    ("agency", "outcome"), [("sender", "deny"), ("recipient", "deny"), ("", "deny"), ("third", "allow")]
)
def test_it_concerns_what_the_agency_sends_and_receives(agency: str, outcome: str) -> None:
    assert judged(tight(own("ja_asd", "EG", "D", agency)), request()).outcome == outcome


def test_two_files_hold_together_and_the_first_that_closes_is_named() -> None:
    both = tight(
        own("ja_asd", "LS", "R yes/no + period E", "sender", "asks"),
        own("ja_asd", "LS", "D", "recipient", "shut"),
    )
    on_norm = put(request("ja_asd", "LS"), event__ground=STATUTORY)
    assert judged(default_policy(), on_norm).outcome == "allow"
    assert judged(both, on_norm).rules == ("recipient:shut",)
    assert judged(both, request("ja_asd", "LS")).rules == ("recipient:shut",)
    assert judged(tight(own("ja_asd", "LS", "R yes/no + period E", "sender", "asks")), on_norm).rules == (
        "sender:asks",
    )
    assert judged(
        tight(own("ja_asd", "LS", "R yes/no + period E", "sender", "asks")), request("ja_asd", "LS")
    ).kept


def test_what_the_matrix_denies_anyway_keeps_its_own_rule() -> None:
    policy = tight(own("ja_asd", "HP", "D"), own("ja_asd", "G9", "D", name="no-health"))
    assert judged(policy, request("ja_asd", "HP")).rules != ("R03",)
    bare = put(request("ja_asd", "G9"), consents=[])
    assert judged(default_policy(), bare).rules == ("R05",)
    assert judged(policy, bare).rules == ("hub:no-health",)
    assert judged(policy, put(bare, recipient__assigned=False)).rules == ("R01",)


def test_a_cell_may_be_reduced_where_a_reduced_form_exists() -> None:
    wide = request("jc_case_manager", "HS")
    assert "reduce:HS:jc_case_manager" not in judged(default_policy(), wide).obligations
    with pytest.raises(ConfigurationError, match="no reduced form"):
        tight(own("jc_case_manager", "HS", "R E"))
    assert judged(tight(own("ja_asd", "TM", "R date, place E")), request("ja_asd", "TM")).obligations == (
        "log_disclosure",
        "reduce:TM:ja_asd",
    )


@pytest.mark.parametrize(
    ("role", "category", "cell", "why"),
    [
        ("ja_asd", "LM", "A E", "A shows more than R"),
        ("ja_asd", "EG", "A goals, measures", "asks for a consent"),
        ("ja_asd", "EG", "A E/§69", "asks for a consent"),
        ("jc_case_manager", "HI", "R E", "R shows more than D"),
        ("jc_case_manager", "LS", "A E", "A shows more than own"),
        ("controlling", "LB", "A E", "figures"),
        ("controlling", "HI", "agg", "figures"),
        ("ja_asd", "A65", "A E", "entrusted"),
        ("ja_asd", "EG", "D unless confider E + named worker", "entrusted"),
    ],
)
def test_loosening_is_refused_and_names_the_cell_and_why(
    role: str, category: str, cell: str, why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        tight(own(role, category, cell))
    assert caught.value.place == f"tighten hub:own ({category} × {role})"
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "change",
    [
        {"role": "mayor"},
        {"category": "XX"},
        {"id": "Über:alles"},
        {"norm": " "},
        {"de": ""},
        {"en": ""},
        {"cell": "?"},
        {"valid_from": "morgen"},
        {"valid_to": date(1, 1, 1), "valid_from": date(2, 1, 1)},
        {"colour": "red"},
    ],
)
def test_a_table_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tight({**own("ja_asd", "EG", "D"), **change})
    assert caught.value.place.startswith("tighten hub:")


def test_an_id_explains_one_thing() -> None:
    with pytest.raises(ConfigurationError, match="taken"):
        tight(own("ja_asd", "EG", "D"), own("ja_asd", "LM", "D"))


@pytest.mark.parametrize(
    "text", ["", "agency = 3", '[[rule]]\nid = "R04"', "[matrix.cells]\n", "[[tighten]\n"]
)
def test_a_file_that_is_no_agencys_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load_policy([path])


def test_an_agency_that_nobody_knows_is_refused(file: Path) -> None:
    policy = load_policy([file])
    refuse_strangers(policy, {"recipient", "sender"})
    with pytest.raises(ConfigurationError, match="does not take part") as caught:
        refuse_strangers(policy, {"sender"})
    assert caught.value.place == "agency recipient"


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(HOME)),
    st.sampled_from(CATEGORIES),
    st.sampled_from(["D", "own", "R E", "R", "A E", "A"]),
    st.sampled_from(["", "sender", "recipient", "third"]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_accepted_never_opens_more(
    role: str, category: str, cell: str, agency: str, on_norm: bool, inside: bool
) -> None:
    case = request(role, category, inside=inside)
    if on_norm:
        case = put(case, event__ground=STATUTORY)
    try:
        policy = tight(own(role, category, cell, agency))
    except ConfigurationError:
        return
    before, after = judged(default_policy(), case), judged(policy, case)
    assert set(after.kept) <= set(before.kept)
    if before.outcome in ("deny", "hold"):
        assert after.outcome in ("deny", "hold")


SHOWN = {
    "jc_case_manager": ("LS", "own"),
    "ja_asd": ("EG", "A goals, measures E"),
    "provider_worker": ("TM", "R own"),
}
WIDER = {"own": ["R x E", "A E"], "R own": ["A E"], "A goals, measures E": []}


@pytest.mark.parametrize(("role", "cell"), list(SHOWN.items()))
def test_each_step_wider_is_refused_and_each_step_narrower_is_not(role: str, cell: tuple[str, str]) -> None:
    category, text = cell
    assert default_policy().latest.rows[role][category].text == text
    for wider in WIDER[text]:
        with pytest.raises(ConfigurationError, match="shows more than"):
            tight(own(role, category, wider))
    for narrower in ("D", "own"):
        found = tight(own(role, category, narrower)).latest.rows[role][category]
        assert found.show == narrower


@pytest.mark.parametrize("cells", [("D", "own"), ("own", "D")])
def test_of_two_files_the_narrower_cell_holds_whatever_their_order(cells: tuple[str, str]) -> None:
    first, second = cells
    both = tight(own("ja_asd", "EG", first, name="one"), own("ja_asd", "EG", second, name="two"))
    assert both.latest.rows["ja_asd"]["EG"].show == "D"


@pytest.mark.parametrize("turned", [False, True])
def test_the_file_that_closes_is_named_whatever_the_order(turned: bool) -> None:
    tables = [
        own("ja_asd", "LS", "R yes/no + period E", "sender", "asks"),
        own("ja_asd", "LS", "D", "recipient", "shut"),
    ]
    both = tight(*(reversed(tables) if turned else tables))
    assert judged(both, request("ja_asd", "LS")).rules == ("recipient:shut",)


def test_it_may_hold_for_one_day() -> None:
    day = date(2026, 11, 21)
    policy = tight(own("ja_asd", "EG", "D", valid_from=day, valid_to=day))
    found = [judged(policy, put(request(), at=f"2026-11-{n}T12:00:00Z")).outcome for n in (20, 21, 22)]
    assert found == ["allow", "deny", "allow"]


def test_a_reduced_cell_may_ask_for_a_consent_even_where_nothing_of_it_can_be_shown() -> None:
    assert default_policy().latest.rows["provider_worker"]["IN"].text == "R"
    found = tight(own("provider_worker", "IN", "R E")).latest.rows["provider_worker"]["IN"]
    assert (found.show, found.consent_only) == ("R", True)
    (reason,) = judged(tight(own("ja_asd", "EG", "D")), request()).reasons
    assert reason.effect == "deny"
