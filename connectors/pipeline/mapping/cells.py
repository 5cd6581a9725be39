"""The cells of a row → the value of one field, exactly as configured. Pure.

A value that cannot be read is a DataError with reason and column; it is never guessed and never shown. A typed column
is read by its type, a text by what the configuration says of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from connectors.contract import OutOfRange, Unreadable, exact, is_nothing_found
from connectors.pipeline.config.areas import SEPARATOR, Areas
from connectors.pipeline.config.values import Style, Value, parsed
from connectors.pipeline.mapping.clock_changes import hour, never
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.mapping.remedies import AS_LIST, AS_TEXT, ONE_VALUE
from hub.errors import DataError
from schemas import limits

Values = Mapping[str, object]
Day = TypeVar("Day", date, datetime)
MONEY = 10**12  # floats of a database are rounded to cents below this
YEARS = range(limits.FIRST_MAPPED.year, limits.LAST_MAPPED.year)
"""A day outside of these stands for something else: for "none", "unknown", "for ever"."""
UNKNOWN_CODE = "unknown_code"
_ENDLESS = "9999-12-31"
_WHOLE = re.compile(r"[+-]?[0-9]+")
_ARRAY = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)


def is_empty(raw: object, style: Style) -> bool:
    """Empty means unknown, and an open end is no end."""
    if raw is None:
        return True
    if isinstance(raw, OutOfRange):
        return raw.is_open_end
    if isinstance(raw, date):
        return raw.isoformat().startswith(_ENDLESS) or not spelt_days(raw, style).isdisjoint(style.nothing)
    if not isinstance(raw, str | int | float | Decimal):
        return False
    text = str(raw).strip()
    return not text or text in style.nothing or text.startswith(_ENDLESS)


def spelt_days(raw: date, style: Style) -> set[str]:
    """How a configuration may write a day or time of a typed column."""
    return {raw.isoformat(), str(raw), *(raw.strftime(form) for form in style.forms)}


def read(value: Value, row: Values, kind: str) -> Any:
    """The value as the schema's `kind` wants it; None = absent. Raises DataError."""
    found = None if _is_replaced(value, row) else _found(value, row, kind)
    return value.default if found is None else found


def _is_replaced(value: Value, row: Values) -> bool:
    """Whether the configuration says what stands in place of another stream's row that is not there."""
    return value.replaceable is not None and is_nothing_found(row.get(value.replaceable.name))


def cell(row: Values, column: str) -> object:
    """What stands in this column; raises DataError where it is not there or could not be read."""
    if column not in row:
        raise DataError(
            "column is not there", reason="column_missing", place=column, remedy="correct the mapping"
        )
    raw = row[column]
    if isinstance(raw, Unreadable):
        raise raw.error(column)
    return raw


def plain_text(raw: object, column: str) -> str:
    """A single value as text, without spaces around it; raises DataError for bytes, lists and characters of no text."""
    match raw:
        case OutOfRange():
            raise _unreadable(column, "date or time that can be meant")
        case str():
            text = raw.strip()
        case bool() | int() | date() | time() | UUID():
            text = str(raw)
        case Decimal() | float() if _is_writable(Decimal(raw)):
            text = format(raw, "f") if isinstance(raw, Decimal) else repr(raw)
        case list():
            raise _unreadable(column, "single text", ONE_VALUE)
        case _:
            raise _unreadable(column, "single text", AS_TEXT)
    if problem := limits.text_problem(text):
        raise DataError(
            problem,
            reason="beyond_limits",
            place=column,
            remedy=f"it {problem}: correct the record, or the encoding",
        )
    return text


def _found(value: Value, row: Values, kind: str) -> Any:
    if value.constant is not None:
        return value.constant
    if value.flags:
        return [
            code for code, column in value.flags if _boolean(cell(row, column), column, value.style)
        ] or None
    if kind == "strings" and value.join is None:
        return _listed(value, row)
    if isinstance(value.codes, Areas):
        return _area(value, row)
    if value.join is None:
        return _one(value, cell(row, value.columns[0]), value.columns[0], kind)
    parts = [
        _one(value, raw, column, kind) for column in value.columns for raw in _several(value, row, column)
    ]
    text = _joined(value, value.join, parts)
    return [text] if text is not None and kind == "strings" else text


def _several(value: Value, row: Values, column: str) -> list[object]:
    """The value of this column; of a list each member, unless a number is made of it."""
    raw = cell(row, column)
    return members(value.style, raw, column) if isinstance(raw, list) and raw and not value.whole else [raw]


def _joined(value: Value, join: str, parts: list[Any]) -> str | None:
    """A number made of parts has all of them: half a number would be somebody else's."""
    found = [str(part) for part in parts if part is not None]
    if value.whole and len(found) < len(parts):
        return None
    return join.join(found) or None


