"""The egress gate follows the agency's own policy: nothing that it keeps back leaves the house, from its day on."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hub.errors import ConfigurationError

JC = "jc-seestadt"
ROLES = ("ja_asd", "coordinator")
EG = {"MeasureStarted", "MeasureEnded", "CooperationPlanAgreed", "CooperationPlanUpdated"}


def keep_back(offices: Any, first: str, agency: str = JC) -> None:
    """Measures and plans stay with the jobcenter from a day on, for both roles that could see them."""
    tables = "".join(
        f'[[tighten]]\nid = "eg-{role.replace("_", "-")}"\nrole = "{role}"\ncategory = "EG"\ncell = "D"\n'
        f'norm = "Dienstanweisung 7"\nde = "Maßnahmen bleiben hier"\nvalid_from = {first}\n'
        for role in ROLES
    )
    path: Path = offices.root / "jobcenter" / "own.toml"
    path.write_text(f'agency = "{agency}"\n{tables}', encoding="utf-8")
    offices.edit(JC, lambda text: text.replace("[connector]", '[connector]\npolicy_files = ["own.toml"]', 1))


def published(offices: Any) -> Counter[str]:
    return Counter(e["event_type"] for e in offices.envelopes(JC, "events") if e["event_type"] in EG)


def test_what_the_own_policy_keeps_back_does_not_leave_from_its_day_on(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    keep_back(offices, "2026-11-17")
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    before = published(offices)
    assert before
    offices.write_day(1)
    again = offices.step(connector, tools.evening(1))
    assert published(offices) == before
    assert again.published


def test_every_event_kept_back_is_counted_under_the_files_rule(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    keep_back(offices, "2026-11-01")
    report = offices.step(offices.source(JC), tools.evening(0))
    assert not published(offices)
    assert sum(report.withheld.get(f"{JC}:eg-{role.replace('_', '-')}", 0) for role in ROLES) > 0


def test_the_end_of_the_own_policy_publishes_the_present_state(offices: Any, tools: Any) -> None:
    """Rule 12: what a gate withheld is not forgotten, whoever withheld it."""
    offices.write_day(0)
    keep_back(offices, "2026-11-01\nvalid_to = 2026-11-16")
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    assert not published(offices)
    report = offices.step(connector, tools.evening(1))
    assert report.republished
    assert published(offices)


def test_a_file_of_somebody_else_is_refused(offices: Any) -> None:
    keep_back(offices, "2026-11-01", agency="jc-elsewhere")
    with pytest.raises(ConfigurationError, match="does not take part"):
        offices.source(JC)
