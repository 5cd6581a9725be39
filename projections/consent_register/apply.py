"""From an event of a consents topic to a row of the register. Pure."""

import hashlib
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from hub.domain.consent import NARROWING
from hub.domain.envelope import Envelope

SEPARATOR = ":"
"""Between the id of an event and the digest of a record that narrows, in a row's id."""
_SAID = attrgetter(
    "record_ref",
    "source_version",
    "controller_id",
    "subject_ref",
    "case_ref",
    "event_type",
    "consent_id",
    "occurred_at",
    "valid_from",
    "valid_until",
    "scope",
)
_SUBJECT = 5  # its place in a row


def row(generation: int, envelope: Envelope, value: bytes, received_at: int) -> tuple[Any, ...]:
    """One row, in the table's column order; `received_at` is the append time, so a rebuild finds it again."""
    owner = envelope.controller_id
    return (
        generation,
        row_id(envelope, value),
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
        envelope.scope,
        value,
    )


def row_id(envelope: Envelope, value: bytes) -> str:
    """The event's id. A record that narrows has a row of its own whatever ids it bears (rule 7): a digest of all that
    it says in clear follows its id, so that a publication of the same record again finds its row. The norm of an
    objection decides what it ends and is sealed, so there the bytes count."""
    e = envelope
    if e.event_type not in NARROWING:
        return e.event_id.hex()
    sealed = value if e.event_type == "ObjectionRaised" else b""
    said = hashlib.sha256(ascii(_SAID(e)).encode() + sealed)
    return f"{e.event_id.hex()}{SEPARATOR}{said.hexdigest()[:32]}"


def folded(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What rows come to that arrive one after the other, as the table folds them: of one row id the first stands, and
    a higher publication replaces number and envelope alone. So no row depends on where a batch ended."""
    standing: dict[str, tuple[Any, ...]] = {}
    for new in rows:
        generation, event_id, publication, *_, envelope = new
        old = standing.setdefault(event_id, new)
        if old[2] < publication and old[_SUBJECT] == new[_SUBJECT]:
            standing[event_id] = (generation, event_id, publication, *old[3:-1], envelope)
    return list(standing.values())
