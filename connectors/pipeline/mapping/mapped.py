"""What a row of an agency's export became: events, or why it could not become one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hub.domain.identifiers import AgencyKey
from schemas import EventSchema

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedEvent:
    """One event as the agency says it: typed, labelled and named by pseudonyms, not yet judged.

    `norm` None: the ground is what `named` lists, or if that is None every consent of the subject known at the gate.
    Times are microseconds since 1970 UTC. `key` names the subject, and so the record's versions; `mentioned`:
    pseudonym → own number of the other persons whom the event names. `row_key`: of the row that says it. `twice`:
    columns with a local time that comes twice, read as the first of both.
    """

    schema: EventSchema
    stream: str
    place: str
    source_key: str = field(repr=False)
    subject_id: str = field(repr=False)
    case_id: str = field(repr=False)
    subject_ref: str
    case_ref: str
    record_ref: bytes
    source_version: int
    occurred_at: int
    valid_from: int | None
    valid_to: int | None
    payload: Payload = field(repr=False)
    categories: Mapping[str, str]
    purposes: tuple[str, ...]
    norm: str | None
    task_norm: str | None
    attested_by: str | None = field(repr=False)
    named: tuple[str, ...] | None
    entrusted_by: str | None
    source_203: bool
    objected_76: bool
    task_class: str | None
    connection: date | None
    merges_with: str | None
    endangers_help: bool
    disputed: tuple[str, ...]
    addressee: str | None
    key: AgencyKey
    mentioned: Mapping[str, str] = field(default_factory=dict, repr=False)
    row_key: str = field(default="", repr=False)
    twice: tuple[str, ...] = ()

    @property
    def event_id(self) -> bytes:
        """The id of this version of the record."""
        return self.key.event_id(self.record_ref, self.source_version)

    @property
    def control(self) -> bool:
        """Read by the policy itself (consents topic), not judged by it."""
        return self.schema.topic == "consents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """An event that the row should have been; it waits in quarantine until row or configuration is corrected."""

    stream: str
    place: str
    event_type: str
    reason: str
    column: str
    remedy: str
