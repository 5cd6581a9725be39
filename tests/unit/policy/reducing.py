"""Records and recipients for the tests of reduced and own cells, and the reviewed table of them."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.policy.facts import Recipient
from hub.policy.reduce import Released, Shown, view
from tests.unit.policy.cast import HOME

TABLE = Path(__file__).with_name("reduce.csv")
FIRST = datetime(2026, 9, 1, 8, tzinfo=UTC)
EVENTS = {
    "HS": "HelpStarted",
    "EG": "MeasureStarted",
    "TM": "ThreeWayTalkScheduled",
    "VB": "AgreementMade",
    "VG": "ReferralSent",
    "HP": "HelpPlanAgreed",
    "HI": "HelpPlanAgreed",
    "KO": "CostBooked",
    "LS": "BenefitGranted",
    "LB": "BenefitGranted",
    "LM": "SanctionImposed",
    "G9": "HelpStarted",
    "ID": "PersonRegistered",
    "HH": "MemberJoined",
    "BT": "MeasureStarted",
    "IN": "MilestoneReached",
    "FK": "WorkerAssigned",
}
"""An event with fields of the category (BT and G9: of another one, which a code or a later catalogue relabels)."""


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recipient(role: str, controller: str = "here") -> Recipient:
    return Recipient(
        controller=controller,
        kind=HOME.get(role, "subject"),
        role=role,
        worker="w-1",
        assigned=True,
        undertaking=True,
    )


def released(
    event_type: str,
    fields: Mapping[str, Any],
    label: str | Mapping[str, str],
    *,
    ref: str = "r1",
    sender: str = "there",
    person: str = "p1",
    hours: int = 0,
    kept: set[str] | None = None,
    marked: tuple[str, ...] = (),
) -> Released:
    """A record of which the decision keeps `kept` (all), every category being one that the matrix reduces."""
    labels = dict.fromkeys(fields, label) if isinstance(label, str) else label
    names = fields.keys() if kept is None else kept
    return Released(
        ref=ref,
        person=person,
        sender=sender,
        event_type=event_type,
        occurred_at=FIRST + timedelta(hours=hours),
        fields=fields,
        categories=labels,
        kept=sorted(names),
        obliged=frozenset(labels[name] for name in names),
        marked=marked,
    )


def seen(role: str, *records: Released, controller: str = "here") -> list[dict[str, Any]]:
    """The fields of what is shown."""
    return [dict(one.fields) for one in entries(role, *records, controller=controller)]


def entries(role: str, *records: Released, controller: str = "here") -> list[Shown]:
    return view(records, recipient(role, controller))
