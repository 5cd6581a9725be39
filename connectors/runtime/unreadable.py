"""What a source passes on in place of a value that it could not read, so that the row is held and others go on."""

from dataclasses import dataclass
from typing import NamedTuple

from hub.errors import DataError

AS_TEXT, AS_LIST = "export it as text", "export it as a plain list"
ONE_VALUE = "leave one value there, or map it to a field that takes several"
_BY_KIND = {
    "sql": {AS_TEXT: "make a text of it in a query", AS_LIST: "make a plain list of it in a query"},
    "sql_outbox": {
        AS_TEXT: "write it into the outbox as text",
        AS_LIST: "write it into the outbox as a plain list",
    },
    "rest": {
        AS_TEXT: "have the interface give it as text",
        AS_LIST: "have the interface give it as a plain list",
    },
}
"""Kind of source → how these remedies are worded for it: who has a query has no export, and the other way round."""

LOOKUP_MISSING, LOOKUP_AMBIGUOUS = "lookup_missing", "lookup_ambiguous"
"""Why a cell of another stream cannot be told: no row is there, or several say different things."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that could not be read: why (never its content) and what to do."""

    why: str
    remedy: str
    reason: str = "unreadable_value"

    def error(self, column: str) -> DataError:
        return DataError(self.why, reason=self.reason, place=column, remedy=f"it {self.why}: {self.remedy}")


def is_nothing_found(cell: object) -> bool:
    """Whether another stream has no row for this cell."""
    return isinstance(cell, Unreadable) and cell.reason == LOOKUP_MISSING


def fitting(remedy: str, kind: str) -> str:
    """The remedy in the words of this kind of source."""
    for general, own in _BY_KIND.get(kind, {}).items():
        remedy = remedy.replace(general, own)
    return remedy


class OutOfRange(str):
    """A date or time that no calendar of ours has (`infinity`, before Christ, the year 20200), as the database writes
    it. It stays text, so that a statement can compare with it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"OutOfRange({str(self)!r})"

    @property
    def is_open_end(self) -> bool:
        return self == "infinity"


class Single(float):
    """A number of single precision: whole numbers beyond 2^24 have lost digits."""

    __slots__ = ()


class Fault(NamedTuple):
    """Why a row as a whole cannot be read; `column` is empty where it is no single one's fault."""

    reason: str
    column: str
    remedy: str


def fault_of(error: DataError) -> Fault:
    """The fault that a DataError with a column as its place tells of."""
    return Fault(error.reason, error.place, error.remedy)
