"""The policy as it is used: matrix and rules of each period, indexed by role and category, frozen.

Built by `hub.policy.load`. Nothing here reads a file or a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

FIGURES = frozenset({"count", "agg"})
"""What a cell gives as published figures only, never as an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one role sees of one category.

    `show` is A, R, D, own, count, agg or confider (entrusted data, opened by who confided them alone);
    `consent_only` tells a cell that a norm does not open. `text` is the reviewed wording. A cell that an agency's own
    file tightened knows what it was `before`, and that file's `rule`.
    """

    text: str
    show: str
    consent_only: bool
    norm: str
    before: "Cell | None" = None
    rule: str = ""

    @property
    def closed(self) -> bool:
        """Whether no ground opens it as an event."""
        return self.show == "D" or self.show in FIGURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A rule that fired: what it did, by which norm, said in German (`text`) and English.

    `checked` tells where the rule is answered: in code, at the gate before an agency goes live, or by a person.
    """

    rule: str
    norm: str
    effect: str
    text: str
    text_en: str
    checked: str = "code"

    def as_json(self) -> dict[str, str]:
        return {"rule": self.rule, "norm": self.norm, "effect": self.effect, "text": self.text}


Row = Mapping[str, Cell]
Rows = Mapping[str, Row]
_NO_ROW: Row = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One stretch of Berlin days (both ends included) with one matrix and one wording of every rule.

    `rows`: role → category → cell. `own`: the narrower rows for what passes between controllers of which those named
    have a policy file of their own; `agencies` are all who have one.
    """

    first: date
    last: date
    rows: Rows
    reasons: Mapping[str, Reason]
    holds: frozenset[str]
    own: Mapping[frozenset[str], Rows] = field(default_factory=lambda: MappingProxyType({}))
    agencies: frozenset[str] = frozenset()

    def row(self, role: str, sender: str, recipient: str) -> Row:
        """What this role of the recipient may see of the sender's; nothing for a role without a column."""
        rows = self.rows
        if self.agencies:
            rows = self.own.get(self.agencies & {sender, recipient}, rows)
        return rows.get(role, _NO_ROW)


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

    def changes_after(self, day: date) -> date | None:
        """The next Berlin day on which other cells or wordings hold, if one is fixed already."""
        return next((period.first for period in self.periods if period.first > day), None)

    def mark(self, day: date) -> str:
        """Names what holds on a Berlin day: another mark, and everything decided before must be looked at again."""
        period = self.on(day)
        return f"{self.version} {period.first.isoformat() if period else 'none'}"


def frozen_rows(rows: Rows) -> Rows:
    """The same rows, which nobody can change."""
    return MappingProxyType({role: MappingProxyType(dict(row)) for role, row in rows.items()})
