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
from projections.shown import ShownEntry, ShownView
from schemas import to_json

NOTICE = "Zur Familie können weitere Personen gehören"
"""Stands in every view, so that it tells nothing of the family at hand."""


def joint_view(parts: Parts, case_ref: str, opened: OpenedView) -> dict[str, Any]:
    """The object; `case_ref` is the asking agency's own pseudonym of the case. It holds no time: as of when it was made
    the caller says beside it, so that equal views are equal bytes."""
    question = opened.question
    persons = _persons(parts, opened)
    return {
        "case_ref": case_ref,
        "role": question.recipient.role,
        "purpose": question.purpose,
        "notice": NOTICE,
        "persons": [_person(ref, of, opened) for ref, of in persons.items()],
        "models": models(_shown(parts.agencies, opened, persons)),
    }


def shown_entry(about: str, entry_id: str, sender: str, entry: Entry) -> ShownEntry:
    """An entry as folds take it, under these names."""
    return ShownEntry(entry.occurred_at, entry_id, entry.event_type, about, sender, to_json(entry.fields))


def _persons(parts: Parts, opened: OpenedView) -> dict[str, list[ViewPart]]:
    """Ref → parts, in the view's order; all of the family's own records under one ref."""
    file = opened.file
    if file is None:
        return {}
    families = {known.person for known in file.known.values() if known.family}
    found: dict[str, list[ViewPart]] = {}
    family = ""
    for part in opened.redacted.parts:
        ref = person_ref(parts.secret, opened.question.recipient.controller, part.person, file)
        if part.person in families:
            family = ref = family or ref
        found.setdefault(ref, []).append(part)
    return found


def _person(ref: str, of: list[ViewPart], opened: OpenedView) -> dict[str, Any]:
    entries = sorted(
        ((part.sender, entry) for part in of for entry in part.entries),
        key=lambda one: (one[1].occurred_at, one[1].record_ref),
    )
    withheld = opened.redacted.withheld
    return {
        "ref": ref,
        "entries": [
            {**entry.as_json(), "sender": sender, "marked": list(entry.marked)} for sender, entry in entries
        ],
        "grounds": sorted({ground for part in of for ground in part.grounds}),
        "withheld": sorted({code for part in of for code in withheld.get(part.person, ())}),
    }


def _shown(
    agencies: Mapping[str, Agency], opened: OpenedView, persons: Mapping[str, list[ViewPart]]
) -> ShownView:
    recipient, file = opened.question.recipient, opened.file
    families = {known.person for known in file.known.values() if known.family} if file else set()
    family = next((ref for ref, of in persons.items() if of[0].person in families), "")
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
