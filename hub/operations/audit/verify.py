"""Every entry of the disclosure register, held against what was declared.

Each released field is judged by the ground that was recorded for this very field, at the moment at which the broker
appended the view.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from sqlalchemy import select, tuple_

from hub.domain.clock import berlin_day, micros, moment
from hub.operations.audit.declared import AuditedConsent, AuditedRelease, Declarations, Named, batches
from hub.parts import Parts
from hub.ports import Record
from hub.store import evidence, meta
from hub.store.evidence import Appended, FieldsGround, Release
from hub.store.tables import disclosure
from hub.store.views import DisclosureRow
from hub.views.record import append_deadline
from schemas import InvalidPayload, UnknownSchema, decode_single, event_schema, topics

LISTED = 1000
"""Breaches that an audit names one by one; it counts them all."""

BREACHES, AUDITED_AT = "audit.breaches", "audit.at"  # kept by a whole `hub audit verify`
_PAGE = 500  # entries of the register
_VIEWS = 50  # records of a views topic at a time: each may have half a megabyte
_POWER = "§ 69 SGB X: "
_STRICTER = ("G9", "A65")


class Covered(IntEnum):
    """How a released field was covered, the worst last. `IN_FLIGHT`: what took its ground back had reached the log when
    the view was appended, and the hub had not applied it yet, within the time that this may take."""

    YES = 0
    IN_FLIGHT = 1
    UNPROVABLE = 2
    NO = 3


@dataclass(frozen=True, slots=True)
class Breach:
    """A release without a ground; it names the view and the fields, never the person."""

    view_id: str
    sender: str
    recipient: str
    role: str
    at: int
    fields: tuple[str, ...]


@dataclass(slots=True)
class Audit:
    """`fields`: how many released fields were looked at; the others count those not simply covered. `worthless`
    releases were appended after their view's own deadline, so no sink applies them. `breaches` names the first ones."""

    releases: int = 0
    fields: int = 0
    in_flight: int = 0
    unprovable: int = 0
    worthless: int = 0
    without_consent: int = 0
    breaches: list[Breach] = field(default_factory=list)


def verify(parts: Parts, since: int = 0, tolerance: float | None = None) -> Audit:
    """Recompute every release from `since` (microseconds since 1970 UTC) on. What a whole audit (`since` 0) finds is
    kept for the metric; a partial one changes nothing.

    A withdrawal counts from when the hub committed it. One that has reached the log and is not committed, or of which
    that was not noted, may be `tolerance` seconds old, by default as long as the hub may lag behind its consents before
    it closes.

    Looked at are consents and their circumstances, not who must have signed. An entry of an older version of the hub
    does not say what each field rested on: any of its consents may cover it, and beside a power of the law it may not
    be provable.
    """
    late = round((parts.stale_after if tolerance is None else tolerance) * 1_000_000)
    audit, began = Audit(), micros(parts.clock.now())
    _note_appended(parts)
    declarations = Declarations(parts)
    try:
        for page in _pages(parts, since):
            _judge(parts, audit, page, declarations, late)
    finally:
        declarations.close()
    if since == 0:
        with parts.store.transaction() as connection:
            meta.put(connection, BREACHES, audit.without_consent)
            meta.put(connection, AUDITED_AT, began)
    return audit


@dataclass(frozen=True, slots=True)
class _Page:
    """Entries of the register, and what was recorded beside them."""

    rows: Sequence[DisclosureRow]
    grounds: Mapping[Release, Sequence[FieldsGround]]
    appended: Mapping[str, Appended]


def _note_appended(parts: Parts) -> None:
    """Keep the append time of every view that the recipients' topics still hold."""
    for agency in sorted(parts.agencies):
        for batch in batches(parts, topics()["views"].of(agency), _VIEWS):
            seen: dict[str, Appended] = {}
            for record in batch:
                for name, one in _appended(parts.secret, record):
                    if name not in seen or one.in_time or not seen[name].in_time:
                        seen[name] = one
            with parts.store.transaction() as connection:
                evidence.note_appended(connection, seen)


def _appended(secret: bytes, record: Record) -> Iterator[tuple[str, Appended]]:
    try:
        view = decode_single(record.value)[1]
    except (UnknownSchema, InvalidPayload):
        return
    if "view_id" in view:
        yield bytes(view["view_id"]).hex(), Appended(record.timestamp, append_deadline(secret, record))


def _pages(parts: Parts, since: int) -> Iterator[_Page]:
    """In the order of decision, a page a transaction: nobody waits for an audit, and memory does not grow with it."""
    d, after = disclosure.c, (since, "", "", "")
    order = (d.at, d.view_id, d.person, d.sender)
    wanted = select(*(d[name] for name in DisclosureRow._fields)).order_by(*order).limit(_PAGE)
    while True:
        with parts.store.transaction() as connection:
            found = connection.execute(wanted.where(d.at >= after[0], tuple_(*order) > after)).all()
            rows = [DisclosureRow(*row) for row in found]
            views = [row.view_id for row in rows]
            page = _Page(rows, evidence.grounds_of(connection, views), evidence.appended(connection, views))
        if not rows:
            return
        yield page
        after = (rows[-1].at, *rows[-1].key)


