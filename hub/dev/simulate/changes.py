"""The neutral form of what happens: one row put into, changed in or gone from one office's table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

Value = str | int | bool | date | datetime | Decimal | tuple[str, ...] | None
Row = Mapping[str, Value]
Office = Literal["jobcenter", "youth_office"]
Operation = Literal["insert", "update", "delete"]

OPEN_END = date(9999, 12, 31)
JOBCENTER, YOUTH_OFFICE = "jc-seestadt", "ja-seestadt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """`row` is the whole row after the change (for a delete: the row that goes); `at` is local Berlin time.

    `gone` marks a logical deletion, which only the jobcenter's database knows.
    """

    office: Office
    operation: Operation
    table: str
    row: Row = field(repr=False)
    at: datetime
    gone: bool = False


def stamp(day: date, index: int, number: int) -> datetime:
    """When the office saved it. A few batch times only, so that many rows share one time of change."""
    if index == 0:
        return datetime.combine(day, time(2, 30 + number % 4))
    return datetime.combine(day, (time(8, 15), time(11, 40), time(15, 5))[number % 3])


def serial(family: int, index: int, n: int) -> int:
    """A number nobody else has: family, day of the story, n-th row of that day (n < 100)."""
    return family * 100_000 + index * 100 + n
