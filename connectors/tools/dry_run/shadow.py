"""The shadow month: day by day, what would have flowed and what would have stayed, counted and sent nowhere.

The figures stand in a file of the agency's own: counts, and keyed hashes of whom they were about, so that persons and
families are counted once. They say how much joint work would see; they say nothing about anybody.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from sqlite3 import Connection
from typing import Any

from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import Unmapped
from connectors.tools.dry_run.offline import Offline
from hub.domain.clock import berlin_day

PERSONS, FAMILIES, PERSONS_DELICATE = 5, 3, 10
DELICATE = frozenset({"HS", "LM"})
_FLOWED, _FAULTY = "", "!"
_KEY = "PRIMARY KEY (day, event_type, rule)"
_SCHEMA = (
    f"CREATE TABLE IF NOT EXISTS figure (day TEXT, event_type TEXT, rule TEXT, records INTEGER, {_KEY})",
    "CREATE TABLE IF NOT EXISTS met (event_type TEXT, kind TEXT, ref TEXT, PRIMARY KEY (event_type, kind, ref))",
    "CREATE TABLE IF NOT EXISTS category (event_type TEXT, code TEXT, PRIMARY KEY (event_type, code))",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event type over the whole time. `reportable`: enough persons and families for a published figure."""

    event_type: str
    flowed: int
    withheld: Mapping[str, int]
    unreadable: int
    reportable: bool

    def as_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name) for name in ("event_type", "flowed", "unreadable", "reportable")
        } | {"withheld": dict(sorted(self.withheld.items()))}


@dataclass(frozen=True, slots=True)
class Report:
    """`days`: how many days were looked at, `first` and `last` of them."""

    days: int
    first: date | None
    last: date | None
    lines: tuple[Line, ...]


class Figures:
    """The counts, in the file of the shadow state: what is counted and how far was read are saved together."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        for statement in _SCHEMA:
            db.execute(statement)
        db.commit()

    def take(self, house: Offline, now: datetime) -> None:
        """Count what is new in the source; each batch is saved as it is done."""
        day = berlin_day(now).isoformat()
        self._add(day, "", _FLOWED, 0)
        for one in house.judged(now):
            if isinstance(one, Judged):
                self._add(day, one.event.schema.event_type, _FLOWED if one.kept else one.rule)
                self._meet(one)
            elif isinstance(one, Unmapped):
                self._add(day, one.event_type, _FAULTY)
        self._db.commit()

    def report(self) -> Report:
        """Everything so far."""
        days = [
            date.fromisoformat(row[0])
            for row in self._db.execute("SELECT DISTINCT day FROM figure ORDER BY 1")
        ]
        sums: dict[str, Counter[str]] = {}
        query = "SELECT event_type, rule, sum(records) FROM figure WHERE event_type <> '' GROUP BY event_type, rule"
        for event_type, rule, count in self._db.execute(query):
            sums.setdefault(event_type, Counter())[rule] = count
        lines = tuple(self._line(name, sums[name]) for name in sorted(sums))
        return Report(len(days), days[0] if days else None, days[-1] if days else None, lines)

    def _meet(self, judged: Judged) -> None:
        event = judged.event
        name = event.schema.event_type
        refs = [(name, "person", event.subject_ref), (name, "family", event.case_ref)]
        if judged.kept:
            self._db.executemany("INSERT OR IGNORE INTO met VALUES (?, ?, ?)", refs)
            codes = {(name, event.categories.get(each, "")) for each in judged.kept}
            self._db.executemany("INSERT OR IGNORE INTO category VALUES (?, ?)", sorted(codes))

    def _add(self, day: str, name: str, rule: str, count: int = 1) -> None:
        upsert = "INSERT INTO figure VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET records = records + excluded.records"
        self._db.execute(upsert, (day, name, rule, count))

    def _line(self, name: str, counts: Counter[str]) -> Line:
        withheld = {rule: count for rule, count in counts.items() if rule not in (_FLOWED, _FAULTY)}
        return Line(
            event_type=name,
            flowed=counts[_FLOWED],
            withheld=withheld,
            unreadable=counts[_FAULTY],
            reportable=self._enough(name),
        )

    def _enough(self, name: str) -> bool:
        """n ≥ 5 persons and ≥ 3 families; ≥ 10 persons where it tells of help or sanctions (domain, Measures)."""
        count = "SELECT count(*) FROM met WHERE event_type = ? AND kind = ?"
        persons, families = (
            self._db.execute(count, (name, kind)).fetchone()[0] for kind in ("person", "family")
        )
        codes = {
            row[0] for row in self._db.execute("SELECT code FROM category WHERE event_type = ?", (name,))
        }
        needed = PERSONS_DELICATE if codes & DELICATE else PERSONS
        return bool(persons >= needed and families >= FAMILIES)


def totals(lines: Iterable[Line]) -> Counter[str]:
    """Rule → records withheld by it, over all event types."""
    found: Counter[str] = Counter()
    for line in lines:
        found.update(line.withheld)
    return found