def _area(value: Value, row: Values) -> str | None:
    """The code of the area in which an address lies; None where there is no address at all."""
    cells = [(cell(row, column), column) for column in value.columns]
    texts = ["" if is_empty(raw, value.style) else plain_text(raw, column) for raw, column in cells]
    if not any(texts):
        return None
    return _translated(value, SEPARATOR.join(texts), value.columns[0])


def _listed(value: Value, row: Values) -> list[str] | None:
    found: list[str] = []
    for column in value.columns:
        raw = cell(row, column)
        if not is_empty(raw, value.style):
            there = members(value.style, raw, column)
            if value.person and not all(map(_is_member, there)):
                raise DataError(
                    "names a person without a number",
                    reason="unreadable_value",
                    place=column,
                    remedy="write the person's number, or take the empty member out of the list",
                )
            found += [text for part in there if _is_member(part) for text in _texts(value, part, column)]
    return found or None


def _is_member(part: object) -> bool:
    return not isinstance(part, str) or bool(part.strip())


def members(style: Style, raw: object, column: str) -> list[object]:
    """The members of a list, the empty ones too: a list of the source's own, a JSON list in a text, or a text that is
    split; a separator at its end separates nothing."""
    if isinstance(raw, str) and not isinstance(raw, OutOfRange):
        text = raw.strip()
        if not _ARRAY.fullmatch(text):
            parts = text.split(style.split) if style.split else [text]
            return list(parts if parts[-1].strip() else parts[:-1])
        raw = _json(text)
    if not isinstance(raw, list | tuple):
        return [plain_text(raw, column)]
    if not all(isinstance(one, str | int | Decimal | UUID) and not isinstance(one, bool) for one in raw):
        raise _unreadable(column, "list of single values", AS_LIST)
    return list(raw)


def _json(text: str) -> object:
    try:
        return json.loads(text, parse_float=exact) if text.startswith("[") else Unreadable("", "")
    except (ValueError, RecursionError):
        return Unreadable("", "")


def _single(value: Value, raw: object) -> object:
    """Of a list with one member that is not empty, this member: an element that stands there a second time, empty."""
    if value.person or not isinstance(raw, list):
        return raw
    there = [one for one in raw if _is_member(one)]
    return raw if len(there) > 1 else next(iter(there), None)


def _one(value: Value, raw: object, column: str, kind: str) -> Any:
    raw = _single(value, raw)
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
        form = value.out or "%Y-%m-%d"
        return _local(_clock(raw, column, value.style, whole="%d" in form), value.style).strftime(form)
    return _text(value, raw, column)


def _part(value: Value, raw: object, column: str) -> object:
    """What the pattern's group finds in the text; without a pattern the value itself."""
    if value.pattern is None:
        return raw
    found = value.pattern.search(plain_text(raw, column))
    if found is None or not found[1]:
        raise DataError(
            "does not match the pattern",
            reason="unreadable_value",
            place=column,
            remedy="correct record or pattern",
        )
    return found[1]


def _texts(value: Value, part: object, column: str) -> Sequence[str]:
    """A member of a list as text, or as the several codes that the code table has for it."""
    return _codes(value, _plain(value, _part(value, part, column), column), column)


def _text(value: Value, raw: object, column: str) -> str:
    """A text, translated where there is a code table."""
    return _translated(value, _plain(value, raw, column), column)


def _plain(value: Value, raw: object, column: str) -> str:
    """A text; the number of a person as all numbers are spelt."""
    number = value.person and value.codes is None
    text = number_text(raw, column) if number else plain_text(raw, column)
    if number and not text:
        raise _unreadable(column, "number")
    return text


def _translated(value: Value, text: str, column: str) -> str:
    (found,) = _codes(value, text, column)
    return found


def _codes(value: Value, text: str, column: str) -> Sequence[str]:
    """Translate a text by its code table; without a table it stays as it is."""
    known = text if value.codes is None else value.codes.get(text, value.otherwise)
    if known is None:
        raise DataError(
            "code is not in the code table",
            reason=UNKNOWN_CODE,
            place=column,
            remedy="add the word to its table in [codes]",
        )
    return [f"{value.prefix}{one}{value.suffix}" for one in ([known] if isinstance(known, str) else known)]


def _unreadable(column: str, what: str, remedy: str = "correct the record or the format") -> DataError:
    return DataError(
        f"is no {what}", reason="unreadable_value", place=column, remedy=f"it is no {what}: {remedy}"
    )


def _boolean(raw: object, column: str, style: Style) -> bool:
    if isinstance(raw, bool):
        return raw
    text = "" if raw is None else plain_text(raw, column)
    if text in style.true:
        return True
    if text in style.false:
        return False
    raise _unreadable(column, "yes or no")


def _integer(raw: object, column: str) -> int:
    if isinstance(raw, str) and _WHOLE.fullmatch(text := raw.strip()) and len(text) < 20:
        return int(text)
    if isinstance(raw, int | float | Decimal) and not isinstance(raw, bool):
        number = Decimal(raw)
        if number.is_finite() and _is_whole(number):
            return int(number)
    raise _unreadable(column, "whole number")


