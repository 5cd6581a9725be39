"""What the signing table shows: ticks, sights and what stays closed, in the family's language. Pure.

What stays closed follows from the form and the matrix, never from what is on file: at this table too nobody learns
whether somebody confided something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.desk.desk import Family
from hub.desk.offer import ORDER, Direction
from hub.desk.records import Member
from hub.desk.signing import consents_of, missing
from hub.desk.table import Sight, SigningTable, VisibleRecord
from hub.desk.texts import ConsentText
from hub.desk.ticks import Ticks
from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.views.redaction import Entry
from hub.web.desk.words import listed, say
from hub.web.rows import PageRow, row
from hub.web.wording import day_text, speaking, value_text, word

_MAIN = ("jc_case_manager", "ja_asd", "provider_worker", "office_clerk")
_FACTS = ("birth_date", "address", "contact")


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry in words; `note` where it needs no consent."""

    title: str = field(repr=False)
    when: str
    details: str = field(repr=False)
    note: str


@dataclass(frozen=True, slots=True)
class Preview:
    """One person at the table: what the other office would see, and what stays closed and why."""

    anchor: str
    name: str = field(repr=False)
    heading: str
    entries: tuple[Shown, ...]
    others: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may sign for a person; `checked` as it was ticked."""

    value: str = field(repr=False)
    name: str = field(repr=False)
    checked: bool


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the form."""

    ref: str
    name: str = field(repr=False)
    born: str = field(repr=False)
    signers: tuple[Signer, ...]
    known: bool  # whether this agency knows who must sign
    lacking: str
    place: str


@dataclass(frozen=True, slots=True)
class Tick:
    """One category in one direction."""

    value: str
    name: str
    text: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Column:
    """What one agency may tell another."""

    key: str
    heading: str
    seen: str
    ticks: tuple[Tick, ...]
    worker: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TablePage:
    """Everything of the page."""

    text: ConsentText
    names: Mapping[str, str]
    office: str
    persons: tuple[Person, ...]
    columns: tuple[Column, ...]
    purposes: tuple[Tick, ...]
    previews: tuple[Preview, ...]
    back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """The surroundings of a page: names of agencies, directions with what they offer, language and moment."""

    office: str
    names: Mapping[str, str]
    directions: Sequence[Direction]
    offered: Mapping[str, Sequence[str]]
    text: ConsentText
    at: datetime


def start_ticks(family: Family, setting: Setting) -> Ticks:
    """The form as it lies on the table at first: what stands already is ticked, and nobody has signed."""
    standing = [one for one in family.standing if one.in_force(setting.at) and "A65" not in one.categories]
    opened = {
        one.key: frozenset(code for consent in standing if _goes(consent, one) for code in consent.categories)
        for one in setting.directions
    }
    purposes = frozenset(purpose for consent in standing for purpose in consent.purposes)
    return Ticks(
        signed={}, opened=opened, purposes=purposes or frozenset({"joint_case_management"}), workers={}
    )


def table_page(family: Family, table: SigningTable, ticks: Ticks, setting: Setting) -> TablePage:
    """The page for these ticks."""
    with speaking(setting.text.code):
        own = [one for one in setting.directions if one.sender.controller == setting.office]
        back = [one for one in setting.directions if one.sender.controller != setting.office]
        return TablePage(
            text=setting.text,
            names=setting.names,
            office=setting.names[setting.office],
            persons=tuple(
                _person(family, member, n, ticks, setting)
                for n, member in enumerate(family.household.members, 1)
            ),
            columns=tuple(_column(one, ticks, setting) for one in setting.directions),
            purposes=tuple(_purposes(ticks, setting)),
            previews=tuple(
                preview for one in own for preview in _previews(family, table, one, ticks, setting)
            ),
            back=tuple(_back(one, ticks, setting) for one in back),
        )


def _goes(consent: Consent, direction: Direction) -> bool:
    return consent.sender == direction.sender.controller and direction.recipient in consent.recipients


def _person(family: Family, member: Member, number: int, ticks: Ticks, setting: Setting) -> Person:
    signed = ticks.signed.get(member.ref, frozenset())
    names = {one.ref: one.name for one in family.household.members}
    needed = member.must_sign(berlin_day(setting.at))
    day = berlin_day(setting.at)
    maybe = [one.ref for one in family.household.members if one.adult(day)]
    refs = sorted(needed, key=lambda ref: names.get(ref, ref)) if needed else maybe
    lacking = missing(member, signed, setting.at) if signed else None
    return Person(
        member.ref,
        member.name,
        day_text(member.birth_date) if member.birth_date else "",
        tuple(Signer(f"{member.ref}:{ref}", names.get(ref, "?"), ref in signed) for ref in refs),
        needed is not None,
        ", ".join(names.get(ref, "?") for ref in sorted(lacking or ())),
        str(ticks.places.get(member.ref, number)),
    )


def _column(direction: Direction, ticks: Ticks, setting: Setting) -> Column:
    text, names = setting.text, setting.names
    opened = ticks.opened.get(direction.key, frozenset())
    heading = text.word(
        "form", "says", sender=names[direction.sender.controller], recipient=names[direction.recipient]
    )
    boxes = (
        Tick(
            f"{direction.key}={code}",
            text.word("categories", code, "name"),
            text.word("categories", code, "text"),
            code in opened,
        )
        for code in setting.offered[direction.key]
    )
    seen = text.word("recipients", direction.kind)
    return Column(direction.key, heading, seen, tuple(boxes), ticks.workers.get(direction.key, ""))


