"""What the configuration says of a stream: its key, its events, and where their parts stand. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.pipeline.config.aliases import NOBODY, Aliases
from connectors.pipeline.config.areas import CodeTable
from connectors.pipeline.config.tables import (
    ABSENT,
    CIRCUMSTANCES,
    ConditionTable,
    EventTable,
    Facts,
    GroundTable,
    LookupTable,
    StreamTable,
    Times,
)
from connectors.pipeline.config.values import (
    PLAIN,
    VERSION,
    Joined,
    LookedUp,
    Style,
    Value,
    joined_of,
    refuse_inapplicable,
    value_of,
)
from hub.errors import ConfigurationError
from hub.file_models import FileTable
from schemas import EventSchema, UnknownSchema, event_schema

Codes = Mapping[str, CodeTable]

FACTS = tuple(Facts.model_fields)
"""Circumstances that the policy reads, by their names in the envelope."""
_KINDS = {
    "source_203": "boolean",
    "objected_76": "boolean",
    "endangers_help": "boolean",
    "connection": "date",
    "disputed": "strings",
    "consents": "strings",
}
"""Of which kind they are; of those that are not here, a text."""

ANSWERING = frozenset({"youth_welfare"})
"""Kinds of agencies that must answer each of them: SGB VIII protects what is entrusted to them beyond § 67b SGB X."""

NORM = tuple(GroundTable.model_fields)
"""The ground that a row itself names: a norm, or the ids of consents. Without it, every consent that the gate knows."""
TIMES = tuple(Times.model_fields)
OWN_NAME = {"ConsentGranted": "subject", "CustodyChanged": "child"}
"""Fields that repeat the subject's pseudonym; nobody maps them."""


NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A row counts when the column's text is among `among` (or is filled, or is empty). `known`: the other words that
    may stand there; `excludes`: rows are left out by it, so a word that nobody knows holds the row."""

    column: str
    among: frozenset[str] | None
    filled: bool | None
    negated: bool = False
    style: Style = PLAIN
    known: frozenset[str] = frozenset()
    excludes: bool = False

    @property
    def vocabulary(self) -> frozenset[str] | None:
        """Every word that may stand there: those told, or of an exclusion by yes or no the words of the export; None:
        any other word may."""
        if self.known:
            return self.known | (self.among or frozenset())
        words = frozenset((*self.style.true, *self.style.false))
        among = self.among or frozenset()
        by_word = self.excludes and among <= words and any(word.isalpha() for word in among)
        return words if by_word else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Another stream's rows by one column, for what a row itself does not carry (a person's case)."""

    stream: str
    key: str
    columns: tuple[str, ...]
    aliases: Aliases = field(default=NOBODY, compare=False)
    """Of the persons by whose numbers its rows are found; nobody's where they are found by another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A column directly, or a column of the rows that a lookup finds by it. `style`: what counts as empty in them."""

    by: str
    lookup: str = ""
    column: str = ""
    style: Style = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """How rows of a stream become one event type. `subject` None: the family's own record; `absent`: circumstances that
    the agency's system does not record."""

    schema: EventSchema
    when: tuple[Condition, ...]
    subject: Reference | None
    case: Reference
    ordinal: int
    times: Mapping[str, Value]
    fields: Mapping[str, Value]
    facts: Mapping[str, Value]
    absent: frozenset[str]
    norm: Mapping[str, Value]
    purposes: tuple[str, ...]

    @property
    def control(self) -> bool:
        return self.schema.topic == "consents"

    @property
    def by_version(self) -> bool:
        """Whether one of its times is that of the row's version."""
        return any(value.columns == (VERSION,) for value in self.times.values())

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value of it."""
        return (*self.times.values(), *self.fields.values(), *self.facts.values(), *self.norm.values())

    @property
    def columns(self) -> frozenset[str]:
        """Every column of its own stream that it reads."""
        places = {self.case.by} | ({self.subject.by} if self.subject else set())
        return frozenset(
            places | {c.column for c in self.when} | {name for v in self.values for name in v.used}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One table or file. `settings` belong to the kind of source (table, query, version, file, …); `unrelated`: columns
    that look like a circumstance by their name and are none; `looked`: columns by which other streams find its rows.

    `key`: its own columns by which a source tells rows apart. `parts`: the columns that name its records; those of
    other streams (`joined`) stand there in place of the own ones by which they are found.
    `persons`: those columns and cells of the key that hold a person's number, where persons have newer numbers
    (`aliases`); `numbered`: any of its columns that does.
    """

    name: str
    key: tuple[str, ...]
    events: tuple[EventMapping, ...]
    gone: Condition | None
    on_vanish: EventMapping | None
    unrelated: frozenset[str]
    settings: Mapping[str, Any]
    looked: frozenset[str] = frozenset()
    parts: tuple[str | Joined, ...] = ()
    persons: frozenset[str] = NOTHING
    aliases: Aliases = NOBODY
    numbered: frozenset[str] = NOTHING

    def first(self, column: str, number: str) -> str:
        """The number by which a row of another stream is found: of a person the first one."""
        return self.aliases.of(number) if column in self.numbered else number

    @property
    def mapped(self) -> tuple[EventMapping, ...]:
        """The events that its rows become, gone ones included."""
        return (*self.events, *([self.on_vanish] if self.on_vanish else []))

    @property
    def joined(self) -> tuple[Joined, ...]:
        """Every cell of another stream that its rows need, each once."""
        values = (value.joined for event in self.mapped for value in event.values)
        parts = (part for part in self.parts if isinstance(part, Joined))
        return tuple({one.name: one for one in (*parts, *values) if one is not None}.values())

    @property
    def replaceable(self) -> tuple[Joined, ...]:
        """Those in whose place something else stands when no row is found."""
        values = (value.replaceable for event in self.mapped for value in event.values)
        return tuple({one.name: one for one in values if one is not None}.values())

    @property
    def named_elsewhere(self) -> bool:
        """Whether another stream says a part of its records' names."""
        return any(isinstance(part, Joined) for part in self.parts)

    @property
    def renumbered(self) -> bool:
        """Whether a key of its rows may hold a newer number of a person."""
        return bool(self.aliases.first) and not self.persons.isdisjoint(self.key)

    @property
    def control(self) -> bool:
        return any(event.control for event in self.events)

    @property
    def by_version(self) -> bool:
        """Whether a row's own version must be a time. That of a row which is no longer there is when this was found."""
        marked = [self.on_vanish] if self.on_vanish and self.gone else []
        return any(event.by_version for event in (*self.events, *marked))

    @property
    def columns(self) -> frozenset[str]:
        """Every column that must be there."""
        gone = {self.gone.column} if self.gone else set()
        return frozenset(self.key).union(gone, *(event.columns for event in self.mapped))

    @property
    def references(self) -> tuple[Reference, ...]:
        both = [ref for event in self.mapped for ref in (event.subject, event.case) if ref is not None]
        return tuple(ref for ref in both if ref.lookup)


def lookup_of(table: LookupTable) -> Lookup:
    """A lookup of the configuration."""
    return Lookup(stream=table.stream, key=table.key, columns=table.columns)


def absent_of(table: FileTable, place: str) -> frozenset[str]:
    """The circumstances that the agency's system records nowhere; raises ConfigurationError."""
    return frozenset(name for name in CIRCUMSTANCES if _is_absent(getattr(table, name), f"{place}.{name}"))


def _is_absent(raw: Any, place: str) -> bool:
    if raw not in (None, ABSENT):
        raise ConfigurationError(
            f'can only be "{ABSENT}" for all events',
            place=place,
            remedy="name a column at each event instead",
        )
    return bool(raw == ABSENT)


def stream_of(
    name: str, table: StreamTable, style: Style, codes: Codes, absent: frozenset[str] = NOTHING
) -> Stream:
    """A stream of the configuration; `absent`: circumstances that the whole configuration calls absent."""
    place = f"config.streams.{name}"
    parts = tuple(
        one if isinstance(one, str) else joined_of(one, f"{place}.key[{n}]", style)
        for n, one in enumerate(table.key)
    )
    own = (part if isinstance(part, str) else part.by for part in parts)
    vanish = table.on_vanish
    return Stream(
        name=name,
        key=tuple(dict.fromkeys(own)),
        parts=parts,
        events=tuple(
            _event(one, f"{place}.events[{n}]", style, codes, absent) for n, one in enumerate(table.events)
        ),
        gone=_condition(table.gone, f"{place}.gone", style, excludes=True) if table.gone else None,
        on_vanish=_event(vanish, f"{place}.on_vanish", style, codes, absent) if vanish else None,
        unrelated=frozenset(table.unrelated),
        settings=table.model_extra or {},
    )


