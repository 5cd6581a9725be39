"""How a column is written, told from a sample: dates, decimals, flags, codes. Pure; keeps no free text."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.pipeline.config.values import parsed
from hub.errors import HubError

DATES = (
    "%d.%m.%Y",
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%Y%m%d",
    "%d%m%Y",
    "%d-%m-%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%-d.%-m.%Y",
)
MONTH_FIRST = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d%m%Y": "%m%d%Y"}
"""Forms that a sample of days up to the twelfth does not tell apart."""
DOUBTFUL = "day_or_month_first"
"""Stands for the form of a column whose days the sample does not tell from months."""
TIMES = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y, %H:%M",
)
_YES_NO = (("J", "N"), ("Ja", "Nein"), ("Y", "N"), ("True", "False"), ("Wahr", "Falsch"))
FLAGS = (
    *({form(yes), form(no)} for yes, no in _YES_NO for form in (str, str.lower, str.upper)),
    {"1", "0"},
    {"X"},
    {"x"},
)
NEGATIVE = frozenset({"0", *(form(no) for _, no in _YES_NO for form in (str, str.lower, str.upper))})
OPEN_ENDS = re.compile(
    r"^(31\.12\.(9999|2999|2099)|(9999|2999|2099)-12-31|31/12/9999|99991231|3112(9999|2099)|31-12-9999)"
)
NOTHING = frozenset({"\\N", "NULL", "00000000", "00.00.0000", "0000-00-00", "00/00/0000"})
_COMMA = re.compile(r"-?\d{1,3}(\.\d{3})*,\d+|-?\d+,\d+")
_POINT = re.compile(r"-?\d+\.\d+")
_LONGEST_CODE, _MOST_CODES, _YEARS = 40, 60, range(1890, 2101)


@dataclass(frozen=True, slots=True)
class Column:
    """`shape`: date, time, decimal, number, flag, text or empty; `written`: its strptime format or decimal sign.

    `open_ends`, `nothing`: how no end and no day are written. `values` are kept only where they could be codes;
    `unique`: no value came twice and none was missing.
    """

    name: str
    shape: str
    written: str = ""
    filled: float = 0.0
    unique: bool = False
    open_ends: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()
    values: tuple[str, ...] = field(default=(), repr=False)


class Unread(NamedTuple):
    """A part of the source that the sample leaves out: where it stands, why, and what to do."""

    place: str
    cause: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or file, profiled from a sample of its rows.

    `key`: its primary key where the database names one. `unreadable`: sampled rows, or the table itself, that could not
    be read.
    `equal`: for each column and row, a number that equal cells share (−1: empty), so that keys can be found without
    keeping values.
    """

    name: str
    columns: Mapping[str, Column]
    rows: int
    key: tuple[str, ...] = ()
    unreadable: tuple[Unread, ...] = ()
    equal: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def unique(self, columns: Sequence[str]) -> bool:
        """Whether these columns together are filled, and different, in every sampled row."""
        seen = set(zip(*(self.equal[name] for name in columns), strict=True))
        return 0 < self.rows == len(seen) and not any(-1 in one for one in seen)

    def determines(self, columns: Sequence[str], other: str) -> bool:
        """Whether rows that agree in `columns` agree in `other`, empty cells aside."""
        told: dict[tuple[int, ...], int] = {}
        own = zip(*(self.equal[name] for name in columns), strict=True)
        return all(
            value == -1 or told.setdefault(key, value) == value
            for key, value in zip(own, self.equal[other], strict=True)
        )


def table(
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    key: Sequence[str] = (),
    unreadable: Sequence[Unread] = (),
) -> Table:
    """The profile of a table from a sample of its rows."""
    sample = list(rows)
    cells = {title: [row[at] for row in sample] for at, title in enumerate(header)}
    columns = {title: column(title, values) for title, values in cells.items()}
    equal = {title: _equal(values) for title, values in cells.items()}
    return Table(name, columns, len(sample), tuple(key), tuple(unreadable), equal)


def left_out(name: str, error: HubError) -> Table:
    """A table of which nothing could be read."""
    return table(name, [], [], unreadable=[Unread(error.place or name, error.message, error.remedy)])


def _equal(values: Iterable[Any]) -> tuple[int, ...]:
    numbers: dict[str, int] = {}
    texts = (_text(value) for value in values)
    return tuple(numbers.setdefault(text, len(numbers)) if text else -1 for text in texts)


def column(name: str, values: Sequence[Any]) -> Column:
    """The profile of one column."""
    texts = [_text(value) for value in values]
    nothing = tuple(sorted(NOTHING.intersection(texts)))
    filled = [text for text in texts if text and text not in NOTHING]
    ends = tuple(sorted({text for text in filled if OPEN_ENDS.match(text)}))
    shape, written = _shape([text for text in filled if text not in ends])
    share = len(filled) / len(texts) if texts else 0.0
    unique = len(set(filled)) == len(texts) > 0
    return Column(name, shape, written, share, unique, ends, nothing, _codes(filled))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value).strip()


def _shape(texts: Sequence[str]) -> tuple[str, str]:
    if not texts:
        return "empty", ""
    for shape, formats in (("time", TIMES), ("date", DATES)):
        for written in formats:
            if all(_reads(text, written) for text in texts):
                other = MONTH_FIRST.get(written)
                doubtful = other is not None and all(_reads(text, other) for text in texts)
                return shape, DOUBTFUL if doubtful else written
    if any(set(texts) <= flags for flags in FLAGS):
        return "flag", ""
    for pattern, sign in ((_COMMA, ","), (_POINT, ".")):
        if all(pattern.fullmatch(text) or text.isdigit() for text in texts) and _any(pattern, texts):
            return "decimal", sign
    return ("number", "") if all(text.isdigit() for text in texts) else ("text", "")


def _any(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    return any(pattern.fullmatch(text) for text in texts)


def _reads(text: str, written: str) -> bool:
    found = parsed(text, written)
    return found is not None and found.year in _YEARS


def _codes(filled: Sequence[str]) -> tuple[str, ...]:
    """Values that could be codes, alone or in lists: few and short. They leave memory only for a column that was
    recognised as coded."""
    found = {part.strip() for text in filled for part in text.split(",")} - {""}
    could_be = 0 < len(found) <= _MOST_CODES and max(map(len, found)) <= _LONGEST_CODE
    return tuple(sorted(found)) if could_be else ()


def most(found: Iterable[str], otherwise: str, wanted: Callable[[str], bool] = bool) -> str:
    """The commonest of these, or `otherwise`."""
    counted = Counter(one for one in found if wanted(one))
    return counted.most_common(1)[0][0] if counted else otherwise
