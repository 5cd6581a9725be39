"""A row of an agency's export → the events that the configuration makes of it. Pure: no clock, no I/O.

What cannot be read becomes `Unmapped` with reason and place, event by event: a value is never guessed. A column that
nobody mapped is not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from connectors.runtime.aliases import NOBODY, Aliases
from connectors.runtime.cells import is_empty, read
from connectors.runtime.ports import Row
from connectors.runtime.streams import OWN_NAME, Condition, EventMapping, Reference, Stream
from connectors.runtime.values import VERSION
from hub.domain.clock import BERLIN, berlin_day, micros, moment
from hub.domain.identifiers import AgencyKey, Naming
from hub.errors import DataError
from schemas import EventSchema, InvalidPayload

Payload = Mapping[str, Any]
Lookups = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]  # name → key → rows (the columns kept)

_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedEvent:
    """One event as the agency says it: typed, labelled and named by pseudonyms, not yet judged.

    `norm` None: the ground is what `named` lists, or if that is None every consent of the subject known at the gate.
    Times are microseconds since 1970 UTC. `key` names the subject, and so the record's versions; `mentioned`:
    pseudonym → own number of the other persons whom the event names.
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


@dataclass(frozen=True, slots=True)
class Mapper:
    """The configuration of one agency, ready to map its rows. `any_code`: codes in no list pass as they are told."""

    key: Naming
    agency_kind: str
    streams: Mapping[str, Stream]
    any_code: bool = False
    aliases: Aliases = NOBODY

    def events(
        self, row: Row, lookups: Lookups, *, control_only: bool = False
    ) -> Iterator[MappedEvent | Unmapped]:
        """The events of a row, in the order of the configuration; of a vanished row, what `on_vanish` says."""
        stream = self.streams[row.stream]
        vanish = [stream.on_vanish] if stream.on_vanish else []
        for mapping in vanish if row.gone else stream.events:
            if mapping.control or not control_only:
                yield from self._of(mapping, row, lookups)

    def _of(self, mapping: EventMapping, row: Row, lookups: Lookups) -> Iterator[MappedEvent | Unmapped]:
        try:
            _check_version(row)
            if not all(applies(condition, row.values) for condition in mapping.when):
                return
            for subject, case in self._places(mapping, row, lookups):
                yield self._event(mapping, row, subject, case)
        except DataError as error:
            yield Unmapped(
                stream=row.stream, place=row.place, event_type=mapping.schema.event_type, reason=error.reason,
                column=error.place, remedy=error.remedy,
            )  # fmt: skip

    def _places(self, mapping: EventMapping, row: Row, lookups: Lookups) -> Iterator[tuple[str, str]]:
        """Subject and case; a person of two cases has the record in both."""
        cases = resolved(mapping.case, row, lookups)
        subjects = resolved(mapping.subject, row, lookups) if mapping.subject else []
        if mapping.subject is not None and not subjects:
            raise _missing(mapping.subject.by, "subject_missing")
        for case in cases:
            for subject in subjects or [case]:
                yield subject, case
        if not cases and not mapping.case.lookup:
            raise _missing(mapping.case.by, "case_missing")

    def _event(self, mapping: EventMapping, row: Row, subject_id: str, case_id: str) -> MappedEvent:
        schema, mentioned = mapping.schema, dict[str, str]()
        key = self.key.case_key(case_id)
        case_ref = subject_ref = key.case(case_id)
        if mapping.subject:
            subject_id = self.aliases.of(subject_id)
            key = self.key.person_key(subject_id)
            subject_ref = key.person(subject_id)
        source_key = f"{row.key}{_SEPARATOR}{case_id}" if mapping.case.lookup else row.key
        payload = {name: self._field(mapping, name, row, mentioned) for name in mapping.fields}
        payload = {name: value for name, value in payload.items() if value is not None}
        if schema.event_type in OWN_NAME:
            payload[OWN_NAME[schema.event_type]] = subject_ref
        occurred, since, until = (
            self._time(mapping, name, row) for name in ("occurred_at", "valid_from", "valid_to")
        )
        if occurred is None:
            raise _missing(mapping.times["occurred_at"].columns[0], "value_missing")
        entrusted = self._fact(mapping, "entrusted_by", row, "string")
        on = berlin_day(occurred)
        _check_payload(schema, payload, on, any_code=self.any_code)
        return MappedEvent(
            schema=schema, stream=row.stream, place=row.place, source_key=source_key, subject_id=subject_id,
            case_id=case_id, subject_ref=subject_ref, case_ref=case_ref,
            record_ref=key.record_ref(row.stream, source_key, schema.event_type, subject_ref, mapping.ordinal),
            source_version=row.version, occurred_at=micros(occurred),
            valid_from=micros(since) if since else None, valid_to=micros(until) if until else None,
            payload=payload, purposes=mapping.purposes,
            categories=schema.categories(
                payload, on=on, entrusted=entrusted is not None, controller_kind=self.agency_kind
            ),
            norm=self._norm(mapping, "norm", row), task_norm=self._norm(mapping, "task_norm", row),
            attested_by=self._norm(mapping, "attested_by", row), named=self._named(mapping, row),
            entrusted_by=self._person(entrusted, mentioned) if entrusted is not None else None,
            source_203=bool(self._fact(mapping, "source_203", row, "boolean")),
            objected_76=bool(self._fact(mapping, "objected_76", row, "boolean")),
            task_class=self._fact(mapping, "task_class", row, "string"),
            connection=self._fact(mapping, "connection", row, "date"),
            merges_with=self._fact(mapping, "merges_with", row, "string"),
            endangers_help=bool(self._fact(mapping, "endangers_help", row, "boolean")),
            disputed=tuple(self._fact(mapping, "disputed", row, "strings") or ()),
            addressee=self._fact(mapping, "addressee", row, "string"), key=key, mentioned=mentioned,
        )  # fmt: skip

    def _field(self, mapping: EventMapping, name: str, row: Row, mentioned: dict[str, str]) -> Any:
        value = mapping.fields[name]
        kind = mapping.schema.fields[name].kind
        if kind == "Scope":
            return self._scope(mapping, row)
        found = read(value, row.values, "strings" if kind == "string|strings" else kind)
        if value.person and found is not None:
            named = [self._person(each, mentioned) for each in ([found] if isinstance(found, str) else found)]
            return named[0] if isinstance(found, str) else named
        return found

    def _person(self, told: str, mentioned: dict[str, str]) -> str:
        local_id = self.aliases.of(told)
        ref = self.key.person(local_id)
        mentioned[ref] = local_id
        return ref

    def _scope(self, mapping: EventMapping, row: Row) -> Any:
        """A withdrawal's scope, `scope = {flags = {categories = column, …}}`; unreadable withdraws everything."""
        value = mapping.fields["scope"]
        parts: dict[str, Any] = {}
        try:
            for name, column in value.flags:
                parts[name] = read(replace(value, flags=(), columns=(column,)), row.values, "strings")
        except DataError:
            return None
        return {name: part for name, part in parts.items() if part} or None

    def _time(self, mapping: EventMapping, name: str, row: Row) -> datetime | None:
        value = mapping.times.get(name)
        if value and value.columns == (VERSION,):
            return moment(row.version)
        found = read(value, row.values, "timestamp-micros") if value else None
        if isinstance(found, str):
            found = datetime.fromisoformat(found)
        if found is not None and found.tzinfo is None:
            found = found.replace(tzinfo=BERLIN)
        return found.astimezone(UTC) if found is not None else None

    def _fact(self, mapping: EventMapping, name: str, row: Row, kind: str) -> Any:
        value = mapping.facts.get(name)
        return read(value, row.values, kind) if value else None

    def _norm(self, mapping: EventMapping, name: str, row: Row) -> str | None:
        value = mapping.norm.get(name)
        return read(value, row.values, "string") if value else None

    def _named(self, mapping: EventMapping, row: Row) -> tuple[str, ...] | None:
        value = mapping.norm.get("consents")
        found = read(value, row.values, "strings") if value else None
        return tuple(found) if found else None


