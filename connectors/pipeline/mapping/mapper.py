"""A row of an agency's export → the events that the configuration makes of it. Pure: no clock, no I/O.

A row of which anything cannot be read becomes `Unmapped` as a whole, with reason and place: a value is never guessed,
and half of what a row says is not what it says. Only what narrows is said all the same. A column that nobody mapped is
not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.contract import Row
from connectors.pipeline.config.aliases import NOBODY, Aliases
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import OWN_NAME, EventMapping, Stream
from connectors.pipeline.config.values import VERSION, Value
from connectors.pipeline.mapping.cells import UNKNOWN_CODE, cell, comes_twice, read
from connectors.pipeline.mapping.clock_changes import hour, never
from connectors.pipeline.mapping.mapped import MappedEvent, Payload, Unmapped, within_limits
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.mapping.remedies import fitting
from connectors.pipeline.mapping.row_rules import (
    SEPARATOR,
    Lookups,
    applies,
    missing,
    record_name,
    resolved,
    with_others,
)
from hub.domain.clock import BERLIN, berlin_day, micros, moment
from hub.domain.consent import NARROWING
from hub.domain.identifiers import Naming
from hub.errors import DataError
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from schemas import InvalidPayload, code_list
from schemas.fields import STAMP, FieldSpec

BORN = "birth_date"
UNBORN = timedelta(days=366)
TIMES_OF_VERSIONS = range(946_684_800_000_000, 16_725_225_600_000_000)
"""Versions that are times, from 2000 to 2500; others are rising numbers."""


@dataclass(frozen=True, slots=True)
class Mapper:
    """The configuration of one agency, ready to map its rows. `any_code`: codes in no list pass as they are told;
    `agencies`: those that a consent may name (empty: any); `kind`: of the source, in whose words remedies are told.
    """

    key: Naming
    agency_kind: str
    streams: Mapping[str, Stream]
    any_code: bool = False
    aliases: Aliases = NOBODY
    agencies: frozenset[str] = frozenset()
    kind: str = ""

    @classmethod
    def of(cls, config: ConnectorConfig, key: Naming) -> "Mapper":
        """The mapping of a configuration; consents may name only the agencies that it names."""
        agencies = {config.agency} | {role.controller for role in config.recipients}
        return cls(
            key,
            config.agency_kind,
            config.streams,
            config.any_code,
            config.aliases,
            frozenset(agencies),
            config.kind,
        )

    def events(
        self, row: Row, lookups: Lookups, *, control_only: bool = False
    ) -> Iterator[MappedEvent | Unmapped]:
        """The events of a row, in the order of the configuration; of a vanished row, what `on_vanish` says.

        A row that is held is held whole: where one event cannot be made, no other is, but for those that narrow. Those
        are said of a row that waits for its key, too.
        """
        stream = self.streams[row.stream]
        vanish = (stream.on_vanish,) if stream.on_vanish and not row.unsaid else ()
        mappings = vanish if row.gone else stream.events
        if control_only and not any(mapping.control for mapping in mappings):
            return
        row = with_others(stream, row, lookups)
        found = [
            *self._faults(stream, row),
            *(one for each in mappings for one in self._of(each, row, lookups)),
        ]
        faults = [one for one in found if isinstance(one, Unmapped)]
        yield from (replace(one, remedy=fitting(one.remedy, self.kind)) for one in faults)
        for one in found:
            if isinstance(one, Unmapped) or (control_only and not one.control):
                continue
            if not faults or one.schema.event_type in NARROWING:
                yield one

    def _faults(self, stream: Stream, row: Row) -> Iterator[Unmapped]:
        """What is wrong with the row itself, or with a column by which others find it."""
        if row.fault is not None:
            yield _held(row, "", *row.fault)
            return
        for column in () if row.gone else sorted(stream.looked):
            try:
                number_text(cell(row.values, column), column)
            except DataError as error:
                yield _held(row, "", error.reason, error.place, error.remedy)

    def _of(self, mapping: EventMapping, row: Row, lookups: Lookups) -> Iterator[MappedEvent | Unmapped]:
        name = mapping.schema.event_type
        if row.fault is not None:
            yield from self._narrowing(mapping, row, lookups) if name in NARROWING else ()
            return
        try:
            _check_version(row)
            if not all(applies(condition, row.values) for condition in mapping.when):
                return
            for subject, case in self._places(mapping, row, lookups):
                yield within_limits(self._event(mapping, row, subject, case))
        except DataError as error:
            yield _held(row, name, error.reason, error.place, error.remedy)
        except Exception as error:  # noqa: BLE001  whatever one row raises is that row's matter; its text may hold values
            yield _held(
                row,
                name,
                "unreadable_row",
                "",
                f"it cannot be mapped ({type(error).__name__}): correct the record",
            )

    def _narrowing(self, mapping: EventMapping, row: Row, lookups: Lookups) -> Iterator[MappedEvent]:
        """What a row takes back, as far as it can be read: why the row waits is told already."""
        left = self._of(mapping, row._replace(fault=None), lookups)
        yield from (one for one in left if isinstance(one, MappedEvent))

    def _places(self, mapping: EventMapping, row: Row, lookups: Lookups) -> Iterator[tuple[str, str]]:
        """Subject and case; a person of two cases has the record in both."""
        stream = self.streams[row.stream]
        cases = resolved(stream, mapping.case, row, lookups)
        subjects = resolved(stream, mapping.subject, row, lookups) if mapping.subject else []
        if mapping.subject is not None and not subjects:
            raise missing(mapping.subject.by, "subject_missing")
        for case in cases:
            for subject in subjects or [case]:
                yield subject, case
        if not cases and not mapping.case.lookup:
            raise missing(mapping.case.by, "case_missing")

    def _event(self, mapping: EventMapping, row: Row, subject_id: str, case_id: str) -> MappedEvent:
        schema, mentioned = mapping.schema, dict[str, str]()
        key = self.key.case_key(case_id)
        case_ref = subject_ref = key.case(case_id)
        if mapping.subject:
            subject_id = self.aliases.of(subject_id)
            key = self.key.person_key(subject_id)
            subject_ref = key.person(subject_id)
        source_key = record_name(self.streams[row.stream], row)
        source_key = f"{source_key}{SEPARATOR}{case_id}" if mapping.case.lookup else source_key
        payload = {name: self._field(mapping, name, row, mentioned) for name in mapping.fields}
        payload = {name: value for name, value in payload.items() if value is not None}
        if schema.event_type in OWN_NAME:
            payload[OWN_NAME[schema.event_type]] = subject_ref
        if schema.event_type == "CustodyChanged":  # an empty cell states that nobody holds custody
            payload.setdefault("custodians", [])
        occurred, since, until = (
            self._time(mapping, name, row) for name in ("occurred_at", "valid_from", "valid_to")
        )
        if occurred is None:
            raise missing(mapping.times["occurred_at"].columns[0], "value_missing")
        entrusted = self._fact(mapping, "entrusted_by", row, "string")
        on = berlin_day(occurred)
        _check_birth(mapping, payload, row, on)
        _check_payload(mapping, payload, on, any_code=self.any_code)
        if schema.event_type == "ConsentGranted" and not self.any_code:
            _check_consent(mapping, payload, self._consent_words)
        return MappedEvent(
            schema=schema,
            stream=row.stream,
            place=row.place,
            source_key=source_key,
            subject_id=subject_id,
            case_id=case_id,
            subject_ref=subject_ref,
            case_ref=case_ref,
            record_ref=key.record_ref(
                row.stream, source_key, schema.event_type, subject_ref, mapping.ordinal
            ),
            source_version=row.version,
            occurred_at=micros(occurred),
            valid_from=micros(since) if since else None,
            valid_to=micros(until) if until else None,
            payload=payload,
            purposes=mapping.purposes,
            categories=schema.categories(
                payload, on=on, entrusted=entrusted is not None, controller_kind=self.agency_kind
            ),
            norm=self._norm(mapping, "norm", row),
            task_norm=self._norm(mapping, "task_norm", row),
            attested_by=self._norm(mapping, "attested_by", row),
            named=self._named(mapping, row),
            entrusted_by=self._person(entrusted, mentioned) if entrusted is not None else None,
            source_203=bool(self._fact(mapping, "source_203", row, "boolean")),
            objected_76=bool(self._fact(mapping, "objected_76", row, "boolean")),
            task_class=self._fact(mapping, "task_class", row, "string"),
            connection=self._fact(mapping, "connection", row, "date"),
            merges_with=self._fact(mapping, "merges_with", row, "string"),
            endangers_help=bool(self._fact(mapping, "endangers_help", row, "boolean")),
            disputed=tuple(self._fact(mapping, "disputed", row, "strings") or ()),
            addressee=self._fact(mapping, "addressee", row, "string"),
            key=key,
            mentioned=mentioned,
            row_key=row.key,
            twice=_twice(mapping, payload, row),
        )

    def _field(self, mapping: EventMapping, name: str, row: Row, mentioned: dict[str, str]) -> Any:
        value = mapping.fields[name]
        kind = mapping.schema.fields[name].kind
        if kind == "Scope":
            return self._scope(mapping, row)
        if kind == STAMP:
            return _parts(value, row)
        try:
            found = read(value, row.values, "strings" if kind == "string|strings" else kind)
        except DataError as error:
            if error.reason != UNKNOWN_CODE:
                raise
            raise self._without_code(mapping.schema.fields[name], error) from None
        if value.person and found is not None:
            named = [self._person(each, mentioned) for each in ([found] if isinstance(found, str) else found)]
            return named[0] if isinstance(found, str) else named
        return found

    def _without_code(self, field: FieldSpec, error: DataError) -> DataError:
        """The error with the codes that may stand in the table."""
        listed = [code.code for code in code_list(field.codelist).codes] if field.codelist else []
        codes = listed or sorted(self._consent_words.get(field.name, ()))
        remedy = f"add the word to its table in [codes]; {_one_of(codes)}" if codes else error.remedy
        return DataError(error.message, reason=error.reason, place=error.place, remedy=remedy)

    @property
    def _consent_words(self) -> Mapping[str, frozenset[str]]:
        """Allowed values of those fields of a consent that no list of the catalogue checks."""
        known = {"categories": CATEGORIES, "purposes": CONSENT_PURPOSES}
        return known | ({"recipients": self.agencies, "sender": self.agencies} if self.agencies else {})

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
            if row.hour == "never":
                raise never(value.style.zone, VERSION)
            return _version_time(row)
        found = read(value, row.values, "timestamp-micros") if value else None
        if isinstance(found, str):
            found = datetime.fromisoformat(found)
        if found is not None and found.tzinfo is None:
            if hour(found, BERLIN.key) == "never":
                raise never(BERLIN.key, name)
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


def _parts(value: Value, row: Row) -> Mapping[str, str] | None:
    """A value whose parts stand in columns of their own."""
    told = {
        name: read(replace(value, flags=(), columns=(column,)), row.values, "string")
        for name, column in value.flags
    }
    return {name: part for name, part in told.items() if part is not None} or None


def _held(row: Row, event_type: str, reason: str, column: str, remedy: str) -> Unmapped:
    return Unmapped(
        stream=row.stream, place=row.place, event_type=event_type, reason=reason, column=column, remedy=remedy
    )


def _check_birth(mapping: EventMapping, payload: Payload, row: Row, on: date) -> None:
    """A birth date that lies ahead stands for none: nobody may sign alone by it."""
    born = payload.get(BORN)
    told = row.said_at or 0
    latest = max(on, berlin_day(moment(told))) if told in TIMES_OF_VERSIONS else on + UNBORN
    if isinstance(born, date) and born > latest:
        remedy = "it lies in the future: correct it, or leave it empty"
        raise DataError(
            "lies in the future", reason="unreadable_value", place=_column(mapping, BORN), remedy=remedy
        )


def _twice(mapping: EventMapping, payload: Payload, row: Row) -> tuple[str, ...]:
    """The columns of times that come twice on a local clock."""
    kinds = {name: spec.kind for name, spec in mapping.schema.fields.items()}
    said = [
        mapping.fields[name]
        for name in mapping.fields
        if name in payload and kinds[name] == "timestamp-micros"
    ]
    found = {
        value.columns[0]
        for value in (*mapping.times.values(), *said)
        if value.columns
        and (row.hour == "twice" if value.columns == (VERSION,) else comes_twice(value, row.values))
    }
    return tuple(sorted(found))


def _column(mapping: EventMapping, field: str) -> str:
    """The column that the configuration reads this field from; the field itself where it names none."""
    return next(iter(mapping.fields[field].columns), field) if field in mapping.fields else field


def _version_time(row: Row) -> datetime:
    """The time that the row's version says; a rising number says none, and 1970 stands for "never changed"."""
    if not (at := row.said_at):
        raise DataError(
            "says no time",
            reason="version_says_no_time",
            place=VERSION,
            remedy=f'its version says no time: name the column that does in place of "{VERSION}", or fill it',
        )
    return moment(at)


