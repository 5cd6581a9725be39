"""The Raster that counts on a day: its version, its dimensions in their order, and its steps."""

from collections.abc import Sequence
from datetime import date

from schemas import code_list

STEPS = (1, 2, 3, 4, 5)
"""Of each dimension; the one that is not assessed has none."""
_VERSIONS = ((date(2000, 1, 1), "2026-06"),)
"""From which day on which version counts, the oldest first."""


def grid_version(day: date) -> str:
    """The version under which an assessment of this day stands."""
    return next(version for since, version in reversed(_VERSIONS) if since <= day)


def dimensions(day: date) -> Sequence[str]:
    """The dimensions of that version."""
    return [one.code for one in code_list("raster_dimensions").codes if one.valid(day)]
