"""Writes the golden table from the second reading: `python -m tests.unit.policy.golden`. Review what changed.

One row per place, variant and category, one column per role; a cell says `allow`, or the rule that keeps the field
back, with `hold` where a person decides.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from tests.unit.policy.cast import CATEGORIES, HOME, VARIANTS, put, request
from tests.unit.policy.oracle import answer

GOLDEN = Path(__file__).with_name("golden.csv")
HEAD = ("place", "variant", "category", *HOME)
UNLABELLED = "-"


def cell(place: str, variant: str, category: str, role: str) -> str:
    label = "" if category == UNLABELLED else category
    outcome, _, dropped = answer(put(request(role, label, inside=place == "inside"), **VARIANTS[variant]))
    return said(outcome, dropped)


def said(outcome: str, dropped: dict[str, str]) -> str:
    rule = dropped.get("field", "")
    return {"allow": "allow", "deny": rule, "hold": f"{rule} hold"}[outcome]


def rows() -> Iterator[tuple[str, ...]]:
    for place in ("across", "inside"):
        for variant in VARIANTS:
            for category in (*CATEGORIES, UNLABELLED):
                yield (place, variant, category, *(cell(place, variant, category, role) for role in HOME))


if __name__ == "__main__":
    with GOLDEN.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows(rows())
