"""What the folds of one view cost, in memory: a family with a long file, every kind of joint work in it."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from statistics import median
from typing import Any

from projections.models import models
from projections.shown import ShownEntry, ShownView

ENTRIES = 3000
_ROUNDS = 5
_BEGAN = datetime(2024, 1, 1, 8, tzinfo=UTC)
_PERSONS = ("child", "family", "mother")
_JC, _JA = "jobcenter", "jugendamt"


def fold_costs(entries: int = ENTRIES) -> dict[str, float]:
    """Milliseconds of a view of so many entries, and microseconds of each of them: medians, after one that warms up."""
    view = ShownView(
        entries=tuple(islice(_file(), entries)),
        role="jc_case_manager",
        controller=_JC,
        today=date(2026, 1, 1),
        family="family",
        persons=_PERSONS,
        kinds={_JC: "jobcenter", _JA: "youth_welfare"},
    )
    models(view)
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        models(view)
        seconds.append(time.perf_counter() - began)
    spent = median(seconds)
    return {
        "entries": entries,
        "per_view_ms": round(spent * 1000, 2),
        "per_event_us": round(spent / entries * 1e6, 2),
    }


def _file() -> Iterator[ShownEntry]:
    """Round after round of the same year: agreed and closed, referred and answered, a help that ends and the next."""
    number = count()
    for turn in count():
        for sender, event_type, fields in _round(turn):
            n = next(number)
            about = _PERSONS[turn % len(_PERSONS)]
            yield ShownEntry(_BEGAN + timedelta(hours=n), f"{n:08}", event_type, about, sender, fields)


def _round(turn: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    month = f"{2024 + turn // 12 % 2}-{turn % 12 + 1:02}"
    agreement, matter, talk = f"a{turn}", f"m{turn}", f"t{turn}"
    yield _JA, "AgreementMade", {"agreement_ref": agreement, "owner": "person", "due": f"{month}-10"}
    yield _JC, "AgreementAcknowledged", {"agreement_ref": agreement, "by": "jc_case_manager"}
    yield _JC, "ReferralSent", {"matter_ref": matter, "addressee": _JA, "reason_code": "beratung"}
    yield _JA, "ReferralQueried", {"matter_ref": matter, "missing": ["ausweis"]}
    yield _JC, "DocumentReceived", {"matter_ref": matter, "document": "ausweis"}
    yield _JA, "ReferralCompleted", {"matter_ref": matter}
    yield _JC, "ThreeWayTalkHeld", {"talk_ref": talk, "date": f"{month}-12"}
    yield _JA, "AgreementClosed", {"agreement_ref": agreement, "outcome": "kept"}
    yield _JA, "HelpStarted", {"paragraph": "31", "start": f"{month}-01"}
    yield _JA, "HelpEnded", {"paragraph": "31", "start": f"{month}-01", "end": f"{month}-20"}
    yield _JC, "BenefitTotal", {"month": month, "amount": "563.00"}
    yield _JC, "RasterAssessed", {"dimension": "wohnen", "step": turn % 5 + 1, "assessed_by": "jobcenter"}
    yield _JA, "HelpPlanAgreed", {"goals": ["school"], "review_date": f"{month}-28"}
    yield _JC, "WorkerAssigned", {"function": "fallmanagement", "name": "F", "from": f"{month}-01"}
