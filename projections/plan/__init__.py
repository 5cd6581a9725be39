"""The plans side by side: the goals of the latest plan of each source and person."""

from collections.abc import Iterator

from projections.shown import Row, ShownEntry, ShownView, latest

PLANS = ("HelpPlanAgreed", "CooperationPlanAgreed", "CooperationPlanUpdated")


def plan(view: ShownView) -> list[Row]:
    """One entry a goal, by source, then goal; a plan of which no goal is shown has one entry without."""
    newest = latest(view.of(*PLANS), lambda entry: (entry.sender, entry.about))
    rows = [row for entry in newest.values() for row in _rows(entry)]
    return sorted(
        rows, key=lambda row: (row["source"], row["goal"] or "", view.place_of(row["about"]), row["about"])
    )


def _rows(entry: ShownEntry) -> Iterator[Row]:
    review = entry.day("review_date") or entry.day("next_review")
    goals: list[str | None] = [*(entry.texts("goals") or entry.texts("goal_code"))]
    for goal in goals or [None]:
        yield {
            "about": entry.about,
            "source": entry.sender,
            "goal": goal,
            "review_date": review.isoformat() if review else None,
        }
