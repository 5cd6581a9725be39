"""A family's shown entries, written as a story: the smallest view that a fold can be asked about."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from projections.shown import Row, ShownEntry, ShownView

JC, JA, AWO = "jc-a", "ja-a", "awo"
KINDS = {JC: "jobcenter", JA: "youth_welfare", AWO: "provider"}
TODAY = date(2026, 11, 16)
START = datetime(2026, 11, 1, 8, tzinfo=UTC)


class Story:
    """Entries in order of their telling, an hour apart."""

    def __init__(self) -> None:
        self.entries: list[ShownEntry] = []

    def says(self, sender: str, type_: str, about: str = "mother", **fields: Any) -> str:
        at = START + timedelta(hours=len(self.entries))
        entry_id = f"e{len(self.entries) + 1:02}"
        self.entries.append(ShownEntry(at, entry_id, type_, about, sender, fields))
        return entry_id

    def view(self, *, role: str = "jc_case_manager", today: date = TODAY) -> ShownView:
        persons = ("mother", "child", "fam")
        return ShownView(tuple(self.entries), role, JC, today, "fam", persons, KINDS)


def brief(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    """These keys of each row."""
    return [tuple(row[name] for name in names) for row in rows]


def keys(rows: list[Row]) -> set[frozenset[str]]:
    """The keys that the rows have: one set where all have the same."""
    return {frozenset(row) for row in rows}
