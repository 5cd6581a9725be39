"""An agency's own numbers of persons, cases and rows: text from the source to the pseudonym, spelt in one way. Pure.

Two spellings of one number would make two persons of one; a number that lost digits on its way would make one person of
two. So every number is normalised by the same rules, wherever it is read, and refused where the rules cannot tell which
number is meant.
"""

import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from connectors.contract import OutOfRange, Single, Unreadable
from connectors.pipeline.mapping.remedies import AS_TEXT, ONE_VALUE
from hub.errors import DataError

EXACT = 2**53
"""Up to here a float holds every whole number."""
EXACT_SINGLE = 2**24

_REMEMBERED = 200
"""Characters of a number that is looked at once only, at most: a file may hold thousands of any length."""

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212"), "-")
_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
_GUARDED = re.compile(r'="([^"]*)"|=\'([^\']*)\'|\'([^\']+)')
_SCIENTIFIC = re.compile(r"[+-]?(\d+[.,]\d+[eE][+-]?\d+|\d+[eE][+-]\d+|\d[eE]\d{1,3})")
_WHOLE_WITH_DECIMALS = re.compile(r"[+-]?\d+[.,]0+")
_AS_FLOAT = re.compile(r"[+-]?\d+\.0")
_WRAPPED = re.compile(r"[\[{(].*|.*[\])}]|b?(['\"]).*\1|[=\"].*", re.DOTALL)
_NOTHING = frozenset(
    {
        "nan",
        "nat",
        "none",
        "null",
        "nil",
        "undefined",
        "<na>",
        "n/a",
        "inf",
        "+inf",
        "-inf",
        "infinity",
        "-infinity",
        "true",
        "false",
    }
)
_SPREADSHEET_ERROR = re.compile(r"#+|#[A-ZÄÖÜ0-9/]+[!?]?")


def number_text(raw: object, column: str) -> str:
    """The number of a person or case as it is compared and named; empty where there is none. Raises DataError.

    Normalised: composed characters (NFC), invisible characters, dashes, no-break and other spaces, spaces around it,
    the guard of a spreadsheet (`="004711"`, a leading apostrophe), whole numbers of decimal and float columns. Refused:
    lost digits (scientific notation, floats beyond 2^53), `4711.0`, bytes, lists, truth values, dates.
    """
    return _number(raw, column, _WHOLE_WITH_DECIMALS)


def key_text(raw: object, column: str) -> str:
    """One part of a row's key, by the same rules; a day, a time or a truth value may be one too. Raises DataError."""
    match raw:
        case bool():
            return str(raw)
        case datetime():
            return raw.isoformat(sep=" ")
        case date() | time():
            return raw.isoformat()
        case timedelta():
            return str(raw)
    return _number(raw, column, _AS_FLOAT)


def _number(raw: object, column: str, decimals: re.Pattern[str]) -> str:
    match raw:
        case None:
            return ""
        case Unreadable():
            raise raw.error(column)
        case bool() | OutOfRange():
            pass
        case str():
            spelt, problem_of = (
                (_spelt, _problem) if len(raw) <= _REMEMBERED else (_spelt.__wrapped__, _problem.__wrapped__)
            )
            found = raw if raw.isascii() and raw.isalnum() else spelt(raw)
            if decimals.fullmatch(found):
                raise _refused(column, "is written with decimals", AS_TEXT)
            if not (found.isascii() and found.isdigit()) and (problem := problem_of(found)):
                raise _refused(column, *problem)
            return found
        case int():
            return str(raw)
        case Decimal() | float():
            return _whole(raw, column)
        case UUID():
            return str(raw)
    remedy = ONE_VALUE if isinstance(raw, list) else AS_TEXT
    raise _refused(column, f"is no number or text ({type(raw).__name__})", remedy)


@lru_cache(maxsize=4096)
def _spelt(text: str) -> str:
    text = unicodedata.normalize("NFC", text).translate(_DASHES)
    visible = (" " if _is_space(sign) else sign for sign in text if unicodedata.category(sign) != "Cf")
    text = _IGNORED.sub("", "".join(visible)).strip()
    if guarded := _GUARDED.fullmatch(text):
        return next(part for part in guarded.groups() if part is not None).strip()
    return text


@lru_cache(maxsize=4096)
def _problem(text: str) -> tuple[str, str] | None:
    """Why this is no number that can be relied on, and what to do; None when it is one."""
    if _SCIENTIFIC.fullmatch(text):
        return "has lost digits (scientific notation)", AS_TEXT
    if _WRAPPED.fullmatch(text):
        return "is a list, a quotation or a formula", "write the plain number there"
    if text.casefold() in _NOTHING or _SPREADSHEET_ERROR.fullmatch(text):
        return "stands for nothing", "fill it in, or name the word in defaults.empty"
    for sign in text:
        kind = unicodedata.category(sign)
        if kind in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} or (kind[0] == "N" and not sign.isascii()):
            return f"holds the character U+{ord(sign):04X}", "correct the record"
    return None


def _is_space(sign: str) -> bool:
    return sign == "\t" or unicodedata.category(sign) == "Zs"


def _whole(raw: Decimal | float, column: str) -> str:
    if isinstance(raw, Decimal):
        exact = raw.is_finite() and (raw == 0 or raw.as_tuple().exponent <= 0)  # type: ignore[operator]
    else:
        exact = abs(raw) <= (EXACT_SINGLE if isinstance(raw, Single) else EXACT)  # False for NaN and infinity
    if not exact or raw != int(raw):
        raise _refused(column, "is no whole number, or too long for its type", AS_TEXT)
    return str(int(raw))


def _refused(column: str, why: str, remedy: str) -> DataError:
    return DataError(why, reason="unreadable_value", place=column, remedy=f"it {why}: {remedy}")
