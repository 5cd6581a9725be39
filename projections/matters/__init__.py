"""Referrals and applications: where each one lies, since when, and who has it now. Exactly one owner, and one clock.

Both offices' halves carry one `matter_ref`. The last step that counts decides: the first ending one ends it, and what
comes later stands in the trail alone, unless the matter is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from projections.shown import BY_TIME, Row, ShownEntry, ShownView, by_ref, moment, word

STEPS: Mapping[str, str] = {
    "ReferralSent": "sent",
    "ApplicationSubmitted": "submitted",
    "ReferralAccepted": "accepted",
    "ReferralQueried": "queried",
    "ApplicationQueried": "queried",
    "DocumentReceived": "document_received",
    "ReferralDeclined": "declined",
    "ReferralCompleted": "completed",
    "ReferralTakenBack": "taken_back",
    "ApplicationDecided": "decided",
}
"""Event type → step."""
RESUBMITTED = "resubmitted"
ENDINGS = frozenset({"declined", "completed", "taken_back", "decided"})
BOUNCES = frozenset({"declined", "queried"})
_STARTS = ("ReferralSent", "ApplicationSubmitted")


@dataclass(slots=True)
class Matter:
    """One matter while its steps are taken in order. `bounces`: steps by which it came back while it was open."""

    ref: str
    start: ShownEntry
    newest_start: ShownEntry
    state: str = ""
    owner: str | None = None
    since: datetime | None = None
    ended_at: datetime | None = None
    result: str | None = None
    bounces: int = 0
    missing: list[str] = field(default_factory=list)
    trail: list[tuple[ShownEntry, str]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


def matters(view: ShownView) -> list[Row]:
    """The one that waits longest first; ended ones last, the latest end first."""
    return [_row(view, matter) for matter in sorted(followed(view), key=_order)]


def followed(view: ShownView) -> list[Matter]:
    """Every matter whose start is shown, with all its steps taken."""
    answers = [name for name in STEPS if name not in _STARTS]
    return [
        _followed(view, ref, start, steps)
        for ref, start, steps in by_ref(view.of(*_STARTS), view.of(*answers), "matter_ref")
    ]


def _followed(view: ShownView, ref: str, start: ShownEntry, steps: Sequence[ShownEntry]) -> Matter:
    matter = Matter(ref, start, start)
    for entry in [start, *(step for step in steps if step is not start)]:
        step = STEPS[entry.type]
        if entry.type in _STARTS and entry is not start:
            step = RESUBMITTED
        matter.trail.append((entry, step))
        _take(view, matter, entry, step)
    matter.trail.sort(key=lambda one: BY_TIME(one[0]))
    return matter


def _take(view: ShownView, matter: Matter, entry: ShownEntry, step: str) -> None:
    if step == "document_received":
        matter.missing = [one for one in matter.missing if one not in entry.texts("document")]
    if not matter.is_open and step != RESUBMITTED:
        return
    if step == "queried":
        matter.missing = entry.texts("missing")
    if step in BOUNCES:
        matter.bounces += 1
    if step == RESUBMITTED:
        matter.newest_start, matter.ended_at, matter.result = entry, None, None
    matter.state = step
    if step in ENDINGS:
        matter.owner, matter.since, matter.ended_at = None, None, entry.occurred_at
        matter.result = entry.text("result") if step == "decided" else None
        return
    owner = _sender(view, matter) if step == "queried" else _addressee(view, matter)
    if owner != matter.owner:
        matter.owner, matter.since = owner, entry.occurred_at


def _sender(view: ShownView, matter: Matter) -> str:
    return view.owner_code(matter.newest_start.sender)


def _addressee(view: ShownView, matter: Matter) -> str | None:
    said = matter.newest_start.text("addressee") or matter.start.text("addressee")
    return view.owner_code(said) if said else None


def _order(matter: Matter) -> tuple[bool, float, str]:
    if matter.ended_at:
        return True, -matter.ended_at.timestamp(), matter.ref
    return False, matter.since.timestamp() if matter.since else 0.0, matter.ref


def _row(view: ShownView, matter: Matter) -> Row:
    start, newest = matter.start, matter.newest_start
    is_referral = start.type == "ReferralSent"
    due = newest.day("answer_due")
    return {
        "ref": matter.ref,
        "about": start.about,
        "kind": "referral" if is_referral else "application",
        "title": title(start),
        "addressee": newest.text("addressee") or start.text("addressee"),
        "owner_now": matter.owner,
        "waiting_since": moment(matter.since) if matter.since else None,
        "due": due.isoformat() if due else None,
        "state": matter.state,
        "result": matter.result,
        "missing": matter.missing,
        "stamp": newest.fields.get("stamp") or start.fields.get("stamp"),
        "trail": [
            {"at": moment(entry.occurred_at), "step": step, "by": view.owner_code(entry.sender)}
            for entry, step in matter.trail
        ],
    }


def title(start: ShownEntry) -> str | None:
    """What the matter is about, in German: the benefit applied for, or the reason of the referral."""
    if start.type == "ApplicationSubmitted":
        return word("benefits", start.text("benefit"), start.occurred_at)
    return word("referral_reasons", start.text("reason_code"), start.occurred_at)