def _event(table: EventTable, place: str, style: Style, codes: Codes, absent: frozenset[str]) -> EventMapping:
    facts = {name: getattr(table, name) for name in FACTS}
    own = {name for name in CIRCUMSTANCES if facts[name] == ABSENT}
    event = EventMapping(
        schema=_schema(table.type, place),
        when=tuple(_condition(one, f"{place}.when", style) for one in table.when),
        subject=_reference(table.subject, style) if table.subject is not None else None,
        case=_reference(table.case, style),
        ordinal=table.ordinal,
        times=_values(table, TIMES, place, style, codes),
        fields=_valued(table.fields_, f"{place}.fields", style, codes),
        absent=absent | own,
        facts=_valued({name: raw for name, raw in facts.items() if name not in own}, place, style, codes),
        norm=_values(table.ground, NORM, f"{place}.ground", style, codes),
        purposes=table.purposes,
    )
    _check(event, place)
    return event


def _check(event: EventMapping, place: str) -> None:
    _check_kinds(event, place)
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


def _check_kinds(event: EventMapping, place: str) -> None:
    _check_version(event, place)
    kinds = {name: spec.kind for name, spec in event.schema.fields.items()}
    for name, value in event.fields.items():
        if name in kinds:
            refuse_inapplicable(value, kinds[name], f"{place}.fields.{name}")
    for name, value in event.times.items():
        if value.columns != (VERSION,):
            refuse_inapplicable(value, "timestamp-micros", f"{place}.{name}")
    for name, value in (*event.facts.items(), *event.norm.items()):
        refuse_inapplicable(value, _KINDS.get(name, "string"), f"{place}.{name}")


def _check_version(event: EventMapping, place: str) -> None:
    """The version is a time of the row, alone and as it is; nowhere else it stands for anything."""
    fields = {f"fields.{name}": value for name, value in event.fields.items()}
    norm = {f"ground.{name}": value for name, value in event.norm.items()}
    for name, value in (*fields.items(), *event.facts.items(), *norm.items(), *event.times.items()):
        alone = name in TIMES and value.columns == (VERSION,) and value.said <= {"column", "columns"}
        if VERSION in (*value.columns, *(column for _, column in value.flags)) and not alone:
            raise ConfigurationError(
                f'"{VERSION}" stands for a time alone',
                place=f"{place}.{name}",
                remedy="name the column that holds the value",
            )


def _schema(name: str, place: str) -> EventSchema:
    try:
        schema = event_schema(name)
    except UnknownSchema:
        raise ConfigurationError(
            f"unknown event type {name}", place=place, remedy="see the catalogue"
        ) from None
    if schema.topic == "danger":
        raise ConfigurationError("danger reports have a path of their own", place=place, remedy="remove it")
    if schema.topic == "views":
        raise ConfigurationError(
            f"{name} is computed for a view and cannot be published", place=place, remedy="remove it"
        )
    return schema


def _values(
    table: FileTable, names: tuple[str, ...], place: str, style: Style, codes: Codes
) -> Mapping[str, Value]:
    return _valued({name: getattr(table, name) for name in names}, place, style, codes)


def _valued(raws: Mapping[str, Any], place: str, style: Style, codes: Codes) -> Mapping[str, Value]:
    return {
        name: value_of(raw, f"{place}.{name}", style, codes) for name, raw in raws.items() if raw is not None
    }


def _reference(table: str | LookedUp, style: Style) -> Reference:
    if isinstance(table, str):
        return Reference(by=table, style=style)
    return Reference(by=table.by, lookup=table.lookup, column=table.column, style=style)


def _condition(table: ConditionTable, place: str, style: Style, *, excludes: bool = False) -> Condition:
    condition = Condition(
        column=table.column,
        among=frozenset(table.in_ or table.not_in) or None,
        filled=table.filled,
        negated=bool(table.not_in),
        style=style,
        known=frozenset(table.known),
        excludes=excludes or bool(table.not_in),
    )
    if (condition.among is None) == (condition.filled is None):
        raise ConfigurationError("needs one of in, not_in, filled", place=place, remedy="name the condition")
    return condition
