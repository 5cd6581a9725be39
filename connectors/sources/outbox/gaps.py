"""How far an outbox was read, and which numbers below that have not been seen: they may yet be committed. Pure.

Numbers are given when a row is inserted and seen when its transaction commits. A gap is a transaction that is still
open, or one that was rolled back; only time tells which.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers from `first` to `last` that nobody has seen; `since`: when that was noticed (microseconds)."""

    first: int
    last: int
    since: int


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to `last` was read, apart from what is in `gaps`."""

    last: int | None = None
    gaps: tuple[Gap, ...] = field(default=())

    def seen(self, numbers: Iterable[int], now: int) -> "Position":
        """After these numbers; those in a gap close it there, those beyond `last` may leave new gaps."""
        position = self
        for number in sorted(numbers):
            position = (
                position._beyond(number, now) if position._is_beyond(number) else position._within(number)
            )
        return position

    def given_up(self, before: int) -> "Position":
        """Without the gaps noticed earlier than this: those were rolled back."""
        return replace(self, gaps=tuple(gap for gap in self.gaps if gap.since >= before))

    def open(self, number: int) -> bool:
        """Whether this number is still to be read."""
        return self._is_beyond(number) or any(gap.first <= number <= gap.last for gap in self.gaps)

    def saved(self) -> str:
        """The cursor as text."""
        return json.dumps([self.last, [[gap.first, gap.last, gap.since] for gap in self.gaps]])

    @classmethod
    def loaded(cls, text: str | None) -> "Position":
        """The position that `saved` wrote; None: the beginning."""
        if text is None:
            return cls()
        last, gaps = json.loads(text)
        return cls(last, tuple(Gap(*gap) for gap in gaps))

    def _is_beyond(self, number: int) -> bool:
        return self.last is None or number > self.last

    def _beyond(self, number: int, now: int) -> "Position":
        first = (self.last or 0) + 1
        new = (Gap(first, number - 1, now),) if number > first else ()
        return Position(number, self.gaps + new)

    def _within(self, number: int) -> "Position":
        return replace(self, gaps=tuple(part for gap in self.gaps for part in _without(gap, number)))


def _without(gap: Gap, number: int) -> Iterator[Gap]:
    if not gap.first <= number <= gap.last:
        yield gap
        return
    if gap.first < number:
        yield replace(gap, last=number - 1)
    if number < gap.last:
        yield replace(gap, first=number + 1)