def _check_version(row: Row) -> None:
    if row.version < 0:
        raise DataError("has no readable version", reason="unreadable_version", remedy="correct the row")


def _check_consent(mapping: EventMapping, payload: Payload, known: Mapping[str, frozenset[str]]) -> None:
    """Refuses words that the policy does not know: such a consent would count for something else than was signed."""
    for name, words in known.items():
        said = payload.get(name) or ()
        if not words.issuperset([said] if isinstance(said, str) else said):
            raise DataError(
                f"names {name} that are not known",
                reason=f"unknown_{_ONE_OF[name]}",
                place=_column(mapping, name),
                remedy=f"map the agency's own words in [codes]; {_one_of(sorted(words))}",
            )


def _one_of(codes: Sequence[str]) -> str:
    """The first of these codes, and where all of them stand."""
    more = ", …" if len(codes) > _NAMED else ""
    return f"one of: {', '.join(codes[:_NAMED])}{more} (docs/reference/codes.md)"


def _valid(codelist: str, on: date) -> Sequence[str]:
    return [code.code for code in code_list(codelist).codes if code.valid(on)]


_NAMED = 8
"""Codes that a remedy names, at most."""
_ONE_OF = {"categories": "category", "purposes": "purpose", "recipients": "recipient", "sender": "sender"}


def _check_payload(mapping: EventMapping, payload: Payload, on: date, *, any_code: bool) -> None:
    schema = mapping.schema
    for problem in () if any_code else schema.check_codes(payload, on):
        raise DataError(
            f"code is {problem.reason} on that day",
            reason="code_not_in_list",
            place=_column(mapping, problem.field),
            remedy=f"correct the record, or map it in [codes]; {_one_of(_valid(problem.codelist, on))}",
        )
    try:
        schema.encode(payload)
    except InvalidPayload as error:
        raise DataError(
            error.reason,
            reason="invalid_payload",
            place=_column(mapping, error.field or ""),
            remedy=f"it {error.reason}: correct the mapping, or the record",
        ) from None
