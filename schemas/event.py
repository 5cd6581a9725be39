"""One version of one event or record: its fields and their categories, and its Avro encoding."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from schemas import avro
from schemas.codelists import code_list
from schemas.errors import InvalidPayload
from schemas.fields import FieldSpec, money_from_bytes, money_to_bytes

ENTRUSTED = "A65"
SPECIAL = "G9"


class CodeProblem(NamedTuple):
    """A code that its list does not have: ``unknown`` on any day, or ``not valid`` on this one."""

    field: str
    codelist: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSchema:
    """One version of a record of the machinery (envelope, view, ...). A `partial` one is the head of another: it reads
    that one's first fields and looks at nothing behind them."""

    name: str
    version: int
    fingerprint: bytes
    partial: bool = False
    parsed: avro.Parsed = field(repr=False, compare=False)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record as Avro binary, without header; raises InvalidPayload."""
        return avro.write(self.name, self.parsed, record)

    def decode(self, data: bytes) -> dict[str, Any]:
        """The record with every field of this schema; raises InvalidPayload."""
        return avro.read(self.name, self.parsed, data, whole=not self.partial)

    def decode_first(self, data: bytes) -> dict[str, Any]:
        """The first fields of a record that may be broken, as many as can be read; never raises."""
        return avro.read_first(_fields(self), data)


@cache
def _fields(schema: RecordSchema) -> tuple[tuple[str, Any], ...]:
    """Name and parsed type of every field, in the order of the wire."""
    return tuple((one["name"], avro.parse_type(one["type"])) for one in schema.parsed["fields"])


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSchema:
    """One version of one event of the catalogue.

    ``topic`` is ``consents``, ``events``, ``danger``, or ``views`` for an entry that is computed for a view and never
    published. ``present`` says how the event counts in the present
    state of a person: ``state`` (the latest of its ``group`` by ``key`` fields), ``start`` and ``end`` of
    something running (``pairs_with`` names the other side), ``step`` (with its start, which ``pairs_with``
    names), ``plan`` (the latest of its group), ``worker`` (the latest by ``key``), ``appointment`` (while its
    ``date`` is not past), ``none``.
    """

    event_type: str
    version: int
    fingerprint: bytes
    topic: str
    fields: Mapping[str, FieldSpec]
    present: str
    group: str
    pairs_with: tuple[str, ...]
    key: tuple[str, ...]
    doc: str = field(repr=False)
    parsed: avro.Parsed = field(repr=False, compare=False)
    required: frozenset[str] = field(repr=False)
    money: tuple[str, ...] = field(repr=False)

    def encode(self, payload: Mapping[str, Any]) -> bytes:
        """The whole payload as Avro binary, None = absent. Raises InvalidPayload for a field that is missing,
        unknown or of another type."""
        for name in self.required:
            if payload.get(name) is None:
                raise InvalidPayload(self.event_type, "is required", name)
        return self.encode_part(payload)

    def encode_part(self, payload: Mapping[str, Any]) -> bytes:
        """Like ``encode`` for some fields only: those of one category, which are sealed together."""
        for name, value in payload.items():
            spec = self.fields.get(name)
            if spec is None:
                raise InvalidPayload(self.event_type, "unknown field", name if name.isidentifier() else None)
            if value is not None and not spec.fits(value):
                raise InvalidPayload(self.event_type, f"is no {spec.kind}", name)
        return avro.write(self.event_type, self.parsed, self._with_bytes(payload))

    def decode(self, data: bytes) -> dict[str, Any]:
        """The fields that are there (None is left out); raises InvalidPayload whatever the bytes are."""
        record = avro.read(self.event_type, self.parsed, data)
        payload = {name: _filled(value) for name, value in record.items() if value is not None}
        for name in self.money:
            if name in payload:
                payload[name] = self._amount(name, payload[name])
        return payload

    def categories(
        self, payload: Mapping[str, Any], *, on: dt.date, entrusted: bool, controller_kind: str
    ) -> dict[str, str]:
        """Field → category for every field that is there; "" for one that has none.

        Entrusted data are A65 altogether (§ 65 SGB VIII), and a code that tells of health raises the whole
        record to G9 (Art. 9 GDPR), by the code list of the day ``on``. A code of another category than its field
        (a benefit for education and participation: BT) brings the whole record there.
        """
        present = [name for name, value in payload.items() if value is not None]
        if entrusted:
            return dict.fromkeys(present, ENTRUSTED)
        if self._is_special(payload, on):
            return dict.fromkeys(present, SPECIAL)
        if moved := self._category_of_codes(payload, on):
            return dict.fromkeys(present, moved)
        return {
            name: self.fields[name].category_for(controller_kind) if name in self.fields else ""
            for name in present
        }

    @property
    def moving(self) -> frozenset[str]:
        """The categories to which a code may bring a whole record."""
        return frozenset().union(*map(self.moved_by, self.fields.values()))

    @staticmethod
    def moved_by(spec: FieldSpec) -> frozenset[str]:
        """The same, by the codes of one field."""
        return _moving(spec.codelist) if spec.special and spec.codelist else frozenset()

    def check_codes(self, payload: Mapping[str, Any], on: dt.date) -> tuple[CodeProblem, ...]:
        """The fields whose code is not in its list on the day ``on``."""
        problems = (
            self._code_problem(spec, value, on)
            for name, spec in self.fields.items()
            if spec.codelist
            for value in _texts(payload.get(name))
        )
        return tuple(problem for problem in problems if problem)

    def _with_bytes(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        amounts = {n: money_to_bytes(payload[n]) for n in self.money if payload.get(n) is not None}
        return {**payload, **amounts} if amounts else payload

    def _amount(self, name: str, data: bytes) -> Any:
        try:
            return money_from_bytes(data)
        except OverflowError:
            raise InvalidPayload(self.event_type, "has too many digits", name) from None

    def _is_special(self, payload: Mapping[str, Any], on: dt.date) -> bool:
        return any(
            code_list(spec.codelist).special(value, on)
            for name, spec in self.fields.items()
            if spec.special and spec.codelist
            for value in _texts(payload.get(name))
        )

    def _category_of_codes(self, payload: Mapping[str, Any], on: dt.date) -> str:
        entries = (
            code_list(spec.codelist).entry(value, on)
            for name, spec in self.fields.items()
            if spec.special and spec.codelist
            for value in _texts(payload.get(name))
        )
        return next((entry.category for entry in entries if entry and entry.category), "")

    def _code_problem(self, spec: FieldSpec, value: str, on: dt.date) -> CodeProblem | None:
        codes = code_list(str(spec.codelist))
        if codes.entry(value, on):
            return None
        return CodeProblem(spec.name, codes.name, "not valid" if codes.known(value) else "unknown")


@cache
def _moving(codelist: str) -> frozenset[str]:
    return frozenset(code.category for code in code_list(codelist).codes if code.category)


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _filled(value: Any) -> Any:
    """A value of parts with those that are there."""
    if not isinstance(value, Mapping):
        return value
    return {name: part for name, part in value.items() if part is not None}
