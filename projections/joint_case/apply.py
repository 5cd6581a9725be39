"""From an admitted event to a guarded row. Pure: no clock, no environment (protocol rule 16)."""

from typing import Any

from hub.domain.envelope import Envelope

ON_CONFLICT = (
    "(generation, record_ref) DO UPDATE SET event_id = excluded.event_id, source_version = excluded.source_version,"
    " publication = excluded.publication, occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at,"
    " by_norm = excluded.by_norm, event_type = excluded.event_type, subject = excluded.subject,"
    " case_key = excluded.case_key, envelope = excluded.envelope"
    " WHERE (case_row.source_version, case_row.publication) < (excluded.source_version, excluded.publication)"
)
"""The highest (source version, publication) of a record stands; older ones have no effect (rule 2)."""


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
