"""Events that cannot be judged or sealed because of what they say: each holds its own row, and no other."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.pipeline.mapping.mapped import MappedEvent

_FAULTS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""What the content of one event may raise; anything else is no event's fault."""


class Unfit:
    """Collects them over one batch."""

    def __init__(self) -> None:
        self.events: list[MappedEvent] = []

    @property
    def places(self) -> frozenset[str]:
        """The rows that are held."""
        return frozenset(event.place for event in self.events)

    @contextmanager
    def taking(self, event: MappedEvent) -> Iterator[None]:
        """Whatever this event raises is kept with its place, never with the exception's text, which may hold values."""
        try:
            yield
        except _FAULTS:
            self.events.append(event)
