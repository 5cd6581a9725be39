"""From an admitted event to a guarded row. Pure: no clock, no environment (protocol rule 16)."""

from typing import Any

from hub.domain.envelope import Envelope


def row(generation: int, envelope: Envelope, value: bytes) -> tuple[Any, ...]:
    """One row, in the table's column order."""
    owner = envelope.controller_id
    return (
        generation,
        envelope.record_ref.hex(),
        f"{owner}:{envelope.case_ref}",
        f"{owner}:{envelope.subject_ref}",
        owner,
        envelope.event_type,
        envelope.event_id.hex(),
        envelope.source_version,
        envelope.publication,
        envelope.occurred_at,
        envelope.recorded_at,
        envelope.norm is not None,
        value,
    )
