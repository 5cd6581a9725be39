"""The whole matrix against every kind of ground, place and circumstance, from a table that people can read."""

import csv
from collections import Counter

import pytest

from hub.policy import decide, default_policy, parse_request
from tests.unit.policy.cast import CATEGORIES, HOME, VARIANTS, put, request
from tests.unit.policy.golden import GOLDEN, UNLABELLED, said

with GOLDEN.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_cell_of_the_matrix(variant: str) -> None:
    wrong = []
    rows = [row for row in ROWS if row["variant"] == variant]
    for row in rows:
        label = "" if row["category"] == UNLABELLED else row["category"]
        for role in HOME:
            case = put(request(role, label, inside=row["place"] == "inside"), **VARIANTS[variant])
            decision = decide(default_policy(), parse_request(case))
            found = said(decision.outcome, dict(decision.dropped))
            if found != row[role]:
                wrong.append((row["place"], row["category"], role, row[role], found))
    assert len(rows) == 2 * (len(CATEGORIES) + 1)
    assert wrong == []


def test_the_table_reaches_every_rule() -> None:
    told = Counter(row[role].removesuffix(" hold") for row in ROWS for role in HOME)
    rules = {"R01", "R02", "R03", "R04", "R05", "R06", "R07", "R09", "R10", "R11", "R12", "R16", "R17", "R18"}
    assert told.keys() == rules | {"R19", "R20", "R22", "allow"}
    assert told.total() > 10_000
