"""Whom this agency owes a second reading: those the gate knows otherwise about than when their records were judged
(protocol rule 12).

A debt is on disk before anything is judged by the new knowledge, and until it is paid. A verdict that goes back to what
it was does not cancel it: what was read in between, before a crash or within a long backlog, was judged by it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from connectors.pipeline.state.state import AT_ONCE, State

Signature = Callable[[str], bytes]
"""What decides now about a subject, as a keyed hash; of "" it is that of somebody about whom nothing is known."""


class Debts:
    """Kept in the connector's state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, subjects: Iterable[str], signature: Signature) -> None:
        """Owe it to those of `subjects` about whom something else is known now; page by page, each in a transaction of
        its own, so that a start or a policy day with all subjects locks the state for moments only."""
        unknown = signature("")
        for page in _pages(subjects):
            current = {subject: signature(subject) for subject in page}
            old = self._state.signatures(current)
            with self._state.transaction():
                self._state.owe(
                    subject for subject, found in current.items() if found != old.get(subject, unknown)
                )

    def pay(self, subjects: Iterable[str], signature: Signature) -> None:
        """All records of these were judged by what is known now."""
        for page in _pages(subjects):
            current = {subject: signature(subject) for subject in page}
            with self._state.transaction():
                self._state.save_signatures(current)

    def open(self) -> list[str]:
        """The subjects to read again, in a fixed order."""
        return self._state.owed()


def _pages(subjects: Iterable[str]) -> Iterator[list[str]]:
    ordered = iter(sorted(subjects))
    while page := list(islice(ordered, AT_ONCE)):
        yield page
