"""Values as their readers expect them: dates, amounts, codes of the official lists on their day. Pure.

German, unless somebody is spoken to in another language (`speaking`), as at the signing table.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from hub.domain.clock import BERLIN
from schemas import code_list, event_schema

OPEN_END = 9999  # the year in which agencies let end what has no end
NBSP = "\N{NO-BREAK SPACE}"
_BOOKS = {"paragraph": "SGB VIII", "norm": "SGB II", "kind": "SGB II"}
_PARAGRAPH = re.compile(r"(?P<section>\d+[a-z]?)(?:\((?P<abs>\d+[a-z]?)\)|-(?P<nr>\d+))?")


_SPOKEN: ContextVar[str] = ContextVar("spoken", default="de")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything that is put into words inside is said in this language, as far as it has words of its own."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def words() -> Mapping[str, Any]:
    """The reviewed word list of the language that is spoken now, read once."""
    return _words(_SPOKEN.get())


@cache
def _words(language: str) -> Mapping[str, Any]:
    """The list of a language over the German one: what it has no word for is said in German."""
    german = _read("labels_de.toml")
    own = files("hub.web") / f"labels_{language}.toml"
    return german if language == "de" or not own.is_file() else _over(german, _read(own.name))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files("hub.web") / name).read_text(encoding="utf-8"))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: value for name, value in below.items() if name not in above}
    for name, value in above.items():
        under = below.get(name)
        both[name] = (
            _over(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
        )
    return {name: both[name] for name in [*below, *(name for name in above if name not in below)]}


def phrase(name: str, *given: str, **named: str) -> str:
    """A small phrase of the language, with what is said in it."""
    return str(words()["phrases"][name]).format(*given, **named)


def word(kind: str, code: str) -> str:
    """The label of a code in one table of the word list, or the code itself."""
    return str(words()[kind].get(code, code))


def day_text(day: date) -> str:
    return f"{day:%d.%m.%Y}"


def moment_text(at: datetime) -> str:
    """To the minute, in Berlin."""
    local = at.astimezone(BERLIN)
    return phrase("clock", day=day_text(local.date()), time=f"{local:%H:%M}")


def amount_text(amount: Decimal) -> str:
    """1.234,56"""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def month_text(month: str) -> str:
    """ "2026-07" → Juli 2026; anything else as it is."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", month)
    return f"{words()['months']['names'][int(found[2]) - 1]} {found[1]}" if found else month


def period_text(period: str) -> str:
    """ "2026-07/2026-12" or "2026-07-01/2026-12-31" → Juli 2026 bis Dezember 2026, or days."""
    first, *last = (_part(part) for part in period.split("/"))
    return phrase("span", first, last[0]) if last else first


def span_text(start: Any, end: Any) -> str:
    """From and until, either of which may be unknown or open."""
    first = day_text(start) if isinstance(start, date) else ""
    last = day_text(end) if isinstance(end, date) and end.year < OPEN_END else ""
    if first and last:
        return phrase("span", first, last)
    return phrase("since", first) if first else phrase("until", last) if last else ""


def value_text(event_type: str, name: str, value: Any, on: date) -> str:
    """One field as text; codes are labelled by the list of the day the event is about."""
    if isinstance(value, list | tuple):
        return ", ".join(value_text(event_type, name, one, on) for one in value)
    if isinstance(value, bool):
        return phrase("yes" if value else "no")
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, date):
        return day_text(value)
    if isinstance(value, Decimal):
        return amount_text(value) + ("" if name == "units" else " €")
    if name == "percent":
        return f"{value} %"
    return _code_text(event_type, name, str(value), on)


def unbroken(value: Any) -> Any:
    """The same text, in which a paragraph's sign and number stay on one line; what is no plain text stays as it is."""
    if type(value) is not str or "§" not in value:
        return value
    return re.sub(
        r"(§§?|Abs\.|Nr\.|(?<=\d[a-z]) SGB|(?<=\d) SGB|SGB) ",
        lambda found: found[0].replace(" ", NBSP),
        value,
    )


def _code_text(event_type: str, name: str, code: str, on: date) -> str:
    if name == "month":
        return month_text(code)
    if name == "period":
        return period_text(code)
    spec = event_schema(event_type).fields.get(name)
    entry = code_list(spec.codelist).entry(code, on) if spec and spec.codelist else None
    if entry is not None:
        said = words()["codes"].get(spec.codelist, {}).get(entry.code, entry.label_de) if spec else ""
        return _with_paragraph(said, name, entry.code)
    if name == "goals" and ":" in code:
        tag, _, goal = code.partition(":")
        return f"{word('tags', tag)}: {_ours('goals', goal)}"
    if name == "goals":
        return word("tags", code)
    return _with_paragraph("", name, code) or _ours(name, code)


def _ours(name: str, code: str) -> str:
    """A word of the mappings, in whatever letters an agency writes it."""
    table = "languages" if name == "language" else name
    return str(words()["values"].get(table, {}).get(code.strip().lower(), code))


def _with_paragraph(label: str, name: str, code: str) -> str:
    """The paragraph behind a label that does not name it already."""
    found = _PARAGRAPH.fullmatch(code) if name in _BOOKS and "§" not in label else None
    if found is None:
        return label
    text = f"§ {found['section']}"
    text += f" Abs. {found['abs']}" if found["abs"] else f" Nr. {found['nr']}" if found["nr"] else ""
    return f"{label} ({text} {_BOOKS[name]})" if label else f"{text} {_BOOKS[name]}"


def _part(text: str) -> str:
    try:
        return day_text(date.fromisoformat(text))
    except ValueError:
        return month_text(text)
