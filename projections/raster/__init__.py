"""The shared Raster: how jobcenter, youth office and family see each dimension, and how each of them saw it before."""

from projections.shown import Row, ShownEntry, ShownView
from schemas import code_list

DIMENSIONS = tuple(one.code for one in code_list("raster_dimensions").codes)
"""In the order of the grid."""
SIDES = ("jobcenter", "youth_office", "family")


def raster(view: ShownView) -> list[Row]:
    """One row a person and dimension, in the order of persons and grid; no sum, no ranking."""
    rows: dict[tuple[str, str], list[ShownEntry]] = {}
    for entry in view.of("RasterAssessed"):
        rows.setdefault((entry.about, entry.text("dimension") or ""), []).append(entry)
    ordered = sorted(rows, key=lambda key: (view.place_of(key[0]), key[0], _place(key[1]), key[1]))
    return [_row(about, dimension, rows[about, dimension]) for about, dimension in ordered]


def _place(dimension: str) -> int:
    return DIMENSIONS.index(dimension) if dimension in DIMENSIONS else len(DIMENSIONS)


def _row(about: str, dimension: str, entries: list[ShownEntry]) -> Row:
    steps = {
        side: [entry.fields.get("step") for entry in entries if entry.text("assessed_by") == side]
        for side in SIDES
    }
    return {
        "about": about,
        "dimension": dimension,
        **{side: said[-1] if said else None for side, said in steps.items()},
        "before": {side: said[-2] if len(said) > 1 else None for side, said in steps.items()},
    }
