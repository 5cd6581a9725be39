"""Disclosure gives way to a burst: while events pour in, a case that was just shown would change again at once.

As long as admission and projection move on, ordinary marks get a tenth of the time. What was withdrawn, granted or
ended waits for nobody, and when the burst is over everything that is marked is shown at full speed.
"""

from hub.parts import Parts
from hub.stages import admit, project
from hub.stages.disclose import DiscloseOutcome
from hub.store import positions, views

_TIMES_AS_LONG, _LONGEST = 9.0, 5.0  # times the round; seconds


class Yielding:
    """How long disclosure rests after a round."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._moved = parts, 0

    def rest(self, outcome: DiscloseOutcome, seconds: float) -> float:
        """Seconds to rest: none when nothing came in since the last round, or when something urgent was among it."""
        if not outcome.marks or outcome.urgent:
            return 0.0
        with self._parts.store.transaction() as connection:
            before, self._moved = self._moved, positions.total(connection, (admit.STAGE, project.STAGE))
        return min(_TIMES_AS_LONG * seconds, _LONGEST) if self._moved > before else 0.0

    def something_urgent(self) -> bool:
        """Whether a withdrawal, a grant or an end waits."""
        with self._parts.store.transaction() as connection:
            return views.urgent(connection)
