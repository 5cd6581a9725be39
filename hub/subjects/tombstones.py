"""What makes no row any more: records under a key version that is gone, records of a case whose retention is over.

The log keeps the sealed records for ever. Read again, by a late batch, a rebuild or a restored hub, they must not come
back as rows: a rebuild after an erasure equals the live read model (promise 4).
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from hub.domain.consent import NARROWING
from hub.domain.envelope import Envelope
from hub.domain.seal import key_version
from hub.ports import ProjectedEvent
from hub.sealed.decode import Event, decode_envelope
from hub.store import erasures, subjects
from projections.consent_register.apply import row_id
from projections.consent_register.queries import present


def dark(envelope: Envelope, version: int) -> bool:
    """Whether a box of it is sealed under this key version or an older one: the worst box counts."""
    return any(key_version(box) <= version for box in envelope.boxes.values())


def living(connection: Connection, events: Sequence[ProjectedEvent]) -> list[ProjectedEvent]:
    """Those admitted events that still make a row. Until the transaction ends nobody erases behind our back."""
    gone = erasures.tombstones(connection, "box", {event.subject for event in events})
    closed = erasures.closed(connection, {event.case_key for event in events}) if events else {}
    if not gone and not closed:
        return list(events)
    return [event for event in events if not _over(event, closed) and not _dark(event, gone)]


def provable(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """Those events of a consents topic whose proof has not been destroyed with its retention, and all that narrow:
    they take effect even if nobody can open them (rule 7)."""
    gone = _proofs_gone(connection, events)
    return [event for event in events if narrows(event) or not _unprovable(event, gone)]


def still_provable(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """The same for a rebuild: of what narrows and nobody can open, it keeps the rows that the live model has. The
    retention of proofs removed the others, and they stay away."""
    gone = _proofs_gone(connection, events)
    ids = {id(event): row_id(event.envelope, event.value) for event in events if _unprovable(event, gone)}
    live = subjects.live_generation(connection, "consent_register")
    kept = present(connection, live, set(ids.values())) if ids else set()
    return [event for event in events if id(event) not in ids or (narrows(event) and ids[id(event)] in kept)]


def narrows(event: Event) -> bool:
    """Whether it can only take something back: such an event waits behind no quarantined one (rule 8)."""
    return event.envelope.event_type in NARROWING


def _proofs_gone(connection: Connection, events: Sequence[Event]) -> Mapping[str, int]:
    return erasures.tombstones(connection, "proof", {event.subject for event in events})


def _unprovable(event: Event, gone: Mapping[str, int]) -> bool:
    return event.subject in gone and dark(event.envelope, gone[event.subject])


def _dark(event: ProjectedEvent, gone: Mapping[str, int]) -> bool:
    return event.subject in gone and dark(decode_envelope(event.record), gone[event.subject])


def _over(event: ProjectedEvent, closed: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether the case was closed for so long that a record of its age and categories is kept no more."""
    marks = closed.get(event.case_key)
    return marks is not None and over(marks, event.head.recorded_at, lambda: decode_envelope(event.record))


def over(marks: Mapping[str, int], recorded_at: int, envelope: Callable[[], Envelope]) -> bool:
    """`marks`: category ("" for all) → until when what was recorded is kept no more."""
    if recorded_at <= marks.get("", -1):
        return True
    return bool(marks.keys() - {""}) and any(
        recorded_at <= marks.get(category, -1) for category in envelope().fields.values()
    )
