"""When persons come of age, so that a Berlin midnight looks at those whose day has come and at nobody else (rule 10).

Birth dates are sealed (rule 6). Beside each record that may hold one, the store keeps two keyed hashes: of the 15th
and of the 18th birthday: whoever knows the hub's secret can ask who comes of age on a day, and nobody can read a
day. A record without a readable birth date has random ones, so that no row tells whether a date is known.

Every version of a record keeps its days. A day of an old version raises an epoch in vain, which costs a look.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, delete

from hub.domain.clock import berlin_day
from hub.domain.envelope import Envelope
from hub.parts import Parts
from hub.policy.control import COMING_OF_AGE, coming_of_age
from hub.sealed.boxes import Found, content, keys_for
from hub.sealed.decode import Event, envelope_of
from hub.store import meta, subjects
from hub.store.bulk import among, merge, values
from hub.store.subjects import Birthdays
from hub.store.tables import coming_of_age as table
from projections.consent_register.queries import RECORDING, without_birthdays
from schemas import decode_single

PAGE = 500
_COMPLETE = "birthdays.complete"
_NEWEST = "(event_id) DO UPDATE SET fifteenth = excluded.fifteenth, eighteenth = excluded.eighteenth"


def records_birth(event: Event) -> bool:
    """Whether the event may hold a birth date, and so must be opened to be taken."""
    return event.envelope.event_type in RECORDING


def keep(connection: Connection, parts: Parts, events: Iterable[Event], found: Found) -> None:
    """Note the days of these events, in the transaction of their rows."""
    rows = {
        event.envelope.event_id: _row(parts, event.envelope, found)
        for event in events
        if records_birth(event)
    }
    merge(connection, table, list(rows.values()), _NEWEST)


def forget(connection: Connection, keys: Iterable[str]) -> None:
    """The days of these subjects go with their rows."""
    connection.execute(
        delete(table).where(among(connection, table.c.subject)), {"keys": values(connection, keys)}
    )


def due(connection: Connection, parts: Parts, after: date, until: date, beyond: str, limit: int) -> list[str]:
    """The subjects behind `beyond` who come of age on a Berlin day in (after, until], in order."""
    days = [after + timedelta(days=count + 1) for count in range((until - after).days)]
    if not days:
        return []
    fifteenth, eighteenth = ([_hash(parts.secret, age, day) for day in days] for age in COMING_OF_AGE)
    return subjects.coming_of_age_on(connection, Birthdays(fifteenth, eighteenth), beyond, limit)


def complete_page(parts: Parts, now: datetime) -> int | None:
    """Note the days of a page of records that have none: of an older release's store, or written by one beside this
    release. Looked for once a Berlin day and after every rebuild; None when there is none."""
    with parts.store.transaction() as connection:
        live = subjects.live_generation(connection, "consent_register")
        said = f"{live} {berlin_day(now)}"
        if meta.text(connection, _COMPLETE) == said:
            return None
        rows = without_birthdays(connection, live, PAGE)
        if not rows:
            meta.write(connection, _COMPLETE, said)
            return None
    envelopes = [envelope_of(decode_single(row.envelope)[1]) for row in rows]
    found = keys_for(parts.keys, "proof", envelopes)
    with parts.store.transaction() as connection:
        merge(connection, table, [_row(parts, envelope, found) for envelope in envelopes], _NEWEST)
    return 0


def _row(parts: Parts, envelope: Envelope, found: Found) -> tuple[str, ...]:
    born = content(envelope, "proof", found).fields.get("birth_date")
    days = (coming_of_age(born, age) if born else None for age in COMING_OF_AGE)
    hashes = (
        _hash(parts.secret, age, day) if day else secrets.token_hex(16)
        for age, day in zip(COMING_OF_AGE, days, strict=True)
    )
    return envelope.event_id.hex(), f"{envelope.controller_id}:{envelope.subject_ref}", *hashes


def _hash(secret: bytes, age: int, day: date) -> str:
    """Of its own kind for each age, so that one person's fifteenth birthday matches nobody's eighteenth."""
    return hmac.new(secret, f"comes of age {age} {day.isoformat()}".encode(), hashlib.sha256).hexdigest()[:32]
