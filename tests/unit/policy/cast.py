"""The cast of the policy tests: requests as plain JSON values, one base case and named departures from it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "contract_examples" / "decide"

HOME = {
    "jc_case_manager": "jobcenter",
    "jc_benefits": "jobcenter",
    "ja_asd": "youth_welfare",
    "ja_wjh": "youth_welfare",
    "ja_intake": "youth_welfare",
    "provider_worker": "provider",
    "coordinator": "provider",
    "office_clerk": "social_office",
    "controlling": "jobcenter",
}
CATEGORIES = [
    "ID",
    "HH",
    "FK",
    "TM",
    "LS",
    "LB",
    "EG",
    "LM",
    "BT",
    "HS",
    "HP",
    "HI",
    "A65",
    "K8a",
    "KO",
    "G9",
    "VB",
    "IN",
    "VG",
    "CT",
    "B68",
]
OF_YOUTH_WELFARE = {"HS", "HP", "HI", "KO"}

CONSENT: dict[str, Any] = {
    "id": "c1",
    "subject": "p-mother",
    "granted_by": ["p-mother"],
    "sender": "sender",
    "recipients": ["recipient"],
    "recipient_workers": ["w-1"],
    "purposes": ["joint_case_management"],
    "categories": CATEGORIES,
    "form": "written",
    "explicit_special": True,
    "notices": ["purpose", "refusal", "withdrawal"],
    "text_version": "2026-07",
    "proof_hash": "sha256:5c0a",
    "granted_at": "2026-09-01T09:00:00+02:00",
    "valid_until": "2027-08-31T23:59:59+02:00",
    "withdrawn_at": None,
}

STATUTORY = {"norm": "§ 69 SGB X", "task_norm": "§ 36 SGB VIII", "attested_by": "w-9"}
UNATTESTED = {**STATUTORY, "attested_by": None}
COOPERATION = {**STATUTORY, "norm": "§ 18 SGB II"}


def request(role: str = "ja_asd", category: str = "EG", *, inside: bool = False) -> dict[str, Any]:
    """One field of one category to one role, everything in order: attested consent, assignment, undertaking."""
    kind = HOME[role]
    sender_kind = "youth_welfare" if category in OF_YOUTH_WELFARE else "jobcenter"
    controller = "sender" if inside else "recipient"
    return {
        "at": "2026-11-21T10:00:00+01:00",
        "purpose": "joint_case_management",
        "sender": {"controller": "sender", "kind": kind if inside else sender_kind},
        "recipient": {
            "controller": controller,
            "kind": kind,
            "role": role,
            "worker": "w-1",
            "assigned": True,
            "undertaking": True,
        },
        "subject": {"ref": "p-mother", "birth_date": "1990-05-01", "capable": None, "custodians": []},
        "event": {
            "type": "MeasureStarted",
            "fields": {"field": category},
            "ground": {"consents": ["c1"]},
            "entrusted_by": "p-mother" if category == "A65" else None,
            "source_203": False,
            "objected_76": False,
            "task_class": None,
            "connection": None,
            "merges_with": None,
            "endangers_help": False,
            "addressee": controller,
            "disputed": [],
        },
        "consents": [deepcopy({**CONSENT, "recipients": [controller]})],
    }


def put(case: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with values set by path: `event__ground=…`, `consents__0__form=…`."""
    changed = deepcopy(case)
    for path, value in changes.items():
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        at: Any = changed
        for part in way:
            at = at[part]
        at[last] = value
    return changed


def both(case: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two consents, both named by the event."""
    changed = put(case, event__ground={"consents": ["c1", "c2"]})
    changed["consents"].append({**changed["consents"][0], "id": "c2", **second})
    return changed


VARIANTS: dict[str, dict[str, Any]] = {
    "consent": {},
    "none": {"consents": []},
    "not referred to": {"event__ground": {"consents": []}},
    "wrong purpose": {"consents__0__purposes": ["benefit_administration"]},
    "wrong recipient": {"consents__0__recipients": ["elsewhere"]},
    "wrong sender": {"consents__0__sender": "elsewhere"},
    "wrong category": {"consents__0__categories": []},
    "wrong subject": {"consents__0__subject": "p-other"},
    "expired": {"consents__0__valid_until": "2026-11-21T10:00:00+01:00"},
    "not yet": {"consents__0__granted_at": "2026-11-21T10:00:01+01:00"},
    "withdrawn": {"consents__0__withdrawn_at": "2026-11-21T09:00:00Z"},
    "oral": {"consents__0__form": "oral"},
    "electronic": {"consents__0__form": "electronic"},
    "not explicit": {"consents__0__explicit_special": False},
    "two notices": {"consents__0__notices": ["purpose", "refusal"]},
    "no proof": {"consents__0__proof_hash": ""},
    "unnamed worker": {"consents__0__recipient_workers": []},
    "unknown worker": {"recipient__worker": None},
    "unsigned": {"consents__0__granted_by": ["p-other"]},
    "attested": {"event__ground": STATUTORY},
    "unattested": {"event__ground": UNATTESTED},
    "cooperation": {"event__ground": COOPERATION},
    "from a doctor": {"event__source_203": True},
    "from a doctor, unnamed": {"event__source_203": True, "consents__0__recipient_workers": []},
    "from a doctor, attested": {"event__source_203": True, "event__ground": STATUTORY},
    "from a doctor, unsigned": {"event__source_203": True, "consents__0__granted_by": []},
    "objected": {"event__objected_76": True},
    "objected, from a doctor": {"event__objected_76": True, "event__source_203": True},
    "merged": {"event__task_class": "help", "event__merges_with": "other_task"},
    "merged, attested": {
        "event__task_class": "other_task",
        "event__merges_with": "help",
        "event__ground": STATUTORY,
    },
    "merged, connected": {
        "event__task_class": "help",
        "event__merges_with": "other_task",
        "event__connection": "2026-10-01",
    },
    "endangers": {"event__endangers_help": True},
    "endangers, attested": {
        "event__endangers_help": True,
        "event__ground": STATUTORY,
        "sender__kind": "youth_welfare",
    },
    "confided by another": {"event__entrusted_by": "p-other"},
    "to somebody else": {"event__addressee": "elsewhere"},
    "unassigned": {"recipient__assigned": False},
    "no undertaking": {"recipient__undertaking": False},
    "benefits": {
        "purpose": "benefit_administration",
        "consents__0__purposes": ["benefit_administration"],
    },
    "benefits, attested": {"purpose": "benefit_administration", "event__ground": STATUTORY},
    "benefits, unattested": {"purpose": "benefit_administration", "event__ground": UNATTESTED},
    "cost": {"purpose": "cost_contribution", "consents__0__purposes": ["cost_contribution"]},
    "cost, attested": {"purpose": "cost_contribution", "event__ground": STATUTORY},
    "cost, unattested": {"purpose": "cost_contribution", "event__ground": UNATTESTED},
    "cost, cooperation": {"purpose": "cost_contribution", "event__ground": COOPERATION},
    "sanctions": {"purpose": "sanction_control", "consents__0__purposes": ["sanction_control"]},
    "planning": {"purpose": "planning"},
    "subject access by an office": {"purpose": "subject_access"},
    "danger": {"purpose": "danger_protection"},
    "danger, unassigned": {"purpose": "danger_protection", "recipient__assigned": False},
    "danger, from youth welfare": {"purpose": "danger_protection", "sender__kind": "youth_welfare"},
}
