"""From an event of a consents topic to a row of the register. Pure."""

from typing import Any

from hub.domain.envelope import Envelope


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
        envelope.valid_until,
        envelope.scope,
        value,
    )
