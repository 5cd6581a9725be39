"""The reduced form (`R` of the matrix): which part of a kept field a role really sees. Pure.

`decide` keeps a reduced cell and obliges to `reduce:<category>:<role>`; this module is where the obligation is met. A
field that has no reduced form for the role is left out, so a new field of a reduced category starts hidden.
"""

from collections.abc import Mapping
from typing import Any

_NAME_AND_CONTACT = frozenset({"names", "first_name", "last_name", "contact"})
_DATE_AND_PLACE = frozenset({"date", "time", "place"})
_OWN_TASKS = frozenset({"what", "task", "owner", "by_when", "due", "status", "agreement_ref", "date", "who"})
_GOAL_TAGS = ("work", "childcare", "school")

FIELDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("ID", "provider_worker"): _NAME_AND_CONTACT,
    ("ID", "office_clerk"): _NAME_AND_CONTACT,
    ("HH", "jc_case_manager"): frozenset({"role", "from", "until"}),
    ("HH", "ja_asd"): frozenset({"role", "from", "until"}),
    ("HH", "ja_wjh"): frozenset({"role", "from", "until"}),
    ("HH", "coordinator"): frozenset({"role", "from", "until"}),
    ("TM", "jc_case_manager"): _DATE_AND_PLACE,
    ("TM", "ja_asd"): _DATE_AND_PLACE,
    ("TM", "provider_worker"): _DATE_AND_PLACE,
    ("LS", "coordinator"): frozenset({"month", "period"}),
    ("LB", "ja_asd"): frozenset({"amount"}),
    ("LB", "ja_wjh"): frozenset({"amount"}),
    ("LM", "ja_asd"): frozenset({"until"}),
    ("EG", "provider_worker"): frozenset({"norm", "provider", "result", "status", "start", "end"}),
    ("BT", "provider_worker"): frozenset({"kind", "month", "period"}),
    ("HS", "provider_worker"): frozenset(
        {"paragraph", "provider", "place", "intensity", "start", "end", "end_code"}
    ),
    ("HS", "coordinator"): frozenset({"paragraph", "start", "end"}),
    ("HP", "jc_case_manager"): frozenset({"goals", "review_date"}),
    ("HP", "coordinator"): frozenset({"goals", "review_date"}),
    ("HP", "provider_worker"): frozenset({"goals", "review_date"}),
    ("HP", "ja_wjh"): frozenset({"goals", "review_date"}),
    ("G9", "jc_case_manager"): frozenset({"intensity"}),
    ("G9", "ja_asd"): frozenset({"intensity"}),
    ("VB", "jc_benefits"): _OWN_TASKS,
    ("VB", "provider_worker"): _OWN_TASKS,
}
"""(category, role) → the fields that its reduced form may show; a pair that is not named shows nothing."""

_GROUPS: Mapping[str, frozenset[str]] = {
    "ambulant": frozenset({"27(2)", "27(3)", "28", "29", "30", "31", "35"}),
    "teilstationär": frozenset({"32"}),
    "stationär": frozenset({"33", "34"}),
    "junge Volljährige": frozenset({"41", "41a"}),
}


def reduced(
    fields: Mapping[str, Any], categories: Mapping[str, str], obliged: frozenset[str], role: str
) -> dict[str, Any]:
    """The fields as this role sees them; `obliged` are the categories that the decision wants reduced."""
    shown = {}
    for name, value in fields.items():
        category = categories[name]
        if category not in obliged:
            shown[name] = value
        elif name in FIELDS.get((category, role), frozenset()):
            shown[name] = _form(category, role, name, value)
    return {name: value for name, value in shown.items() if value not in (None, [], ())}


def _form(category: str, role: str, name: str, value: Any) -> Any:
    if (category, role, name) == ("HP", "jc_case_manager", "goals"):
        return [goal for goal in value if str(goal).split(":")[0].strip().lower() in _GOAL_TAGS]
    if (category, role, name) == ("HS", "coordinator", "paragraph"):
        return next((group for group, helps in _GROUPS.items() if str(value) in helps), "Hilfe zur Erziehung")
    return value


def obliged_categories(obligations: tuple[str, ...]) -> frozenset[str]:
    """The categories of `reduce:<category>:<role>` among a decision's obligations."""
    return frozenset(text.split(":")[1] for text in obligations if text.startswith("reduce:"))
