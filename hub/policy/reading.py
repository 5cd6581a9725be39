"""One reader per kind of value in a request; each returns the value or names the key that cannot be read."""

import re
from collections.abc import Callable, Container
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
    r"(\.[0-9]+)?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


class UnreadablePolicy(Exception):
    """Carries the key that is missing, unknown or not of its type; a caller makes a value or an error of it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def record(
    value: Any, key: str, names: frozenset[str], ignored: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """An object with exactly these names; the first that is missing or unknown is the one reported."""
    if not isinstance(value, dict):
        raise UnreadablePolicy(key or "(request)")
    wrong = (names - value.keys()) or (value.keys() - names - ignored)
    if wrong:
        name = min(map(str, wrong))
        raise UnreadablePolicy(f"{key}.{name}" if key else name)
    return value


def inner(value: dict[str, Any], outer: str, name: str) -> Any:
    """One value of a nested object whose other keys are not looked at."""
    nested = value.get(outer)
    if not isinstance(nested, dict) or name not in nested:
        raise UnreadablePolicy(f"{outer}.{name}")
    return nested[name]


def items(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnreadablePolicy(key)
    return value


def text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise UnreadablePolicy(key)
    return value


def texts(value: Any, key: str) -> tuple[str, ...]:
    return tuple(text(item, key) for item in items(value, key))


def flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise UnreadablePolicy(key)
    return value


def choice(value: Any, key: str, options: Container[str]) -> str:
    """A code of a closed list; an unknown code is not guessed at."""
    if text(value, key) not in options:
        raise UnreadablePolicy(key)
    return str(value)


def choices(value: Any, key: str, options: Container[str]) -> frozenset[str]:
    return frozenset(choice(item, key, options) for item in items(value, key))


def optional(reader: Callable[[Any, str], T], value: Any, key: str) -> T | None:
    """Null is a statement here ("known to be absent"); everywhere else it is unreadable."""
    return None if value is None else reader(value, key)


def day(value: Any, key: str) -> date:
    """A calendar date, `YYYY-MM-DD` and nothing looser."""
    if not _DAY.fullmatch(text(value, key)):
        raise UnreadablePolicy(key)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UnreadablePolicy(key) from None


def time(value: Any, key: str) -> datetime:
    """A moment with its offset (RFC 3339); fractions below a microsecond are cut off."""
    match = _TIME.fullmatch(text(value, key))
    if match is None:
        raise UnreadablePolicy(key)
    date_part, hour, minute, second, fraction, offset = match.groups()
    whole = f"{date_part}T{hour}:{minute}:{min(second, '59')}{(fraction or '')[:7]}{offset.upper()}"
    try:
        return datetime.fromisoformat(whole) + timedelta(seconds=second == "60")
    except (ValueError, OverflowError):
        raise UnreadablePolicy(key) from None