def _judge(parts: Parts, audit: Audit, page: _Page, declarations: Declarations, late: int) -> None:
    named = {
        (row.sender, name) for row in page.rows for name in _consents(row, page.grounds.get(row.key, ()))
    }
    found = declarations.of(named)
    for row in page.rows:
        appended = page.appended.get(row.view_id)
        audit.releases += 1
        if appended and not appended.in_time:
            audit.worthless += 1
            continue
        at = appended.at if appended else row.delivered_at or row.at
        judging = _Judging(parts, row, at, late, found)
        _count(audit, row, at, judging.fields(page.grounds.get(row.key, ())))


def _count(audit: Audit, row: DisclosureRow, at: int, covered: Mapping[str, Covered]) -> None:
    audit.fields += len(covered)
    audit.in_flight += sum(one is Covered.IN_FLIGHT for one in covered.values())
    audit.unprovable += sum(one is Covered.UNPROVABLE for one in covered.values())
    missing = tuple(sorted(name for name, one in covered.items() if one is Covered.NO))
    audit.without_consent += len(missing)
    if missing and len(audit.breaches) < LISTED:
        audit.breaches.append(Breach(row.view_id, row.sender, row.recipient, row.role, at, missing))


@dataclass(frozen=True, slots=True)
class _Judging:
    """One release at the moment at which its view was appended."""

    parts: Parts
    row: DisclosureRow
    at: int
    late: int
    found: Mapping[Named, Sequence[AuditedConsent]]

    def fields(self, grounds: Sequence[FieldsGround]) -> Mapping[str, Covered]:
        """Every field that the register or its grounds name; shown on several grounds, each of them must hold."""
        named = self.row.fields.split(",")
        if not grounds:
            return {name: self._of_old_entry(name) for name in named}
        covered: dict[str, Covered] = {}
        for ground in grounds:
            for name in ground.fields:
                covered[name] = max(covered.get(name, Covered.YES), self._on(ground, name))
        return {name: covered.get(name, Covered.NO) for name in {*named, *covered}}

    def _on(self, ground: FieldsGround, name: str) -> Covered:
        moved = ground.category in (*_STRICTER, *self._moving(name))
        category = ground.category if moved else self._category(name)
        if category is None:
            return Covered.NO
        if ground.norm is not None:
            opened = ground.norm.startswith(_POWER) and self._opens_by_norm(category)
            return Covered.YES if opened else Covered.NO
        return self._by(ground.consents, (category,))

    def _opens_by_norm(self, category: str) -> bool:
        """Whether the hub's own matrix of that day lets this role see the category without a consent: what an agency
        tightened, perhaps since, is left out."""
        row = self.row
        period = self.parts.gate.policy.on(berlin_day(moment(self.at)))
        cell = period.row(row.role, row.sender, row.recipient).get(category) if period else None
        while cell and cell.before:
            cell = cell.before
        return cell is not None and cell.show in ("A", "R") and not cell.consent_only

    def _of_old_entry(self, name: str) -> Covered:
        pieces = [piece for piece in self.row.grounds.split(",") if piece]
        powers = [piece for piece in pieces if piece.startswith(_POWER)]
        if powers and powers == pieces:
            return Covered.YES
        category = self._category(name)
        asked = _STRICTER if category is None else (category, *_STRICTER, *self._moving(name))
        covered = self._by(_texts(self.row.grounds), asked)
        return Covered.UNPROVABLE if powers and covered is Covered.NO else covered

    def _by(self, consents: Iterable[str], categories: Iterable[str]) -> Covered:
        row = self.row
        asked = [AuditedRelease(row.sender, row.recipient, row.purpose, one, self.at) for one in categories]
        pairs = [
            (consent, one)
            for name in consents
            for consent in self.found.get((row.sender, name), ())
            for one in asked
        ]
        open_ = [(consent, one) for consent, one in pairs if consent.covers(one)]
        if any(not consent.ended(one, self.late) and not consent.ending(one) for consent, one in open_):
            return Covered.YES
        if any(not consent.ended(one, self.late) for consent, one in open_):
            return Covered.IN_FLIGHT
        return Covered.UNPROVABLE if any(consent.sealed for consent, _ in pairs) else Covered.NO

    def _category(self, name: str) -> str | None:
        """The one that the field has by its schema; None for a field that no schema knows."""
        event_type, _, field_name = name.partition(".")
        agency = self.parts.agencies.get(self.row.sender)
        try:
            spec = event_schema(event_type).fields[field_name]
        except (UnknownSchema, KeyError):
            return None
        return spec.category_for(agency.kind) if agency else None

    def _moving(self, name: str) -> frozenset[str]:
        """The categories to which a code of its record may have brought the field."""
        try:
            return event_schema(name.partition(".")[0]).moving
        except UnknownSchema:
            return frozenset()


def _consents(row: DisclosureRow, grounds: Sequence[FieldsGround]) -> Iterable[str]:
    """Every consent id that a release may name."""
    return (name for ground in grounds for name in ground.consents) if grounds else _texts(row.grounds)


def _texts(joined: str) -> Iterator[str]:
    """What the joined text of an older entry may have been joined of: an id may hold a comma itself."""
    pieces = joined.split(",")
    for first in range(len(pieces)):
        for last in range(first + 1, min(len(pieces), first + _LONGEST_ID) + 1):
            yield ",".join(pieces[first:last])


_LONGEST_ID = 4  # pieces between commas
