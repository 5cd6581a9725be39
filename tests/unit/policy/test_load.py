"""Matrix and rules as data: exactly the page of the design, and refused when anything is wrong with it."""

from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.errors import ConfigurationError
from hub.policy import decide, default_policy, load_policy, parse_request
from hub.policy.load import compile_policy, default_paths, read_tables
from tests.unit.policy.cast import put, request
from tests.unit.policy.oracle import COLUMNS, matrix

TABLES = read_tables(default_paths())


def tables() -> dict[str, list[dict[str, Any]]]:
    return deepcopy(TABLES)


def test_it_carries_exactly_the_matrix_of_the_design() -> None:
    rows = default_policy().latest.rows
    designed = matrix()
    assert {
        category: {role: rows[role][category].text for role in (*COLUMNS, "ja_intake")}
        for category in designed
    } == designed
    assert {category for row in rows.values() for category in row} == designed.keys()


def test_every_cell_and_rule_has_its_norm() -> None:
    period = default_policy().latest
    norms = [cell.norm for row in period.rows.values() for cell in row.values()]
    norms += [reason.norm for reason in period.reasons.values()]
    assert len(norms) == 9 * 21 + 28
    assert all("§" in norm or "Art." in norm or norm.startswith("Standard") for norm in norms)
    assert period.holds >= {"R06", "R09", "R16", "R17"}


def change(*path: Any, value: Any = None) -> dict[str, list[dict[str, Any]]]:
    """The tables with one value replaced, or removed without a value."""
    changed = tables()
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


CELLS = ("matrix", 0, "cells")


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (change(*CELLS, "EG"), "matrix EG"),
        (change(*CELLS, "XX", value={}), "matrix XX"),
        (change(*CELLS, "EG", "ja_asd"), "matrix EG ja_asd"),
        (change(*CELLS, "EG", "mayor", value={}), "matrix EG mayor"),
        (change(*CELLS, "EG", "ja_asd", "norm"), "matrix cell EG × ja_asd"),
        (change(*CELLS, "EG", "ja_asd", "norm", value=" "), "matrix cell EG × ja_asd"),
        (change(*CELLS, "EG", "ja_asd", "cell", value="perhaps"), "matrix cell EG × ja_asd"),
        (change("rule", 4), "rule R04"),
        (change("rule", 4, "norm"), "rule R04"),
        (change("rule", 4, "norm", value=""), "rule R04"),
        (change("rule", 4, "effect", value="allow"), "rule R04"),
        (change("rule", 4, "id", value="R99"), "rule R99"),
        (change("rule", 4, "valid_to", value=date(2026, 1, 1)), "rule R04"),
        (change("matrix", 0, "valid_from", value="always"), "matrix"),
        (change("matrix", value=[]), "policy"),
        ({**tables(), "matrix": TABLES["matrix"] * 2}, "matrix"),
        ({**tables(), "rule": TABLES["rule"] + TABLES["rule"][4:5]}, "rule R04"),
    ],
)
def test_a_fault_names_its_place(changed: Any, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_policy(changed)
    assert caught.value.place == place


@pytest.mark.parametrize("text", ["[[rule", "[[mtarix]]\nx = 1"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        read_tables([file])
    with pytest.raises(ConfigurationError):
        load_policy([file])
    with pytest.raises(ConfigurationError):
        load_policy([tmp_path / "missing.toml"])


def two_periods() -> dict[str, list[dict[str, Any]]]:
    changed = change("matrix", 0, "valid_to", value=date(2026, 11, 20))
    later = deepcopy(TABLES["matrix"][0])
    later["valid_from"], later["valid_to"] = date(2026, 11, 21), date(2026, 12, 31)
    later["cells"]["EG"]["ja_asd"]["cell"] = "D"
    changed["matrix"].append(later)
    return changed


@pytest.mark.parametrize(
    ("at", "outcome", "rules"),
    [
        ("2026-11-20T22:59:59Z", "allow", ()),
        ("2026-11-20T23:00:00Z", "deny", ("R03",)),
        ("2026-12-31T22:59:59Z", "deny", ("R03",)),
        ("2026-12-31T23:00:00Z", "deny", ("R00",)),
    ],
)
def test_the_matrix_of_the_berlin_day_is_the_one_used(at: str, outcome: str, rules: tuple[str, ...]) -> None:
    decision = decide(compile_policy(two_periods()), parse_request(put(request(), at=at)))
    assert (decision.outcome, decision.rules) == (outcome, rules)


def test_a_rule_may_change_its_wording_within_a_matrix() -> None:
    changed = change("rule", 4, "valid_to", value=date(2026, 11, 20))
    changed["rule"].append({**TABLES["rule"][4], "valid_from": date(2026, 11, 21), "de": "Neu gefasst"})
    policy = compile_policy(changed)
    bare = put(request(), consents=[])
    before = decide(policy, parse_request(put(bare, at="2026-11-20T12:00:00Z")))
    after = decide(policy, parse_request(put(bare, at="2026-11-21T12:00:00Z")))
    assert [before.reasons[0].text, after.reasons[0].text] == [TABLES["rule"][4]["de"], "Neu gefasst"]


def test_the_version_is_that_of_the_content() -> None:
    assert compile_policy(tables()).version == default_policy().version
    assert compile_policy(two_periods()).version != default_policy().version


def test_rules_are_judged_by_the_moment_asked() -> None:
    assert default_policy().on(datetime(2005, 1, 1, tzinfo=UTC).date()) is not None