def _check_version(row: Row) -> None:
    if row.version < 0:
        raise DataError("has no readable version", reason="unreadable_version", remedy="correct the row")


def applies(condition: Condition, values: Mapping[str, object]) -> bool:
    """Whether a row meets the condition; raises DataError when the column is not there or is no text."""
    if condition.column not in values:
        raise DataError(
            "column is not there", reason="column_missing", place=condition.column, remedy="correct it"
        )
    raw = values[condition.column]
    if condition.filled is not None:
        return is_empty(raw, condition.style) is not condition.filled
    if isinstance(raw, bytes):
        raise DataError(
            "is bytes, and no text",
            reason="unreadable_value",
            place=condition.column,
            remedy="make a number or a text of it in a query",
        )
    return condition.negated is _spelt(raw).isdisjoint(condition.among or ())


def _spelt(raw: object) -> set[str]:
    """How a configuration may write it: for what a database knows to be true or false there are several ways."""
    if isinstance(raw, bool):
        return {"true", "True", "1"} if raw else {"false", "False", "0"}
    return {"" if raw is None else str(raw).strip()}


def resolved(reference: Reference, row: Row, lookups: Lookups) -> list[str]:
    """The numbers of persons or cases that stand there; none where a lookup finds nothing. Raises DataError."""
    if reference.by not in row.values:
        raise _missing(reference.by, "column_missing")
    raw = row.values[reference.by]
    if is_empty(raw, reference.style):
        return []
    text = str(raw).strip()
    if not reference.lookup:
        return [text]
    rows = lookups.get(reference.lookup, {}).get(text, ())
    told = (found[reference.column] for found in rows)
    return list(dict.fromkeys(each for each in told if not is_empty(each, reference.style)))


def _missing(column: str, reason: str) -> DataError:
    return DataError(
        "is not there", reason=reason, place=column, remedy="fill it in the source or correct the mapping"
    )


def _check_payload(schema: EventSchema, payload: Payload, on: date, *, any_code: bool) -> None:
    for problem in () if any_code else schema.check_codes(payload, on):
        raise DataError(
            f"code is {problem.reason} on that day", reason="code_not_in_list", place=problem.field,
            remedy=f"correct the record, or map it to the list {problem.codelist}",
        )  # fmt: skip
    try:
        schema.encode(payload)
    except InvalidPayload as error:
        raise DataError(
            error.reason,
            reason="invalid_payload",
            place=error.field or "",
            remedy=f"it {error.reason}: correct the mapping, or the record",
        ) from None
