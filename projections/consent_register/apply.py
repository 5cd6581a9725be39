"""From an event of a consents topic to a row of the register. Pure."""

from collections.abc import Iterable
from typing import Any

from hub.domain.envelope import Envelope

_LONGEST = 10_000  # characters
_SUBJECT = 5  # its place in a row


def row(generation: int, envelope: Envelope, value: bytes, received_at: int) -> tuple[Any, ...]:
    """One row, in the table's column order; `received_at` is the append time, so a rebuild finds it again."""
    owner = envelope.controller_id
    return (
        generation,
        envelope.event_id.hex(),
        envelope.publication,
        envelope.record_ref.hex(),
        envelope.source_version,
        f"{owner}:{envelope.subject_ref}",
        f"{owner}:{envelope.case_ref}",
        envelope.event_type,
        envelope.consent_id,
        envelope.occurred_at,
        received_at,
        envelope.valid_from,
        envelope.valid_until,
        _storable(envelope.scope),
        value,
    )


def folded(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What rows come to that arrive one after the other, as the table folds them: of one event the first stands, and a
    higher publication replaces number and envelope alone. So no row depends on where a batch ended."""
    standing: dict[str, tuple[Any, ...]] = {}
    for new in rows:
        generation, event_id, publication, *_, envelope = new
        old = standing.setdefault(event_id, new)
        if old[2] < publication and old[_SUBJECT] == new[_SUBJECT]:
            standing[event_id] = (generation, event_id, publication, *old[3:-1], envelope)
    return list(standing.values())


def _storable(scope: str | None) -> str | None:
    """A scope that no database takes cannot be read either; such a one withdraws everything (rule 7)."""
    return scope if scope is None or (len(scope) <= _LONGEST and scope.isprintable()) else "unreadable"
