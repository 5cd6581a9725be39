"""The cells of a row → the value of one field, exactly as configured. Pure.

A value that cannot be read is a DataError with reason and column; it is never guessed and never shown.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connectors.runtime.areas import SEPARATOR, Areas
from connectors.runtime.values import Style, Value
from hub.errors import DataError

Values = Mapping[str, object]
MONEY = 10**12  # floats of a database are rounded to cents below this
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a day has no zone
COUNTED = {"epoch_seconds": timedelta(seconds=1), "epoch_milliseconds": timedelta(milliseconds=1)}


def is_empty(raw: object, style: Style) -> bool:
    """Empty means unknown, and an open end is no end."""
    if raw is None:
        return True
    text = raw if isinstance(raw, str) else raw.isoformat() if isinstance(raw, date) else str(raw)
    text = text.strip()
    return not text or text in style.open_end or text in style.empty or text.startswith("9999-12-31")


def read(value: Value, row: Values, kind: str) -> Any:
    """The value as the schema's `kind` wants it; None = absent. Raises DataError."""
    found = _found(value, row, kind)
    return value.default if found is None else found


def _found(value: Value, row: Values, kind: str) -> Any:
    if value.constant is not None:
        return value.constant
    if value.flags:
        return [
            code for code, column in value.flags if _boolean(_cell(row, column), column, value.style)
        ] or None
    if kind == "strings" and value.join is None:
        return _listed(value, row)
    if isinstance(value.codes, Areas):
        return _area(value, [_cell(row, column) for column in value.columns])
    parts = [_one(value, _cell(row, column), column, kind) for column in value.columns]
    if value.join is None:
        return parts[0]
    text = _joined(value, value.join, parts)
    return [text] if text is not None and kind == "strings" else text


def _joined(value: Value, join: str, parts: list[Any]) -> str | None:
    """A number made of parts has all of them: half a number would be somebody else's."""
    found = [str(part) for part in parts if part is not None]
    if value.whole and len(found) < len(parts):
        return None
    return join.join(found) or None


def _area(value: Value, cells: list[object]) -> str | None:
    """The code of the area in which an address lies; None where there is no address at all."""
    texts = ["" if is_empty(raw, value.style) else str(raw).strip() for raw in cells]
    if not any(texts):
        return None
    return _text(value, SEPARATOR.join(texts), value.columns[0])


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
            found += [_text(value, _part(value, part, column), column) for part in parts if part.strip()]
    return found or None


def _one(value: Value, raw: object, column: str, kind: str) -> Any:
    if is_empty(raw, value.style):
        return None
    if value.pattern:
        raw = _part(value, raw, column)
    match kind:
        case "boolean":
            return _boolean(raw, column, value.style)
        case "int" | "long":
            return _integer(raw, column)
        case "double":
            return float(_number(value, raw, column))
        case "decimal":
            return _number(value, raw, column)
        case "date":
            return _date(raw, column, value.style)
        case "timestamp-micros":
            return _moment(raw, column, value.style)
    if value.out or value.dated:
        return _local(_clock(raw, column, value.style, "time"), value.style).strftime(value.out or "%Y-%m-%d")
    return _text(value, str(raw).strip(), column)


def _part(value: Value, raw: object, column: str) -> str:
    """What the pattern's group finds in the text, or the whole text without a pattern."""
    text = str(raw).strip()
    if value.pattern is None:
        return text
    found = value.pattern.search(text)
    if found is None:
        raise DataError(
            "does not match the pattern",
            reason="unreadable_value",
            place=column,
            remedy="correct record or pattern",
        )
    return found[1] or ""


def _number(value: Value, raw: object, column: str) -> Decimal:
    number = _decimal(raw, column, value.style)
    return number if value.factor is None else number * value.factor


def _text(value: Value, text: str, column: str) -> str:
    if value.codes is not None:
        known = value.codes.get(text, value.otherwise)
        if known is None:
            raise DataError(
                "code is not in the code table", reason="unknown_code", place=column, remedy="extend [codes]"
            )
        text = known
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
    """Digits in groups of three where there are thousands at all: "12.50" is no 1,250 and no 12,5. "12.50-" is less
    than nothing, as old systems write it."""
    text = str(raw).strip()
    if isinstance(raw, str):
        groups = rf"\d{{1,3}}(?:{re.escape(style.thousands)}\d{{3}})+|" if style.thousands else ""
        if text[-1:] in {"+", "-"}:
            text = f"{text[-1]}{text[:-1].rstrip()}"
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
    return _local(_clock(raw, column, style, "date"), style).date()


def _local(found: datetime, style: Style) -> datetime:
    """By the house's own clock: midnight there is still the day before in UTC."""
    return found.astimezone(ZoneInfo(style.zone)) if found.tzinfo else found


def _moment(raw: object, column: str, style: Style) -> datetime:
    found = _clock(raw, column, style, "time")
    aware = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(style.zone))
    return aware.astimezone(UTC)


def _clock(raw: object, column: str, style: Style, what: str) -> datetime:
    """A time as the export writes it, with a zone only where it says one; a date is its first moment."""
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
        if pattern == "epoch_days":
            return EPOCH + timedelta(days=int(text))
        if pattern in COUNTED:
            return EPOCH.replace(tzinfo=UTC) + COUNTED[pattern] * int(text)
        return datetime.strptime(text, pattern)  # noqa: DTZ007  the zone is the configuration's
    except (ValueError, OverflowError):
        return None
