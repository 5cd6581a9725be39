"""Values of an export and how they are read: one column (or several) → one field, as configured. Pure.

A value that cannot be read is a DataError with reason and column; it is never guessed and never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connectors.runtime.reading import Table
from hub.errors import ConfigurationError, DataError

Values = Mapping[str, object]
MONEY = 10**12  # floats of a database are rounded to cents below this
VERSION = "@version"
"""In place of a column: the moment of the row's version, where the row itself says no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How an export writes things; every value may override it."""

    date: str = "%Y-%m-%d"
    timestamp: str = "%Y-%m-%d %H:%M:%S"
    decimal: str = "."
    thousands: str = ""
    split: str = ","
    true: tuple[str, ...] = ("1", "J")
    false: tuple[str, ...] = ("0", "N")
    open_end: tuple[str, ...] = ()
    zone: str = "Europe/Berlin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Where a field's value stands and how it is read.

    `columns`: one, or several joined by `join` or listed. `flags`: code → column that says whether it is in the list.
    `codes`: the agency's code → ours. `out`: strftime format for a date that becomes text. `person`: a local person
    id, to be replaced by the pseudonym.
    """

    columns: tuple[str, ...] = ()
    constant: Any = None
    flags: tuple[tuple[str, str], ...] = ()
    join: str | None = None
    codes: Mapping[str, str] | None = None
    out: str | None = None
    prefix: str = ""
    suffix: str = ""
    person: bool = False
    dated: bool = False
    style: Style = Style()

    @property
    def used(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (*(c for c in self.columns if c != VERSION), *(column for _, column in self.flags))


STYLE_TEXTS = ("date", "timestamp", "decimal", "thousands", "split", "zone")
STYLE_LISTS = ("true", "false", "open_end")


def style_of(table: Table, base: Style) -> Style:
    """The style with what this table overrides."""
    changes: dict[str, Any] = {}
    for name in STYLE_TEXTS:
        changes[name] = table.take(name, str, getattr(base, name))
    for name in STYLE_LISTS:
        changes[name] = table.texts(name, getattr(base, name))
    return replace(base, **changes)


def value_of(raw: Any, place: str, style: Style, codes: Mapping[str, Mapping[str, str]]) -> Value:
    """A value of the configuration: a column's name, or a table that says more."""
    if isinstance(raw, str):
        return Value(columns=(raw,), style=style)
    table = Table(raw, place)
    dated = not {"date", "timestamp"}.isdisjoint(table.names())
    columns = table.texts("column", ()) or table.texts("columns", ())
    constant, flags = table.any("constant"), table.any("flags", {})
    if sum((bool(columns), constant is not None, bool(flags))) != 1:
        raise ConfigurationError(
            "needs one of column, columns, constant, flags", place=place, remedy="name its source"
        )
    named = table.any("codes")
    if named is not None and named not in codes:
        raise ConfigurationError(
            "names an unknown code table", place=f"{place}.codes", remedy="add [codes.<name>]"
        )
    value = Value(
        columns=columns, constant=constant, flags=tuple((code, str(column)) for code, column in dict(flags).items()),
        join=table.any("join"), codes=codes[named] if named else None, out=table.any("out"),
        prefix=table.take("prefix", str, ""), suffix=table.take("suffix", str, ""),
        person=table.flag("person"), dated=dated, style=style_of(table, style),
    )  # fmt: skip
    table.close()
    return value


def is_empty(raw: object, style: Style) -> bool:
    """Empty means unknown, and an open end is no end."""
    if raw is None:
        return True
    text = raw if isinstance(raw, str) else raw.isoformat() if isinstance(raw, date) else str(raw)
    text = text.strip()
    return not text or text in style.open_end or text.startswith("9999-12-31")


