"""What makes no row any more: records sealed under a key version that an erasure has ended.

The log keeps the sealed records for ever and nobody can open them. Read again, by a late batch, a rebuild or a restored
hub, they must not come back as dead rows either: a rebuild after an erasure equals the live read model (promise 4).
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from hub.adapters.store import erasures
from hub.domain.envelope import Envelope
from hub.domain.seal import key_version
from hub.ports import Record
from hub.stages.decode import decode_envelope


class OfSubject(Protocol):
    """A record of the event store."""

    @property
    def record(self) -> Record: ...

    @property
    def subject(self) -> str: ...


E = TypeVar("E", bound=OfSubject)


def dark(envelope: Envelope, version: int) -> bool:
    """Whether a box of it is sealed under this key version or an older one: the worst box counts."""
    return any(key_version(box) <= version for box in envelope.boxes.values())


def living(connection: Connection, events: Sequence[E]) -> list[E]:
    """Those events that still make a row. Until the transaction ends nobody erases behind our back."""
    gone = erasures.gone(connection, {event.subject for event in events})
    if not gone:
        return list(events)
    return [
        event
        for event in events
        if event.subject not in gone or not dark(decode_envelope(event.record), gone[event.subject])
    ]
