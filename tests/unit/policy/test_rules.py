"""Every rule R00 to R27 is code with a test that fires it, or is marked as a gate or as a person's to answer."""

import re

import pytest

from hub.policy import default_policy
from tests.docs.pages import ROOT
from tests.unit.policy.rules import WITNESSES

REASONS = default_policy().latest.reasons
CODE = sorted(rule for rule, reason in REASONS.items() if reason.checked == "code")


def test_every_rule_is_answered_somewhere() -> None:
    assert sorted(REASONS) == [f"R{number:02}" for number in range(28)]
    assert {rule for rule, reason in REASONS.items() if reason.checked == "gate"} == {
        "R13",
        "R14",
        "R25",
        "R26",
        "R27",
    }
    assert {rule for rule, reason in REASONS.items() if reason.checked == "person"} == {"R24"}
    assert list(WITNESSES) == CODE


@pytest.mark.parametrize("rule", CODE)
def test_a_rule_that_is_code_fires(rule: str) -> None:
    assert WITNESSES[rule].fires()
    for module in WITNESSES[rule].where.split(", "):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()


def test_the_docs_say_where_each_rule_is_answered() -> None:
    page = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (R\d\d) \|", page, re.MULTILINE) == sorted(REASONS)
