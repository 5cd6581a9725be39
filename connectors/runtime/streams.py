"""What the configuration says of a stream: its key, its events, and where their parts stand. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.runtime.reading import Table
from connectors.runtime.values import Style, Value, value_of
from hub.errors import ConfigurationError
from schemas import EventSchema, UnknownSchema, event_schema

Codes = Mapping[str, Mapping[str, str]]

FACTS = (
    "entrusted_by", "source_203", "objected_76", "task_class", "connection", "merges_with", "endangers_help",
    "disputed", "addressee",
)  # fmt: skip
"""Circumstances that the policy reads, by their names in the envelope."""

NORM = ("norm", "task_norm", "attested_by", "consents")
"""The ground that a row itself names: a norm, or the ids of consents. Without it, every consent that the gate knows."""
TIMES = ("occurred_at", "valid_from", "valid_to")
OWN_NAME = {"ConsentGranted": "subject", "CustodyChanged": "child"}
"""Fields that repeat the subject's pseudonym; nobody maps them."""


_PLAIN = Style()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A row counts when the column's text is among `among` (or is filled, or is empty)."""

    column: str
    among: frozenset[str] | None
    filled: bool | None
    negated: bool = False
    style: Style = _PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Another stream's rows by one column, for what a row itself does not carry (a person's case)."""

    stream: str
    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A column directly, or a column of the rows that a lookup finds by it. `style`: what counts as empty in them."""

    by: str
    lookup: str = ""
    column: str = ""
    style: Style = _PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """How rows of a stream become one event type. `subject` None: the family's own record."""

    schema: EventSchema
    when: tuple[Condition, ...]
    subject: Reference | None
    case: Reference
    ordinal: int
    times: Mapping[str, Value]
    fields: Mapping[str, Value]
    facts: Mapping[str, Value]
    norm: Mapping[str, Value]
    purposes: tuple[str, ...]

    @property
    def control(self) -> bool:
        return self.schema.topic == "consents"

    @property
    def columns(self) -> frozenset[str]:
        """Every column of its own stream that it reads."""
        values = (*self.times.values(), *self.fields.values(), *self.facts.values(), *self.norm.values())
        places = {self.case.by} | ({self.subject.by} if self.subject else set())
        return frozenset(places | {c.column for c in self.when} | {name for v in values for name in v.used})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One table or file. `settings` belong to the kind of source (table, query, version, file, …)."""

    name: str
    key: tuple[str, ...]
    events: tuple[EventMapping, ...]
    gone: Condition | None
    on_vanish: EventMapping | None
    settings: Mapping[str, Any]

    @property
    def control(self) -> bool:
        return any(event.control for event in self.events)

    @property
    def columns(self) -> frozenset[str]:
        """Every column that must be there."""
        mapped = [*self.events, *([self.on_vanish] if self.on_vanish else [])]
        gone = {self.gone.column} if self.gone else set()
        return frozenset(self.key).union(gone, *(event.columns for event in mapped))

    @property
    def references(self) -> tuple[Reference, ...]:
        mapped = [*self.events, *([self.on_vanish] if self.on_vanish else [])]
        both = [ref for event in mapped for ref in (event.subject, event.case) if ref is not None]
        return tuple(ref for ref in both if ref.lookup)


def lookup_of(table: Table) -> Lookup:
    """A lookup of the configuration."""
    lookup = Lookup(
        stream=table.take("stream", str), key=table.take("key", str), columns=table.texts("columns")
    )
    table.close()
    return lookup


def stream_of(name: str, table: Table, style: Style, codes: Codes) -> Stream:
    """A stream of the configuration."""
    gone, vanish = table.any("gone"), table.any("on_vanish")
    stream = Stream(
        name=name, key=table.texts("key"),
        events=tuple(_event(item, style, codes) for item in table.items("events")),
        gone=_condition(gone, f"{table.place}.gone", style) if gone is not None else None,
        on_vanish=_event(Table(vanish, f"{table.place}.on_vanish"), style, codes) if vanish is not None else None,
        settings={key: table.any(key) for key in table.names()},
    )  # fmt: skip
    table.close()
    return stream


def _event(table: Table, style: Style, codes: Codes) -> EventMapping:
    schema = _schema(table)
    subject = table.any("subject")
    fields = {
        name: value_of(raw, f"{table.place}.fields.{name}", style, codes)
        for name, raw in dict(table.any("fields") or {}).items()
    }
    event = EventMapping(
        schema=schema, when=tuple(_condition(item, table.place, style) for item in table.any("when") or ()),
        subject=_reference(subject, f"{table.place}.subject", style) if subject is not None else None,
        case=_reference(table.any("case"), f"{table.place}.case", style), ordinal=table.take("ordinal", int, 0),
        times=_values(table, TIMES, style, codes), fields=fields, facts=_values(table, FACTS, style, codes),
        norm=_values(norm := table.table("ground"), NORM, style, codes),
        purposes=table.texts("purposes", ("joint_case_management",)),
    )  # fmt: skip
    norm.close()
    table.close()
    _check(event, table.place)
    return event


def _check(event: EventMapping, place: str) -> None:
    unknown = sorted(event.fields.keys() - event.schema.fields.keys())
    if unknown:
        raise ConfigurationError(
            f"{event.schema.event_type} has no field {unknown[0]}", place=place, remedy="correct it"
        )
    needed = {name for name, spec in event.schema.fields.items() if spec.required}
    left = sorted(needed - event.fields.keys() - {OWN_NAME.get(event.schema.event_type)})
    if left:
        raise ConfigurationError(
            f"{event.schema.event_type} needs the field {left[0]}",
            place=f"{place}.fields",
            remedy="say where it stands",
        )
    if "occurred_at" not in event.times:
        raise ConfigurationError("is missing", place=f"{place}.occurred_at", remedy="say when it happened")
    if event.norm and event.norm.keys().isdisjoint({"norm", "consents"}):
        raise ConfigurationError(
            "a ground needs its norm or its consents", place=f"{place}.ground", remedy="set ground.norm"
        )


def _schema(table: Table) -> EventSchema:
    name = table.take("type", str)
    try:
        schema = event_schema(name)
    except UnknownSchema:
        raise ConfigurationError(
            f"unknown event type {name}", place=table.place, remedy="see the catalogue"
        ) from None
    if schema.topic == "danger":
        raise ConfigurationError(
            "danger reports have a path of their own", place=table.place, remedy="remove it"
        )
    return schema


def _values(table: Table, names: tuple[str, ...], style: Style, codes: Codes) -> Mapping[str, Value]:
    raws = {name: table.any(name) for name in names}
    return {
        name: value_of(raw, f"{table.place}.{name}", style, codes)
        for name, raw in raws.items()
        if raw is not None
    }


def _reference(raw: Any, place: str, style: Style) -> Reference:
    if isinstance(raw, str):
        return Reference(by=raw, style=style)
    table = Table(raw, place)
    reference = Reference(
        by=table.take("by", str),
        lookup=table.take("lookup", str),
        column=table.take("column", str),
        style=style,
    )
    table.close()
    return reference


def _condition(raw: Any, place: str, style: Style) -> Condition:
    table = Table(raw, f"{place}.when")
    among, without = table.texts("in", ()), table.texts("not_in", ())
    condition = Condition(
        column=table.take("column", str), among=frozenset(among or without) or None, filled=table.any("filled"),
        negated=bool(without), style=style,
    )  # fmt: skip
    table.close()
    if (condition.among is None) == (condition.filled is None):
        raise ConfigurationError(
            "needs one of in, not_in, filled", place=table.place, remedy="name the condition"
        )
    return condition
