"""Every entry of the disclosure register, held against what was declared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from sqlalchemy import select

from hub.adapters.store import meta
from hub.adapters.store.tables import disclosure
from hub.adapters.store.views import DisclosureRow
from hub.audit.declared import Asked, Declared, declared
from hub.domain.clock import micros
from hub.metrics.store import BREACHES
from hub.stages.parts import Parts
from schemas import event_schema

WHEN = "audit.at"
_POWER = "§ 69 SGB X: "
_STRICTER = ("G9", "A65")


class Covered(Enum):
    """How a released field was covered; `IN_FLIGHT`: its withdrawal had arrived, within the time it may take."""

    YES = "yes"
    IN_FLIGHT = "in_flight"
    UNPROVABLE = "unprovable"
    NO = "no"


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
    """`fields`: how many released fields were looked at; the others count those not simply covered."""

    releases: int = 0
    fields: int = 0
    in_flight: int = 0
    unprovable: int = 0
    breaches: list[Breach] = field(default_factory=list)

    @property
    def without_consent(self) -> int:
        return sum(len(one.fields) for one in self.breaches)


def verify(parts: Parts, since: int = 0, patience: float | None = None) -> Audit:
    """Recompute every release from `since` (microseconds since 1970 UTC) on, and keep the count for the metric.

    A withdrawal that had reached the log may be `patience` seconds old, by default as long as the hub may lag behind
    its consents before it closes: whether the hub had taken it is not in the log.

    Looked at are consents and their circumstances, not who must have signed, and the category that a field has by its
    schema: a record raised to a stricter one counts as covered by a consent for either.
    """
    found = declared(parts)
    late = round((parts.stale_after if patience is None else patience) * 1_000_000)
    audit = Audit()
    with parts.store.transaction() as connection:
        wanted = select(*(disclosure.c[name] for name in DisclosureRow._fields)).where(
            disclosure.c.at >= since
        )
        rows = [DisclosureRow(*row) for row in connection.execute(wanted.order_by(disclosure.c.at))]
    for row in rows:
        _count(audit, row, dict(_fields(parts, row, found, late)))
    with parts.store.transaction() as connection:
        meta.put(connection, BREACHES, audit.without_consent)
        meta.put(connection, WHEN, micros(parts.clock.now()))
    return audit


def _count(audit: Audit, row: DisclosureRow, covered: Mapping[str, Covered]) -> None:
    audit.releases += 1
    audit.fields += len(covered)
    audit.in_flight += sum(one is Covered.IN_FLIGHT for one in covered.values())
    audit.unprovable += sum(one is Covered.UNPROVABLE for one in covered.values())
    missing = tuple(name for name, one in covered.items() if one is Covered.NO)
    if missing:
        audit.breaches.append(Breach(row.view_id, row.sender, row.recipient, row.role, row.at, missing))


def _fields(
    parts: Parts, row: DisclosureRow, found: Mapping[str, Declared], late: int
) -> Iterator[tuple[str, Covered]]:
    at = row.at if row.delivered_at is None else row.delivered_at
    consents = [found[name] for name in row.grounds.split(",") if name in found]
    for name in row.fields.split(","):
        asked = [
            Asked(row.sender, row.recipient, row.purpose, category, at)
            for category in (_category(parts, row.sender, name), *_STRICTER)
        ]
        if _POWER in row.grounds:
            yield name, Covered.YES
        else:
            yield name, _covered(consents, asked, late)


def _covered(consents: Iterable[Declared], asked: Iterable[Asked], late: int) -> Covered:
    pairs = [(consent, one) for consent in consents for one in asked]
    open_ = [(consent, one) for consent, one in pairs if consent.covers(one)]
    if any(not consent.ended(one, 0) for consent, one in open_):
        return Covered.YES
    if any(not consent.ended(one, late) for consent, one in open_):
        return Covered.IN_FLIGHT
    return Covered.UNPROVABLE if any(consent.sealed for consent, _ in pairs) else Covered.NO


def _category(parts: Parts, sender: str, name: str) -> str:
    event_type, _, field_name = name.partition(".")
    return event_schema(event_type).fields[field_name].category_for(parts.agencies[sender].kind)
