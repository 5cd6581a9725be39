"""What a row of an agency's export became: events, or why it could not become one.

Whether an event stays within `schemas.limits` is checked before anything is judged, sealed or sent, so an event that
some later table, index or record could not take is held with its row at the agency, where it can be corrected.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError
from schemas import EventSchema, limits

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


_FIRST, _LAST = micros(limits.FIRST_MAPPED), micros(limits.LAST_MAPPED)
_LONG = 1 << 63


def within_limits(event: MappedEvent) -> MappedEvent:
    """The same event; raises DataError `beyond_limits` whose place is the field, never its value."""
    if found := limits.payload_problem(event.payload):
        raise _beyond(*found)
    for place, kind, names in _names(event):
        for name in names:
            if problem := limits.name_problem(name, kind):
                raise _beyond(place, problem)
    for place, at in _times(event):
        if at is not None and not _FIRST <= at < _LAST:
            raise _beyond(place, f"lies outside of the years {_years()}")
    if not 0 <= event.source_version < _LONG:
        raise _beyond("version", "is no number of 64 bits")
    return event


def _names(event: MappedEvent) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Where it stands, the kind of its limit, and the identifiers there."""
    yield "subject", "local id", (event.subject_id,)
    yield "case", "local id", (event.case_id,)
    yield "person", "local id", event.mentioned.values()
    for place, text in (
        ("norm", event.norm),
        ("task_norm", event.task_norm),
        ("attested_by", event.attested_by),
        ("entrusted_by", event.entrusted_by),
        ("task_class", event.task_class),
        ("merges_with", event.merges_with),
        ("addressee", event.addressee),
    ):
        yield place, limits.ENVELOPE[place], () if text is None else (text,)
    for place, texts in (
        ("purposes", event.purposes),
        ("consents", event.named or ()),
        ("disputed", event.disputed),
    ):
        yield place, limits.ENVELOPE[place], texts


def _times(event: MappedEvent) -> Iterator[tuple[str, int | None]]:
    yield "occurred_at", event.occurred_at
    yield "valid_from", event.valid_from
    yield "valid_to", event.valid_to
    for name in event.schema.fields:
        if event.schema.fields[name].kind == "timestamp-micros" and name in event.payload:
            yield name, micros(event.payload[name])


def _years() -> str:
    return f"{limits.FIRST_MAPPED.year} to {limits.LAST_MAPPED.year - 1}"


def _beyond(place: str, problem: str) -> DataError:
    return DataError(
        problem,
        reason="beyond_limits",
        place=place,
        remedy=f"it {problem}: correct the record, or its mapping",
    )
