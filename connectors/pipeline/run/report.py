"""What one step of a source connector did; `events` = published + Σ withheld + Σ source_quarantined, always."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT_EXAMPLES = 50


@dataclass(frozen=True, slots=True)
class Withheld:
    """An event that stayed with the agency: why, without what."""

    event_id: str
    event_type: str
    subject_ref: str
    place: str
    rule: str
    dropped: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """`withheld`: rule → count; `source_quarantined`: reason → count; `republished`: those of the
    published that came by rule 12; `backfilled`: rows read once more on request; `hours_twice`: stream and column →
    rows with a local time that comes twice in autumn, read as the first of both.

    `closed`: why the gate let nothing through ("register_stale"), else empty. `more`: the source holds more already.
    """

    read: int
    events: int
    published: int
    withheld: Mapping[str, int]
    source_quarantined: Mapping[str, int]
    republished: int
    backfilled: int
    unchanged: int
    vanished: Mapping[str, int]
    hours_twice: Mapping[str, int] = field(default_factory=dict)
    unmapped_columns: Mapping[str, tuple[str, ...]]
    examples: tuple[Withheld, ...]
    closed: str
    more: bool

    def as_dict(self) -> dict[str, Any]:
        """For --json and logs; no content."""
        return {
            "read": self.read,
            "events": self.events,
            "published": self.published,
            "withheld": dict(self.withheld),
            "source_quarantined": dict(self.source_quarantined),
            "republished": self.republished,
            "backfilled": self.backfilled,
            "unchanged": self.unchanged,
            "vanished": dict(self.vanished),
            "hours_twice": dict(self.hours_twice),
            "unmapped_columns": {name: list(columns) for name, columns in self.unmapped_columns.items()},
            "closed": self.closed,
            "more": self.more,
        }


@dataclass(slots=True)
class Tally:
    """A report in the making."""

    read: int = 0
    published: int = 0
    republished: int = 0
    backfilled: int = 0
    unchanged: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)
    examples: list[Withheld] = field(default_factory=list)

    def hours(self, stream: str, columns: Iterable[str]) -> None:
        """Count the columns of one row in which a local time comes twice."""
        self.twice.update(f"{stream}.{column}" for column in columns)

    def withhold(self, example: Withheld) -> None:
        """Count one, and keep the first few to explain."""
        self.withheld[example.rule] += 1
        if len(self.examples) < KEPT_EXAMPLES:
            self.examples.append(example)

    def quarantine(self, reason: str, count: int) -> None:
        """Count those that are new."""
        if count:
            self.quarantined[reason] += count

    def vanish(self, stream: str, count: int) -> None:
        """Count rows that are gone."""
        if count:
            self.vanished[stream] += count

    def report(self, unmapped: Mapping[str, tuple[str, ...]], *, closed: str, more: bool) -> StepReport:
        """The finished report."""
        events = self.published + self.withheld.total() + self.quarantined.total()
        return StepReport(
            read=self.read,
            events=events,
            published=self.published,
            withheld=dict(self.withheld),
            source_quarantined=dict(self.quarantined),
            republished=self.republished,
            backfilled=self.backfilled,
            unchanged=self.unchanged,
            vanished=dict(self.vanished),
            hours_twice=dict(self.twice),
            unmapped_columns=unmapped,
            examples=tuple(self.examples),
            closed=closed,
            more=more,
        )