def _is_whole(number: Decimal) -> bool:
    """Whether this is a whole number that 64 bits hold; to compare a larger one may overflow."""
    return number.adjusted() <= _DIGITS and number == int(number) and abs(number) < 2**63


_DIGITS = 18


def _number(value: Value, raw: object, column: str) -> Decimal:
    number = _decimal(raw, column, value.style)
    try:
        return number if value.factor is None else number * value.factor
    except ArithmeticError:
        raise _unreadable(column, "number of usual size") from None


def _decimal(raw: object, column: str, style: Style) -> Decimal:
    """A typed number is what it is. A text has digits in groups of three where there are thousands at all: "12.50" is
    no 1,250 and no 12,5. "12.50-" is less than nothing, as old systems write it."""
    if isinstance(raw, int | Decimal) and not isinstance(raw, bool):
        number = Decimal(raw)
    elif isinstance(raw, float):
        number = Decimal(repr(raw))
    elif isinstance(raw, str):
        number = _written(raw.strip(), column, style)
    else:
        raise _unreadable(column, "number")
    if not _is_writable(number) or number.adjusted() > _LARGEST:
        raise _unreadable(column, "number of usual size")
    return number.quantize(Decimal("0.01")) if isinstance(raw, float) and abs(number) < MONEY else number


_LARGEST = 30
"""Digits before the decimal sign, about."""


def _is_writable(number: Decimal) -> bool:
    """Whether it can be written out: JSON may say any exponent, a float has 309 digits and 1,074 decimals."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_DECIMALS and number.adjusted() <= _MOST_DIGITS


_MOST_DIGITS, _DECIMALS = 400, 1100


def _written(text: str, column: str, style: Style) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise _unreadable(column, "number of usual size")
    groups = rf"[0-9]{{1,3}}(?:{re.escape(style.thousands)}[0-9]{{3}})+|" if style.thousands else ""
    if text[-1:] in {"+", "-"}:
        text = f"{text[-1]}{text[:-1].rstrip()}"
    if not re.fullmatch(rf"[+-]?(?:{groups}[0-9]+)(?:{re.escape(style.decimal)}[0-9]+)?", text):
        raise _unreadable(column, "number")
    text = text.replace(style.thousands, "").replace(style.decimal, ".")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _unreadable(column, "number") from None


def _date(raw: object, column: str, style: Style) -> date:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return _usual(raw, column)
    return _local(_clock(raw, column, style), style).date()


def _local(found: datetime, style: Style) -> datetime:
    """By the house's own clock: midnight there is still the day before in UTC."""
    return found.astimezone(ZoneInfo(style.zone)) if found.tzinfo else found


def _moment(raw: object, column: str, style: Style) -> datetime:
    found = _clock(raw, column, style, whole=False)
    aware = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(style.zone))
    return aware.astimezone(UTC)


def comes_twice(value: Value, row: Values) -> bool:
    """Whether the time that a value says comes twice on the clock of its zone, and is read as the first of both. Raises
    DataError, as `read` does."""
    for column in () if _is_replaced(value, row) else value.columns:
        raw = cell(row, column)
        if not is_empty(raw, value.style):
            found = _clock(_part(value, raw, column), column, value.style, whole=False)
            return hour(found, value.style.zone) == "twice"
    return False


def _clock(raw: object, column: str, style: Style, *, whole: bool = True) -> datetime:
    """A time as the export writes it, with a zone only where it says one; a date is its first moment. `whole`: a month
    is no day, but it has a first moment."""
    found = _written_time(raw, column, style, whole=whole)
    if hour(found, style.zone) == "never":
        raise never(style.zone, column)
    return found


def _written_time(raw: object, column: str, style: Style, *, whole: bool) -> datetime:
    if isinstance(raw, datetime):
        return _usual(raw, column)
    if isinstance(raw, date):
        return datetime.combine(_usual(raw, column), time())
    if (text := _digits(raw)) is not None:
        for form in style.forms:
            if (found := parsed(text, form, whole=whole)) is not None:
                return _usual(found, column)
    raise _unreadable(column, "date or time as agreed")


def _digits(raw: object) -> str | None:
    """A day or time as it is written: a whole number of whatever type has its digits alone (`NUMERIC(8,0)`)."""
    if isinstance(raw, str):
        return None if isinstance(raw, OutOfRange) else raw.strip()
    if isinstance(raw, int | float | Decimal) and not isinstance(raw, bool):
        number = Decimal(raw)
        return str(int(number)) if number.is_finite() and _is_whole(number) else None
    return None


def _usual(found: Day, column: str) -> Day:
    if found.year not in YEARS:
        raise DataError(
            "stands for no day",
            reason="unreadable_value",
            place=column,
            remedy="it stands for no day: correct it, or name how it is written in defaults.empty or open_end",
        )
    return found
