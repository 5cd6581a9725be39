"""Control records that nobody can use once they are opened: a consent, a withdrawal, a birth date, capacity, custody,
an objection, a link.

Where they stand in the log nothing is wrong with them, so the stage takes them; what their boxes hold decides nothing,
or narrows (`hub.subjects.fold`). Somebody must learn why: each stands in quarantine as an item, by agency and row id,
never by content, so that `doctor` and a metric say so, until an operator drops it; nothing waits behind it. A record
that narrows took effect nevertheless, and its reason says so.

No withdrawal waits for a key that only this asks for: where one is in the batch, or the key service is away, the
records are noted in the transaction, and opened by the timers.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.domain.consent import NARROWING
from hub.domain.envelope import Envelope
from hub.domain.seal import key_version
from hub.errors import ServiceUnavailable
from hub.isolation import halved, note_failure
from hub.parts import Parts
from hub.policy.retention import cutoff
from hub.sealed.boxes import Content, Found, content, key_ref, keys_for
from hub.sealed.decode import Event, envelope_of, received_at
from hub.stages.intake import TOOK_EFFECT
from hub.stages.misnamed import CHECKED, NOT_THEIRS, STAGE, item_name
from hub.store import quarantines, subjects
from hub.store.quarantines import Item
from hub.subjects.consent_index import NEEDED
from projections.consent_register import apply
from projections.consent_register.queries import GRANT, RegisterRow, by_id
from schemas import decode_single

UNCHECKED = "unchecked"
"""The reason of a record that has not been opened yet."""


def keys_at_once(parts: Parts, events: Sequence[Event]) -> Found:
    """The keys of these events; none where opening must wait."""
    if any(event.envelope.event_type in NARROWING for event in events):
        return {}
    try:
        return keys_for(parts.keys, "proof", [event.envelope for event in events])
    except ServiceUnavailable:
        return {}


def note(connection: Connection, parts: Parts, events: Iterable[Event], found: Found) -> None:
    """Note those of these events that cannot be used, and those whose keys are not `found`."""
    at = micros(parts.clock.now())
    reasons = {
        _name(event): _reason(parts, event.envelope, received_at(parts.secret, event.record), found)
        for event in events
        if not event.broken
    }
    told = [Item(STAGE, name, reason, at, CHECKED) for name, reason in reasons.items() if reason]
    quarantines.add_items(connection, told)


def check(parts: Parts) -> int:
    """Open what has not been opened yet, and let those go that can be used; how many cannot. Raises
    ServiceUnavailable."""
    with parts.store.transaction() as connection:
        noted = quarantines.items(connection, STAGE, UNCHECKED)
        if not noted:
            return 0
        live = subjects.live_generation(connection, "consent_register")
        rows = by_id(connection, live, [one.item.split(":", 1)[1] for one in noted])
    reasons = dict(chain.from_iterable(halved(rows, lambda some: _reasons(parts, some), _refused)))
    with parts.store.transaction() as connection:
        quarantines.remove_items(connection, STAGE, [one.item for one in noted])
        told = [one._replace(reason=reason) for one in noted if (reason := reasons.get(one.item))]
        quarantines.add_items(connection, told)
    return len(told)


def _reasons(parts: Parts, rows: Sequence[RegisterRow]) -> list[tuple[str, str | None]]:
    envelopes = [envelope_of(decode_single(row.envelope)[1]) for row in rows]
    found = keys_for(parts.keys, "proof", envelopes)
    return [
        (item_name(row), _reason(parts, envelope, row.received_at, found))
        for row, envelope in zip(rows, envelopes, strict=True)
    ]


def _refused(row: RegisterRow, error: Exception) -> list[tuple[str, str | None]]:
    return [(item_name(row), note_failure(STAGE, error))]


def decides_nothing(item: Item) -> bool:
    """Whether this item of the stage is a record that cannot be used and took no effect."""
    return not item.reason.startswith(TOOK_EFFECT) and item.reason not in (NOT_THEIRS, UNCHECKED)


def _reason(parts: Parts, envelope: Envelope, received: int, found: Found) -> str | None:
    """Why this record cannot be used; None when it can."""
    ref = key_ref(envelope, "proof")
    if any((ref, key_version(box)) not in found for box in envelope.boxes.values()):
        return UNCHECKED
    opened = content(envelope, "proof", found)
    why = _why(parts, envelope, received, opened)
    return f"{TOOK_EFFECT}{why}" if why and envelope.event_type in NARROWING else why


def _why(parts: Parts, envelope: Envelope, received: int, opened: Content) -> str | None:
    if opened.state == "open":
        lacks = envelope.event_type == GRANT and not opened.fields.keys() >= NEEDED
        return "incomplete" if lacks else None
    if opened.state in ("erased", "fenced"):
        return f"key_{opened.state}" if _too_young(parts, envelope, received) else None
    return opened.state


def _too_young(parts: Parts, envelope: Envelope, received: int) -> bool:
    """Whether retention cannot have destroyed the proof key yet: then nobody ever had this one, or it is lost."""
    until = micros(cutoff(parts.retention, "consent_ended", parts.clock.now()))
    return received > until and (envelope.valid_until is None or envelope.valid_until > until)


def _name(event: Event) -> str:
    return f"{event.envelope.controller_id}:{apply.row_id(event.envelope, event.value)}"
