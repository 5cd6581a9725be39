"""The policy as it is used: matrix and rules of each period, indexed by role and category, frozen.

Built by `hub.policy.load`. Nothing here reads a file or a clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

FIGURES = frozenset({"count", "agg"})
"""What a cell gives as published figures only, never as an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one role sees of one category.

    `show` is A, R, D, own, count, agg or confider (entrusted data, opened by who confided them alone);
    `consent_only` tells a cell that a norm does not open. `text` is the reviewed wording.
    """

    text: str
    show: str
    consent_only: bool
    norm: str

    @property
    def closed(self) -> bool:
        """Whether no ground opens it as an event."""
        return self.show == "D" or self.show in FIGURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A rule that fired: what it did, by which norm, said in German (`text`) and English."""

    rule: str
    norm: str
    effect: str
    text: str
    text_en: str

    def as_json(self) -> dict[str, str]:
        return {"rule": self.rule, "norm": self.norm, "effect": self.effect, "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One stretch of Berlin days (both ends included) with one matrix and one wording of every rule."""

    first: date
    last: date
    rows: Mapping[str, Mapping[str, Cell]]
    reasons: Mapping[str, Reason]
    holds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything decisions follow. `version` is the content hash of rules and matrix; `periods` stand in time order."""

    version: str
    periods: tuple[Period, ...] = field(repr=False)

    def on(self, day: date) -> Period | None:
        """The period that covers a Berlin day, or None: then nothing is allowed."""
        for period in reversed(self.periods):
            if period.first <= day:
                return period if day <= period.last else None
        return None

    @property
    def latest(self) -> Period:
        """The wording used where a question carries no time."""
        return self.periods[-1]


def forbid(period: Period, cells: Iterable[tuple[str, str]]) -> Period:
    """The same period with the given (role, category) cells turned to D: tightening is always possible."""
    rows = {role: dict(row) for role, row in period.rows.items()}
    for role, category in cells:
        cell = rows[role][category]
        rows[role][category] = replace(cell, text="D", show="D", consent_only=False)
    return replace(period, rows=frozen_rows(rows))


def frozen_rows(rows: Mapping[str, Mapping[str, Cell]]) -> Mapping[str, Mapping[str, Cell]]:
    return MappingProxyType({role: MappingProxyType(dict(row)) for role, row in rows.items()})
