"""Talks with the family: those that are to come, then those that were held or cancelled."""

from collections.abc import Sequence
from datetime import date

from projections.shown import Row, ShownEntry, ShownView, by_ref, newest_shown

_STATES = {
    "ThreeWayTalkScheduled": "planned",
    "HelpPlanMeetingScheduled": "planned",
    "ThreeWayTalkHeld": "held",
    "FamilyConferenceHeld": "held",
    "TalkCancelled": "cancelled",
}
_KINDS = {"FamilyConferenceHeld": "familienkonferenz", "HelpPlanMeetingScheduled": "hilfeplan"}
_USUAL = "dreiecksgespraech"


def talks(view: ShownView) -> list[Row]:
    """Planned ones from today on by date and time; then all others, newest first.

    A talk is as its newest step shows it; what that one does not show (an office's own list of participants) stays as
    an earlier one does.
    """
    threads = by_ref(view.of(*_STATES), (), "talk_ref")
    rows = [_talk(ref, start, steps) for ref, start, steps in threads]
    coming = [row for row in rows if _is_coming(row, view.today)]
    others = [row for row in rows if not _is_coming(row, view.today)]
    coming.sort(key=_when)
    others.sort(key=lambda row: row["ref"])
    others.sort(key=lambda row: _when(row)[:2], reverse=True)
    return coming + others


def _is_coming(row: Row, today: date) -> bool:
    return row["state"] == "planned" and bool(row["date"]) and row["date"] >= today.isoformat()


def _when(row: Row) -> tuple[str, str, str]:
    return row["date"] or "", row["time"] or "", row["ref"]


def _talk(ref: str, start: ShownEntry, steps: Sequence[ShownEntry]) -> Row:
    newest = steps[-1]
    day = date.fromisoformat(said) if (said := newest_shown(steps, "date")) else None
    return {
        "ref": ref,
        "about": start.about,
        "kind": newest_shown(steps, "kind") or _KINDS.get(newest.type, _USUAL),
        "date": day.isoformat() if day else None,
        "time": newest_shown(steps, "time"),
        "place": newest_shown(steps, "place"),
        "participants": next(
            (names for step in reversed(steps) if (names := step.texts("participants"))), []
        ),
        "state": _STATES[newest.type],
    }
