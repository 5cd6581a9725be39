"""The envelope: what the hub's machinery may read of an event (schemas/envelope.v1.avsc says what each field means)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

SCHEMA = "Envelope"


class Envelope(NamedTuple):
    """One version of one record about one subject, in one publication. Content is sealed in `boxes`.

    A tuple because thousands a second are made of them; its `repr` shows nothing but the event's id and type.
    """

    record_ref: bytes
    event_id: bytes
    publication: int
    event_type: str
    schema: bytes
    controller_id: str
    legal_domain: str
    subject_ref: str
    case_ref: str
    source_version: int
    occurred_at: int
    recorded_at: int
    valid_from: int | None
    valid_to: int | None
    fields: Mapping[str, str]
    purposes: Sequence[str]
    consents: Sequence[str]
    norm: str | None
    task_norm: str | None
    attested_by: str | None
    entrusted_by: str | None
    source_203: bool
    objected_76: bool
    task_class: str | None
    connection: str | None
    merges_with: str | None
    endangers_help: bool
    disputed: Sequence[str]
    addressee: str | None
    consent_id: str | None
    valid_until: int | None
    scope: str | None
    boxes: Mapping[str, bytes]
    held: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"Envelope({self.event_type} {self.event_id.hex()}#{self.publication})"

    @property
    def about_family(self) -> bool:
        """A family's own record, not one of its members'."""
        return self.subject_ref == self.case_ref


class EnvelopeHeader(NamedTuple):
    """The first fields of an envelope, in the order of its schema: all that a row of the joint case is made of."""

    record_ref: bytes
    event_id: bytes
    publication: int
    event_type: str
    schema: bytes
    controller_id: str
    legal_domain: str
    subject_ref: str
    case_ref: str
    source_version: int
    occurred_at: int
    recorded_at: int
    norm: str | None


LEGAL_DOMAINS: Mapping[str, str] = {
    "jobcenter": "SGB II",
    "youth_welfare": "SGB VIII",
    "provider": "BGB",
    "social_office": "SGB X",
}
