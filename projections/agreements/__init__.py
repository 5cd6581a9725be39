"""What was agreed, and tasks: who owes what until when, and whether it was kept."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from projections.shown import Row, ShownEntry, ShownView, by_ref, moment, word

_CLOSINGS = frozenset({"AgreementClosed", "TaskDone"})


def agreements(view: ShownView) -> list[Row]:
    """Overdue ones by due, open ones by due, closed ones by their closing, latest first."""
    agreed = by_ref(
        view.of("AgreementMade"), view.of("AgreementClosed", "AgreementAcknowledged"), "agreement_ref"
    )
    tasks = by_ref(view.of("TaskAssigned"), view.of("TaskDone"), "task_ref")
    found = [
        _agreement(view, kind, ref, start, steps)
        for kind, threads in (("agreement", agreed), ("task", tasks))
        for ref, start, steps in threads
    ]
    return [row for _, row in sorted(found, key=lambda one: one[0])]


Order = tuple[int, float, str]


def _agreement(
    view: ShownView, kind: str, ref: str, start: ShownEntry, steps: Sequence[ShownEntry]
) -> tuple[Order, Row]:
    closing = next((step for step in steps if step.type in _CLOSINGS), None)
    due = start.day("due")
    state = _state(closing, due, view.today)
    row = {
        "ref": ref,
        "about": start.about,
        "kind": kind,
        "owner": start.text("owner"),
        "text": start.text("text") or word("agreement_codes", start.text("code"), start.occurred_at),
        "due": due.isoformat() if due else None,
        "state": state,
        "acknowledged_by": _acknowledged(steps),
        "source": start.sender,
        "since": moment(start.occurred_at),
    }
    return _order(state, due, closing.occurred_at if closing else None, ref), row


def _state(closing: ShownEntry | None, due: date | None, today: date) -> str:
    if closing is None:
        return "overdue" if due and due < today else "open"
    return "done" if closing.type == "TaskDone" else closing.text("outcome") or "dropped"


def _acknowledged(steps: Sequence[ShownEntry]) -> list[str]:
    said = (step.text("by") for step in steps if step.type == "AgreementAcknowledged")
    return sorted({code for code in said if code})


_GROUPS: Mapping[str, int] = {"overdue": 0, "open": 1}


def _order(state: str, due: date | None, closed: datetime | None, ref: str) -> Order:
    if closed:
        return 2, -closed.timestamp(), ref
    return _GROUPS[state], float(due.toordinal()) if due else float("inf"), ref
