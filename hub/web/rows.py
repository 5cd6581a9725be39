"""One record as one line of a table: what it is, when, what is known of it, whose it is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from hub.domain.clock import berlin_day
from hub.views.redaction import Entry
from hub.web.wording import OPEN_END, day_text, phrase, span_text, value_text, word, words
from schemas import EventSchema, event_schema

_WHEN = ("date", "time", "start", "end", "from", "until", "month")
_SAME = ("paragraph", "norm", "kind", "start", "from", "month", "provider", "role", "child")
_REPLACED = frozenset({"start", "end"})


@dataclass(frozen=True, slots=True)
class Detail:
    """One field beside the title."""

    label: str
    text: str = field(repr=False)
    disputed: bool


@dataclass(frozen=True, slots=True)
class PageRow:
    """A line; `disputed` marks what title and time say (§ 84 SGB X)."""

    title: str = field(repr=False)
    note: str
    when: str
    details: tuple[Detail, ...]
    source: str
    since: str
    disputed: bool
    order: tuple[date, datetime] = field(repr=False)


def row(entry: Entry, agency: str, today: date) -> PageRow:
    """The line of one shown record; what lies ahead has no date of its own yet."""
    _, label, *titled = words()["events"].get(entry.event_type, ("case", entry.event_type))
    day = berlin_day(entry.occurred_at)
    by = titled[0] if titled and titled[0] in entry.fields else ""
    when, used = _when(entry)
    plain = entry.event_type in words()["plain"]["events"]
    hidden = {by, *used} | {name for name in ("provisional",) if entry.fields.get(name) is False}
    return PageRow(
        title=value_text(entry.event_type, by, entry.fields[by], day) if by else label,
        note=label if by and not plain else "",
        when=when,
        details=tuple(_detail(entry, name, day) for name in _ordered(entry) if name not in hidden),
        source=agency,
        since=day_text(day) if day <= today else "",
        disputed=any(name in entry.marked for name in (by, *used) if name),
        order=(_starts(entry) or day, entry.occurred_at),
    )


def is_earlier(entry: Entry, today: date) -> bool:
    """Whether what the record tells of is over by today, as far as the shown fields say."""
    ends = [entry.fields.get(name) for name in ("end", "until", "date")]
    if any(isinstance(day, date) and day.year < OPEN_END and day < today for day in ends):
        return True
    return str(entry.fields.get("month", "9999-12")) < f"{today:%Y-%m}"


def superseded(entries: Sequence[tuple[str, Entry]]) -> set[tuple[str, str]]:
    """(sender, record) of those that a later record of the same thing replaced: ended, changed, agreed anew."""
    old: set[tuple[str, str]] = set()
    for n, (sender, entry) in enumerate(entries):
        later = (other for whose, other in entries[n + 1 :] if whose == sender)
        if any(_replaces(other, entry) for other in later):
            old.add((sender, entry.record_ref))
    return old


def _replaces(later: Entry, entry: Entry) -> bool:
    schema, after = event_schema(entry.event_type), event_schema(later.event_type)
    if not schema.group or schema.group != after.group:
        return False
    return schema.present == "plan" or (_starts_or_ends(schema, after) and _same_thing(later, entry))


def _starts_or_ends(schema: EventSchema, after: EventSchema) -> bool:
    return {schema.present, after.present} <= _REPLACED and schema.event_type != after.event_type


def _same_thing(one: Entry, other: Entry) -> bool:
    both = [name for name in _SAME if name in one.fields and name in other.fields]
    return bool(both) and all(one.fields[name] == other.fields[name] for name in both)


def _when(entry: Entry) -> tuple[str, tuple[str, ...]]:
    """The time column, and the fields that it says."""
    fields = entry.fields
    used = tuple(name for name in _WHEN if name in fields)
    if "date" in fields:
        day, clock = _text(entry, "date"), str(fields.get("time") or "")
        return (phrase("clock", day=day, time=clock) if clock else day), used
    span = span_text(fields.get("start", fields.get("from")), fields.get("end", fields.get("until")))
    if span:
        return span, used
    if "month" in fields:
        return _text(entry, "month"), used
    return (_text(entry, "period"), (*used, "period")) if "period" in fields else ("", used)


def _text(entry: Entry, name: str) -> str:
    return value_text(entry.event_type, name, entry.fields[name], berlin_day(entry.occurred_at))


def _starts(entry: Entry) -> date | None:
    found: Any = next((entry.fields[n] for n in ("date", "start", "from") if n in entry.fields), None)
    return found if isinstance(found, date) else None


def _ordered(entry: Entry) -> list[str]:
    """The fields in the order of their schema."""
    return [name for name in event_schema(entry.event_type).fields if name in entry.fields]


def _detail(entry: Entry, name: str, day: date) -> Detail:
    text = value_text(entry.event_type, name, entry.fields[name], day)
    return Detail(word("fields", name), text, name in entry.marked)
