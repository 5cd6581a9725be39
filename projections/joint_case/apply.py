"""From an admitted event to a guarded row. Pure: no clock, no environment (protocol rule 16)."""

from typing import Any

from hub.domain.envelope import Envelope, EnvelopeHeader


def row(generation: int, head: EnvelopeHeader | Envelope, value: bytes) -> tuple[Any, ...]:
    """One row, in the table's column order; of the envelope it needs the head only."""
    owner = head.controller_id
    return (
        generation,
        head.record_ref.hex(),
        f"{owner}:{head.case_ref}",
        f"{owner}:{head.subject_ref}",
        owner,
        head.event_type,
        head.event_id.hex(),
        head.source_version,
        head.publication,
        head.occurred_at,
        head.recorded_at,
        head.norm is not None,
        value,
    )