def read(value: Value, row: Values, kind: str) -> Any:
    """The value as the schema's `kind` wants it; None = absent. Raises DataError."""
    if value.constant is not None:
        return value.constant
    if value.flags:
        return [
            code for code, column in value.flags if _boolean(_cell(row, column), column, value.style)
        ] or None
    if kind == "strings":
        return _listed(value, row)
    parts = [_one(value, _cell(row, column), column, kind) for column in value.columns]
    if value.join is None:
        return parts[0]
    found = [str(part) for part in parts if part is not None]
    return value.join.join(found) or None


def _cell(row: Values, column: str) -> object:
    if column not in row:
        raise DataError(
            "column is not there", reason="column_missing", place=column, remedy="correct the mapping"
        )
    return row[column]


def _listed(value: Value, row: Values) -> list[str] | None:
    found: list[str] = []
    for column in value.columns:
        raw = _cell(row, column)
        if not is_empty(raw, value.style):
            parts = str(raw).split(value.style.split) if value.style.split else [str(raw)]
            found += [_text(value, part.strip(), column) for part in parts if part.strip()]
    return found or None


def _one(value: Value, raw: object, column: str, kind: str) -> Any:
    if is_empty(raw, value.style):
        return None
    match kind:
        case "boolean":
            return _boolean(raw, column, value.style)
        case "int" | "long":
            return _integer(raw, column)
        case "double":
            return float(_decimal(raw, column, value.style))
        case "decimal":
            return _decimal(raw, column, value.style)
        case "date":
            return _date(raw, column, value.style)
        case "timestamp-micros":
            return _moment(raw, column, value.style)
    if value.out or value.dated:
        return _clock(raw, column, value.style, "time").strftime(value.out or "%Y-%m-%d")
    return _text(value, str(raw).strip(), column)


def _text(value: Value, text: str, column: str) -> str:
    if value.codes is not None:
        if text not in value.codes:
            raise DataError(
                "code is not in the code table", reason="unknown_code", place=column, remedy="extend [codes]"
            )
        text = value.codes[text]
    return f"{value.prefix}{text}{value.suffix}"


def _unreadable(column: str, what: str) -> DataError:
    return DataError(
        f"is no {what}", reason="unreadable_value", place=column, remedy="correct the record or the format"
    )


def _boolean(raw: object, column: str, style: Style) -> bool:
    if isinstance(raw, bool):
        return raw
    text = "" if raw is None else str(raw).strip()
    if text in style.true:
        return True
    if text in style.false:
        return False
    raise _unreadable(column, "yes or no")


def _integer(raw: object, column: str) -> int:
    try:
        return int(str(raw).strip())
    except ValueError:
        raise _unreadable(column, "whole number") from None


def _decimal(raw: object, column: str, style: Style) -> Decimal:
    """Digits in groups of three where there are thousands at all: "12.50" is no 1,250 and no 12,5."""
    text = str(raw).strip()
    if isinstance(raw, str):
        groups = rf"\d{{1,3}}(?:{re.escape(style.thousands)}\d{{3}})+|" if style.thousands else ""
        if not re.fullmatch(rf"[+-]?(?:{groups}\d+)(?:{re.escape(style.decimal)}\d+)?", text):
            raise _unreadable(column, "number")
        text = text.replace(style.thousands, "").replace(style.decimal, ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _unreadable(column, "number") from None
    return number.quantize(Decimal("0.01")) if isinstance(raw, float) and abs(number) < MONEY else number


def _date(raw: object, column: str, style: Style) -> date:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    return _clock(raw, column, style, "date").date()


def _moment(raw: object, column: str, style: Style) -> datetime:
    found = _clock(raw, column, style, "time")
    aware = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(style.zone))
    return aware.astimezone(UTC)


def _clock(raw: object, column: str, style: Style, what: str) -> datetime:
    """A time as the export writes it, without zone; a date is its first moment."""
    if isinstance(raw, datetime):
        return raw
    if isinstance(raw, date):
        return datetime.combine(raw, time())
    text = str(raw).strip()
    found = _parsed(text, style.date) or _parsed(text, style.timestamp)
    if found is None:
        raise _unreadable(column, what)
    return found


@lru_cache(maxsize=16_384)
def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007  the zone is the configuration's
    except ValueError:
        return None
