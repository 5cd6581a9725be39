"""The first lines of a joint view: who is responsible now, how to reach them, in which languages. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.views.redaction import Entry
from hub.web.wording import day_text, value_text

Assigned = tuple[str, str, Entry]  # person's name on the page, sender, entry
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+?[\d][\d /()-]{4,}")


@dataclass(frozen=True, slots=True)
class Line:
    """A way to reach somebody, with a link where the text is a number or an address."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Contact:
    """One responsible worker; `people` only where workers of one function differ from person to person."""

    function: str
    agency: str
    lines: tuple[Line, ...]
    languages: str
    people: str = field(repr=False)
    since: str


def contacts(
    shown: Iterable[tuple[str, Sequence[tuple[str, Entry]]]],
    agencies: Mapping[str, Agency],
    own: str,
    today: date,
) -> tuple[Contact, ...]:
    """Who works on the case today; the other agencies' people first, because one's own are known."""
    newest = _newest([(name, sender, entry) for name, entries in shown for sender, entry in entries], today)
    grouped: dict[tuple[str, str, str], list[Assigned]] = {}
    for one in newest:
        grouped.setdefault((one[1], _function(one[2]), _worker(one[2])), []).append(one)
    several = Counter((sender, function) for sender, function, _ in grouped)
    made = [_contact(of, agencies, alone=several[key[:2]] == 1) for key, of in grouped.items()]
    mine = agencies[own].name
    return tuple(sorted(made, key=lambda one: (one.agency == mine, one.agency, one.function, one.people)))


def lines_of(contact: str) -> tuple[Line, ...]:
    """The parts of a contact, telephone and mail as links."""
    parts = [part.strip() for part in re.split(r"[;,|\n]", contact) if part.strip()]
    return tuple(Line(part, _href(part)) for part in parts)


def _newest(assigned: Iterable[Assigned], today: date) -> list[Assigned]:
    newest: dict[tuple[str, str, str], Assigned] = {}
    for one in assigned:
        name, sender, entry = one
        if entry.event_type != "WorkerAssigned" or not _now(entry, today):
            continue
        key = (name, sender, str(entry.fields.get("function", "")))
        held = newest.get(key)
        if held is None or _order(held[2]) <= _order(entry):
            newest[key] = one
    return list(newest.values())


def _now(entry: Entry, today: date) -> bool:
    since, until = entry.fields.get("from"), entry.fields.get("until")
    started = not isinstance(since, date) or since <= today
    return started and (not isinstance(until, date) or until >= today)


def _order(entry: Entry) -> tuple[date, datetime]:
    since = entry.fields.get("from")
    return (since if isinstance(since, date) else date.min), entry.occurred_at


def _function(entry: Entry) -> str:
    function = entry.fields.get("function")
    day = berlin_day(entry.occurred_at)
    return value_text(entry.event_type, "function", function, day) if function else "Fachkraft"


def _worker(entry: Entry) -> str:
    return f"{entry.fields.get('worker_id', '')} {entry.fields.get('contact', '')}"


def _contact(of: Sequence[Assigned], agencies: Mapping[str, Agency], *, alone: bool) -> Contact:
    _, sender, entry = max(of, key=lambda one: _order(one[2]))
    day = berlin_day(entry.occurred_at)
    languages = entry.fields.get("language")
    since = entry.fields.get("from")
    return Contact(
        function=_function(entry),
        agency=agencies[sender].name,
        lines=lines_of(str(entry.fields.get("contact", ""))),
        languages=value_text(entry.event_type, "language", languages, day) if languages else "",
        people="" if alone else ", ".join(dict.fromkeys(name for name, _, _ in of)),
        since=day_text(since if isinstance(since, date) else day),
    )


def _href(part: str) -> str:
    if _MAIL.fullmatch(part):
        return f"mailto:{part}"
    number = re.sub(r"^(Tel\.?|Telefon|Durchwahl):?\s*", "", part)
    return "tel:" + re.sub(r"[^\d+]", "", number) if _PHONE.fullmatch(number) else ""
