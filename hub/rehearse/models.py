"""The models of a view in the story's own names: folded after renaming, so that the order is the story's too. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.domain.clock import berlin_day
from hub.rehearse.story import Step, Story, View
from projections.models import FOLDS, models
from projections.shown import Row, ShownEntry, ShownView

Models = Mapping[str, Sequence[Row]]


def story_models(story: Story, step: Step, view: View, entries: Iterable[ShownEntry]) -> Models:
    """Every model of what the view shows, on the Berlin day of its step."""
    shown = tuple(entries)
    return models(
        ShownView(
            entries=shown,
            role=view.recipient.role,
            controller=view.recipient.controller,
            today=berlin_day(step.at),
            family=view.family,
            persons=tuple(sorted({entry.about for entry in shown})),
            kinds=story.agencies,
        )
    )


def unreadable_expectation(expected: Any) -> str | None:
    """The key of an expected `models` that names no model, or holds no list of objects; None where all can be read."""
    if not isinstance(expected, dict):
        return "expect.models"
    for name, rows in expected.items():
        if name not in FOLDS or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return f"expect.models.{name}"
    return None


def differing_models(expected: Mapping[str, Sequence[Row]], given: Models) -> Iterator[str]:
    """The named models that show other entries or another order; each entry is compared in the keys that it names."""
    for name, rows in expected.items():
        found = given[name]
        if len(rows) != len(found) or not all(
            key in row and row[key] == value
            for want, row in zip(rows, found, strict=True)
            for key, value in want.items()
        ):
            yield f"models.{name}"
