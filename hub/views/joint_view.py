"""The joint view as one object: what the page, the API and `hub view` give (contract `view`).

Of an unknown, a denied, an erased and an empty case the object is the same: nobody is in it, and every model is empty.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.parts import Parts
from hub.views.opening import OpenedView
from hub.views.record import person_ref
from hub.views.redaction import Entry, ViewPart
from projections.models import models
from projections.shown import ShownEntry, ShownView, moment
from schemas import to_json

NOTICE = "Zur Familie können weitere Personen gehören"
"""Stands in every view, so that it tells nothing of the family at hand."""


def joint_view(parts: Parts, case_ref: str, opened: OpenedView) -> dict[str, Any]:
    """The object; `case_ref` is the asking agency's own pseudonym of the case. It holds no time: as of when it was made
    the caller says beside it, so that equal views are equal bytes."""
    question, family = opened.question, _family(parts, opened)
    persons = _persons(parts, opened, family)
    return {
        "case_ref": case_ref,
        "role": question.recipient.role,
        "purpose": question.purpose,
        "notice": NOTICE,
        "persons": [_person(ref, of, opened) for ref, of in persons.items()],
        "models": models(_shown(parts.agencies, opened, persons, family)),
    }


def shown_entry(about: str, entry_id: str, sender: str, entry: Entry) -> ShownEntry:
    """An entry as folds take it, under these names."""
    return ShownEntry(entry.occurred_at, entry_id, entry.event_type, about, sender, to_json(entry.fields))


def _family(parts: Parts, opened: OpenedView) -> str:
    """The recipient's own pseudonym of the family, or one made for it alone; it needs no entry of its own."""
    file, own = opened.file, opened.question.recipient.controller
    known = sorted(key for key, one in file.known.items() if one.family) if file else []
    key = next((one for one in known if one.startswith(f"{own}:")), next(iter(known), None))
    return person_ref(parts.secret, own, file.known[key].person, file) if file and key else ""


def _persons(parts: Parts, opened: OpenedView, family: str) -> dict[str, list[ViewPart]]:
    """Ref → parts, in the view's order; all of the family's own records under one ref."""
    file = opened.file
    if file is None:
        return {}
    families = {known.person for known in file.known.values() if known.family}
    found: dict[str, list[ViewPart]] = {}
    for part in opened.redacted.parts:
        own = opened.question.recipient.controller
        ref = family if part.person in families else person_ref(parts.secret, own, part.person, file)
        found.setdefault(ref, []).append(part)
    return found


def _person(ref: str, of: list[ViewPart], opened: OpenedView) -> dict[str, Any]:
    """One person; `unreadable` stands there only when records could not be opened, as in a delivered view."""
    entries = sorted(
        ((part.sender, entry) for part in of for entry in part.entries),
        key=lambda one: (one[1].occurred_at, one[1].record_ref),
    )
    withheld = opened.redacted.withheld
    unreadable = sum(part.unreadable for part in of)
    person: dict[str, Any] = {
        "ref": ref,
        "entries": [_entry(sender, entry) for sender, entry in entries],
        "grounds": sorted({ground for part in of for ground in part.grounds}),
        "withheld": sorted({code for part in of for code in withheld.get(part.person, ())}),
    }
    return person | ({"unreadable": unreadable} if unreadable else {})


def _entry(sender: str, entry: Entry) -> dict[str, Any]:
    return {
        "type": entry.event_type,
        "id": entry.record_ref,
        "occurred_at": moment(entry.occurred_at),
        "sender": sender,
        "fields": to_json(entry.fields),
        "marked": list(entry.marked),
    }


def _shown(
    agencies: Mapping[str, Agency], opened: OpenedView, persons: Mapping[str, list[ViewPart]], family: str
) -> ShownView:
    recipient = opened.question.recipient
    return ShownView(
        tuple(_entries(persons)),
        recipient.role,
        recipient.controller,
        berlin_day(opened.question.at),
        family,
        tuple(persons),
        {agency.id: agency.kind for agency in agencies.values()},
    )


def _entries(persons: Mapping[str, list[ViewPart]]) -> Iterator[ShownEntry]:
    for ref, of in persons.items():
        for part in of:
            for entry in part.entries:
                yield shown_entry(ref, entry.record_ref, part.sender, entry)
