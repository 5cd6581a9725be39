"""From what may be shown to what a page says: pure, and only of the redacted view, never of what lies behind it.

A person who is not in it leaves no trace: persons are numbered and ordered among the shown only, nothing is counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.views.opening import OpenedView
from hub.views.redaction import Entry, ViewPart
from hub.web.contacts import Contact, contacts
from hub.web.persons import Fact, facts, name_of, sources
from hub.web.rows import PageRow, is_earlier, row, superseded
from hub.web.wording import moment_text, word, words

FAMILY = "Familie"
OWN_GROUND = "Daten der eigenen Stelle, nicht übermittelt"
CONSENT_GROUND = "Einwilligung (§ 67b Abs. 2 SGB X)"
_OPENS = "Eine Einwilligung der Person würde dies öffnen; bei Kindern die aller Sorgeberechtigten."
_OPENS_SPECIAL = " Gesundheitsangaben brauchen sie ausdrücklich und schriftlich."
_APART = frozenset({"PersonRegistered", "PersonChanged", "WorkerAssigned"})


@dataclass(frozen=True, slots=True)
class Section:
    """Entries of one kind: what counts now, and what is over or was replaced."""

    title: str
    rows: tuple[PageRow, ...]
    earlier: tuple[PageRow, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """On what the data of one agency are shown."""

    agency: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One person, or the family as a whole."""

    anchor: str
    name: str = field(repr=False)
    facts: tuple[Fact, ...]
    sources: tuple[str, ...]
    sections: tuple[Section, ...]
    grounds: tuple[Ground, ...]
    withheld: str
    opens: str
    unreadable: str


@dataclass(frozen=True, slots=True)
class Page:
    """The joint view; an unknown, a denied and an empty family make equal pages."""

    office: str
    role: str
    purpose: str
    as_of: str
    ground: str
    contacts: tuple[Contact, ...]
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """Everything that is shown of one person."""

    key: str
    family: bool
    entries: tuple[tuple[str, Entry], ...]  # sender, entry
    parts: tuple[ViewPart, ...]

    @property
    def born(self) -> date:
        dates = [entry.fields.get("birth_date") for _, entry in self.entries]
        return min((day for day in dates if isinstance(day, date)), default=date.max)


def present(view: OpenedView, agencies: Mapping[str, Agency]) -> Page:
    """The page of an opened view."""
    question = view.question
    recipient, today = question.recipient, berlin_day(question.at)
    shown = _persons(view, recipient.controller)
    named = {one.key: _name(one, number) for number, one in enumerate((s for s in shown if not s.family), 1)}
    named |= {one.key: FAMILY for one in shown if one.family}
    cards = tuple(_card(view, one, f"p{n}", named[one.key], agencies) for n, one in enumerate(shown, 1))
    reached = contacts(
        ((named[one.key], one.entries) for one in shown), agencies, recipient.controller, today
    )
    return Page(
        office=agencies[recipient.controller].name,
        role=word("roles", recipient.role),
        purpose=word("purposes", question.purpose),
        as_of=moment_text(question.at),
        ground=", ".join(dict.fromkeys(g.text for card in cards for g in card.grounds))
        or "nichts freigegeben",
        contacts=reached,
        cards=cards,
    )


def _persons(view: OpenedView, own: str) -> list[_Shown]:
    """The family first, then by birth date where it is shown, else as the view orders them; all of a family's own
    records on one card."""
    families = {known.person for known in view.file.known.values() if known.family} if view.file else set()
    grouped: dict[str, list[ViewPart]] = {}
    for part in view.redacted.parts:
        grouped.setdefault(FAMILY if part.person in families else part.person, []).append(part)
    shown = [_shown(key, parts, own) for key, parts in grouped.items()]
    return sorted(shown, key=lambda one: (not one.family, one.born))


def _shown(key: str, parts: Sequence[ViewPart], own: str) -> _Shown:
    ordered = sorted(parts, key=lambda part: (part.sender != own, part.sender))
    entries = tuple((part.sender, entry) for part in ordered for entry in part.entries)
    return _Shown(key, key == FAMILY, entries, tuple(ordered))


def _name(one: _Shown, number: int) -> str:
    return name_of(one.entries) or f"Person {number}"


def _card(view: OpenedView, one: _Shown, anchor: str, name: str, agencies: Mapping[str, Agency]) -> Card:
    withheld, today = _withheld(view, one.parts), berlin_day(view.question.at)
    own = view.question.recipient.controller
    return Card(
        anchor=anchor,
        name=name,
        facts=facts(one.entries, agencies),
        sources=sources(one.entries, agencies),
        sections=tuple(_sections(one.entries, agencies, today)),
        grounds=tuple(dict.fromkeys(g for part in one.parts for g in _grounds(part, agencies, own))),
        withheld=", ".join(word("categories", code) for code in withheld),
        opens=(_OPENS + (_OPENS_SPECIAL if "G9" in withheld else "")) if withheld else "",
        unreadable=_unreadable(sum(part.unreadable for part in one.parts)),
    )


def _unreadable(number: int) -> str:
    """Says that entries are missing because they do not open."""
    if not number:
        return ""
    missing = "Ein Eintrag fehlt hier, weil er" if number == 1 else f"{number} Einträge fehlen hier, weil sie"
    return f"{missing} sich nicht öffnen {'lässt' if number == 1 else 'lassen'}. Bitte die Fachadministration fragen."


def _withheld(view: OpenedView, parts: Iterable[ViewPart]) -> list[str]:
    """Of a family with a record at each agency: what neither opens."""
    lists = [set(view.redacted.withheld.get(person, ())) for person in {part.person for part in parts}]
    closed = set.intersection(*lists) if lists else set()
    return [code for code in words()["categories"] if code in closed]


def _sections(
    entries: Sequence[tuple[str, Entry]], agencies: Mapping[str, Agency], today: date
) -> Iterable[Section]:
    table = words()["events"]
    mine = [(sender, entry) for sender, entry in entries if entry.event_type not in _APART]
    old = superseded(mine)
    for code, title in words()["sections"].items():
        now: list[PageRow] = []
        earlier: list[PageRow] = []
        for sender, entry in mine:
            if table.get(entry.event_type, ("case",))[0] == code:
                over = (sender, entry.record_ref) in old or is_earlier(entry, today)
                (earlier if over else now).append(row(entry, agencies[sender].name, today))
        if now or earlier:
            yield Section(title, _newest_first(now), _newest_first(earlier))


def _newest_first(rows: Iterable[PageRow]) -> tuple[PageRow, ...]:
    return tuple(sorted(rows, key=lambda one: one.order, reverse=True))


def _grounds(part: ViewPart, agencies: Mapping[str, Agency], own: str) -> Iterable[Ground]:
    agency = agencies[part.sender].name
    if part.sender == own:
        yield Ground(agency, OWN_GROUND)
        return
    for ground in part.grounds:
        norm, is_norm, task = ground.partition(": ")
        yield Ground(agency, f"{norm} in Verbindung mit {task}" if is_norm else CONSENT_GROUND)
