"""How a day or time is written, read to the letter: every part in its width, every separator as agreed. Pure."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a day has no zone
COUNTED = {
    "epoch_days": timedelta(days=1), "epoch_seconds": timedelta(seconds=1),
    "epoch_milliseconds": timedelta(milliseconds=1),
}  # fmt: skip
_WIDTHS = {
    **dict.fromkeys("mdHIMS", "[0-9]{2}"), "Y": "[0-9]{4}", "j": "[0-9]{3}",
    "f": "[0-9]{1,9}", "z": "Z|[+-][0-9]{2}:?[0-9]{2}", "%": "%",
}  # fmt: skip
_NARROW = "[0-9]{1,2}"
_DIRECTIVE = re.compile(r"%(-?)(.)", re.DOTALL)
_MICROSECOND = 6
_SECONDS_SIGN = frozenset({".", ","})
_FRACTION = re.compile("[.,]%f")


def has_day(form: str) -> bool:
    """Whether this form says a day: a month alone is none, nor is a time."""
    said = {match[2] for match in _DIRECTIVE.finditer(form)}
    return (
        form in COUNTED
        or ("Y" in said and ("j" in said or ("d" in said and not said.isdisjoint("mbBh"))))
        or "c" in said
    )


def has_year(form: str) -> bool:
    """Whether this form says a whole year."""
    return form in COUNTED or not {match[2] for match in _DIRECTIVE.finditer(form)}.isdisjoint("Yc")


def parsed(text: str, form: str, *, whole: bool = True) -> datetime | None:
    """The time that the text says in this form (strptime's directives; `%-d` is a day without leading zero), else None.

    `whole`: only in a form that says a day. Beyond the sixth, digits of a second are cut off; a whole second may be
    written without them and their sign.
    """
    return None if len(text) > _LONGEST or (whole and not has_day(form)) else _parsed(text, form)


_LONGEST = 100
"""Characters of a day or time, at most: what is longer is none, and is not remembered."""


@lru_cache(maxsize=16_384)
def _parsed(text: str, form: str) -> datetime | None:
    try:
        if form in COUNTED:
            start = EPOCH if form == "epoch_days" else EPOCH.replace(tzinfo=UTC)
            return start + COUNTED[form] * int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else None
        found = _strict(form).fullmatch(text)
        return None if found is None else _time(text, found, form.replace("%-", "%"))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _strict(form: str) -> re.Pattern[str]:
    """The form as a regular expression; digits of a second are its group."""
    parts, at = [], 0
    for match in _DIRECTIVE.finditer(form):
        before = form[at : match.start()]
        if match[2] == "f" and before[-1:] in _SECONDS_SIGN:
            parts += [re.escape(before[:-1]), f"(?:{re.escape(before[-1:])}{_width(match)})?"]
        else:
            parts += [re.escape(before), _width(match)]
        at = match.end()
    return re.compile("".join((*parts, re.escape(form[at:]))))


def _width(match: re.Match[str]) -> str:
    if match[1]:
        return _NARROW
    width = f"(?:{_WIDTHS.get(match[2], '.+?')})"
    return f"({width})" if match[2] == "f" else width


def _time(text: str, found: re.Match[str], form: str) -> datetime:
    if found.re.groups and found[1] is None:
        form = _FRACTION.sub("", form)
    elif found.re.groups:
        first, last = found.span(1)
        text = f"{text[: min(last, first + _MICROSECOND)]}{text[last:]}"
    return datetime.strptime(text, form)  # noqa: DTZ007
