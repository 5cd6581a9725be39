"""What became of one consent: what it opened, to whom, and after its withdrawal who was told when and answered what.

The disclosure register is the witness: each release names the consents it rests on, and each is ended by the view that
took its place. The consent itself is opened in memory with the proof key and nowhere else.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from hub.domain.consent import Consent, consent_name, referred
from hub.parts import Parts
from hub.policy.grounds import signed
from hub.store import evidence, subjects
from hub.store.tables import disclosure
from hub.store.views import DisclosureRow
from hub.subjects.consent_index import open_grants, open_rows
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from projections.consent_register import queries

_GRANTED = "ConsentGranted"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one role of one recipient got through this consent. Times are microseconds since 1970 UTC.

    `fields`: all it ever had; `still`: what it has now. `told_at`: when the view that took something away was sent,
    None while none did. `answer`: the sink's: deleted, shown (replaced by less), hidden, or kept with the norm; None
    while it has not answered.
    """

    recipient: str
    role: str
    sender: str
    person: str
    fields: tuple[str, ...]
    still: tuple[str, ...]
    since: int
    received_at: int | None
    told_at: int | None
    answer: str | None
    answered_at: int | None


@dataclass(frozen=True, slots=True)
class ConsentStory:
    """A consent, whether all who can have signed it, and its receipts. `told`: language, interpreter and text."""

    consent: Consent
    signed: bool
    objected: bool
    told: dict[str, Any] = field(repr=False)
    receipts: tuple[Receipt, ...]


def consent_story(parts: Parts, consent_id: str, about: Iterable[str] = ()) -> ConsentStory | None:
    """The first of `consent_stories`: all there is for a consent that is named by office and number, or by the hub's
    own name. None for one that the hub does not know or can no longer read. Raises ServiceUnavailable."""
    return next(iter(consent_stories(parts, consent_id, about)), None)


def consent_stories(parts: Parts, consent_id: str, about: Iterable[str] = ()) -> list[ConsentStory]:
    """Every consent that this may mean: a number alone means the papers of all agencies that bear it, `AGENCY:NUMBER`
    one of them. `about`: the subject keys of whom it may be. Raises ServiceUnavailable."""
    with parts.store.transaction() as connection:
        keys = list(about) or _holders(connection, parts, consent_id)
        known = learn(connection, parts.keys, parts.knowledge, keys)
        now = parts.clock.now()
        meant: dict[str, tuple[str, Consent]] = {}
        for key in keys:
            for one in known[key].consents_at(now):
                if consent_id in _names(one):
                    meant.setdefault(one.id, (key, one))
        return [_story(connection, parts, key, known[key], one) for _, (key, one) in sorted(meant.items())]


def _story(
    connection: Connection, parts: Parts, key: str, known: Knowledge, consent: Consent
) -> ConsentStory:
    now = parts.clock.now()
    names = [one.id for one in known.consents]
    released = _released(connection, known.person, consent.id, names)
    return ConsentStory(
        consent,
        signed(consent, known.subject(now), now),
        known.objected(now),
        _told(connection, parts, key, consent),
        tuple(_receipts(released)),
    )


def _names(consent: Consent) -> set[str]:
    """What people may call a consent: by its number, by office and number, by the hub's own name."""
    return {consent.id, consent.number, f"{consent.recorded_by}:{consent.number}"}


def _holders(connection: Connection, parts: Parts, consent_id: str) -> list[str]:
    """Whose consents bear this id. A number is sealed, so all of an agency's consents are opened to find one; where no
    agency is named, those of all, for another one's paper may bear the number too."""
    live = subjects.live_generation(connection, "consent_register")
    agency, _, number = consent_id.rpartition(":")
    rows = [
        row for row in queries.naming(connection, live, {consent_id, number}) if row.event_type == _GRANTED
    ]
    keys = {row.subject for row in rows if row.subject.startswith(f"{agency}:" if agency else "")}
    if not (keys and agency):
        opened = open_grants(connection, parts.keys, agency)
        keys |= {one.row.subject for one in opened if one.number in (number, consent_id)}
    return sorted(keys)


def _told(connection: Connection, parts: Parts, key: str, consent: Consent) -> dict[str, Any]:
    names = ("language", "interpreter", "text_hash", "supersedes")
    for one in open_rows(connection, parts.keys, [key]):
        if one.grants and consent_name(one.controller, str(one.row.consent_id)) == consent.id:
            return {name: one.fields.get(name) for name in names}
    return {}


def _released(connection: Connection, person: str, name: str, known: Sequence[str]) -> list[DisclosureRow]:
    """Every release about this person, who has the `known` consents, that rested on this one, in order."""
    wanted = select(disclosure).where(disclosure.c.person == person).order_by(disclosure.c.at)
    rows = [DisclosureRow(*row) for row in connection.execute(wanted)]
    grounds = evidence.grounds_of(connection, [row.view_id for row in rows])
    named = {row.key: evidence.names_of(grounds.get(row.key, ()), row.grounds) for row in rows}
    return [row for row in rows if name in referred(named[row.key], row.sender, known)]


def _receipts(released: Sequence[DisclosureRow]) -> Iterable[Receipt]:
    slots: defaultdict[tuple[str, str, str, str], list[DisclosureRow]] = defaultdict(list)
    for row in released:
        slots[row.recipient, row.role, row.sender, row.person].append(row)
    for slot, rows in sorted(slots.items()):
        yield _receipt(*slot, rows)


def _receipt(recipient: str, role: str, sender: str, person: str, rows: Sequence[DisclosureRow]) -> Receipt:
    shown = [frozenset(filter(None, row.fields.split(","))) for row in rows]
    still = frozenset[str]() if rows[-1].ended_by else shown[-1]
    narrowed = [row for row, had, has in zip(rows, shown, [*shown[1:], still], strict=True) if had - has]
    last = narrowed[-1] if narrowed else None
    return Receipt(
        recipient,
        role,
        sender,
        person,
        tuple(sorted(frozenset().union(*shown))),
        tuple(sorted(still)),
        rows[0].at,
        received_at=next((row.confirmed_at for row in rows if row.confirmed_at), None),
        told_at=last.told_at if last else None,
        answer=last.ended_answer if last else None,
        answered_at=last.answered_at if last else None,
    )