def _purposes(ticks: Ticks, setting: Setting) -> Iterable[Tick]:
    kinds = {direction.kind for direction in setting.directions}
    asked = ["joint_case_management"]
    asked += ["cost_contribution"] if "youth_welfare" in kinds else []
    asked += ["benefit_administration"] if "jobcenter" in kinds else []
    for purpose in asked:
        yield Tick(purpose, setting.text.word("purposes", purpose), "", purpose in ticks.purposes)


def _previews(
    family: Family, table: SigningTable, direction: Direction, ticks: Ticks, setting: Setting
) -> Iterable[Preview]:
    """As if everybody who must had signed for everybody, so that the family sees what it decides about."""
    everybody = {
        member.ref: member.must_sign(berlin_day(setting.at)) or frozenset({"(custodians)"})
        for member in family.household.members
    }
    asked = Ticks(signed=everybody, opened=ticks.opened, purposes=ticks.purposes, workers=ticks.workers)
    consents = consents_of(family.household, asked, [direction], setting.text, setting.at)
    sights = table.sights(direction, consents)
    for number, member in enumerate(family.household.members, 1):
        mine = [sight for sight in sights if sight.member.ref == member.ref]
        yield _preview(member, f"p{number}", mine, direction, ticks, setting)


def _preview(
    member: Member, anchor: str, sights: Sequence[Sight], direction: Direction, ticks: Ticks, setting: Setting
) -> Preview:
    language, recipient = setting.text.language, setting.names[direction.recipient]
    main = next((one for one in sights if one.role.role in _MAIN), sights[0])
    others = [one for one in sights if one is not main and one.role.role != "coordinator"]
    opened = ticks.opened.get(direction.key, frozenset())
    return Preview(
        anchor,
        member.name,
        say(language, "sees", recipient=recipient, role=word("roles", main.role.role)),
        tuple(
            in_words(
                [_entry(seen) for seen in main.seen], setting, {s.record_ref for s in main.seen if s.by_norm}
            )
        ),
        tuple(_other(one, setting) for one in others),
        tuple(_closed(main, opened, direction, setting)),
    )


def _closed(main: Sight, opened: frozenset[str], direction: Direction, setting: Setting) -> Iterable[str]:
    text, language = setting.text, setting.text.language
    offered = setting.offered[direction.key]
    shown = {category for seen in main.seen for category in seen.categories}
    if empty := [code for code in offered if code in opened and code not in shown]:
        yield say(language, "empty", what=listed(text, empty))
    if unticked := [code for code in offered if code not in opened and code not in shown]:
        yield say(language, "not_ticked", what=listed(text, unticked))
    if main.member.must_sign(berlin_day(setting.at)) is None:
        yield say(language, "custody")
    yield say(language, "always", what="; ".join(text.word("never", one) for one in ("HI", "A65", "DOC")))


def _other(sight: Sight, setting: Setting) -> str:
    role = word("roles", sight.role.role)
    role = role[:1].upper() + role[1:]
    codes = {category for seen in sight.seen for category in seen.categories}
    what = listed(setting.text, (code for code in ORDER if code in codes))
    language = setting.text.language
    return say(language, "others", role=role, what=what) if what else say(language, "others_none", role=role)


def _back(direction: Direction, ticks: Ticks, setting: Setting) -> str:
    opened = ticks.opened.get(direction.key, frozenset())
    what = listed(setting.text, (code for code in setting.offered[direction.key] if code in opened))
    names = {
        "sender": setting.names[direction.sender.controller],
        "recipient": setting.names[direction.recipient],
    }
    language = setting.text.language
    return say(language, "back", what=what, **names) if what else say(language, "back_none", **names)


def _entry(seen: VisibleRecord) -> Entry:
    return Entry(seen.event_type, seen.record_ref, seen.occurred_at, seen.fields, seen.marked)


def in_words(entries: Sequence[Entry], setting: Setting, by_norm: Iterable[str] = ()) -> Iterable[Shown]:
    """Entries as a family reads them; the language must be spoken already."""
    norm = set(by_norm)
    for entry in entries:
        line = row(entry, setting.names[setting.office], berlin_day(setting.at))
        note = say(setting.text.language, "by_norm") if entry.record_ref in norm else ""
        yield Shown(line.title, line.when, _details(entry, line), note)


def _details(entry: Entry, line: PageRow) -> str:
    """Master data are said as they are; of everything else the labels are said too."""
    if entry.event_type in ("PersonRegistered", "PersonChanged"):
        day = berlin_day(entry.occurred_at)
        said = (
            value_text(entry.event_type, name, entry.fields[name], day)
            for name in _FACTS
            if name in entry.fields
        )
        return " · ".join(said)
    hidden = ("worker_id", "provisional")
    labels = {word("fields", name) for name in hidden}
    return " · ".join(f"{one.label}: {one.text}" for one in line.details if one.label not in labels)
