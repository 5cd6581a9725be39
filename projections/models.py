"""The models of a view: what two offices and a family do together, folded from the entries that are shown."""

from collections.abc import Callable, Mapping

from projections.agreements import agreements
from projections.hints import hints
from projections.matters import matters
from projections.plan import plan
from projections.raster import raster
from projections.responsibilities import responsibilities
from projections.shown import Row, ShownView
from projections.talks import talks

FOLDS: Mapping[str, Callable[[ShownView], list[Row]]] = {
    "responsibilities": responsibilities,
    "agreements": agreements,
    "matters": matters,
    "talks": talks,
    "plan": plan,
    "raster": raster,
    "hints": hints,
}
"""Name in the view → fold, in the view's order."""


def models(view: ShownView) -> dict[str, list[Row]]:
    """All seven models of a view, each a list, empty where nothing is shown (contract `view`)."""
    return {name: fold(view) for name, fold in FOLDS.items()}
