"""What the configuration says of a stream: its key, its events, and where their parts stand. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.pipeline.config.aliases import NOBODY, Aliases
from connectors.pipeline.config.areas import CodeTable
from connectors.pipeline.config.strict_toml import Table
from connectors.pipeline.config.values import (
    VERSION,
    Joined,
    Style,
    Value,
    joined_of,
    refuse_inapplicable,
    value_of,
)
from hub.errors import ConfigurationError
from schemas import EventSchema, UnknownSchema, event_schema

Codes = Mapping[str, CodeTable]

FACTS = (
    "entrusted_by", "source_203", "objected_76", "task_class", "connection", "merges_with", "endangers_help",
    "disputed", "addressee",
)  # fmt: skip
"""Circumstances that the policy reads, by their names in the envelope."""
_KINDS = {
    "source_203": "boolean", "objected_76": "boolean", "endangers_help": "boolean", "connection": "date",
    "disputed": "strings", "consents": "strings",
}  # fmt: skip
"""Of which kind they are; of those that are not here, a text."""

CIRCUMSTANCES = (
    "entrusted_by",
    "source_203",
    "objected_76",
    "task_class",
    "connection",
    "endangers_help",
    "disputed",
)
"""Those that only narrow a release. A mapping answers each: by a value, or by `ABSENT`."""

ANSWERING = frozenset({"youth_welfare"})
"""Kinds of agencies that must answer each of them: SGB VIII protects what is entrusted to them beyond § 67b SGB X."""

ABSENT = "none"
"""Says of a circumstance that the agency's system does not record it."""

NORM = ("norm", "task_norm", "attested_by", "consents")
"""The ground that a row itself names: a norm, or the ids of consents. Without it, every consent that the gate knows."""
TIMES = ("occurred_at", "valid_from", "valid_to")
OWN_NAME = {"ConsentGranted": "subject", "CustodyChanged": "child"}
"""Fields that repeat the subject's pseudonym; nobody maps them."""


_PLAIN = Style()
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A row counts when the column's text is among `among` (or is filled, or is empty). `known`: the other words that
    may stand there; `excludes`: rows are left out by it, so a word that nobody knows holds the row."""

    column: str
    among: frozenset[str] | None
    filled: bool | None
    negated: bool = False
    style: Style = _PLAIN
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
    style: Style = _PLAIN


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


def lookup_of(table: Table) -> Lookup:
    """A lookup of the configuration."""
    lookup = Lookup(
        stream=table.take("stream", str), key=table.take("key", str), columns=table.texts("columns")
    )
    table.close()
    return lookup


def absent_of(table: Table) -> frozenset[str]:
    """The circumstances that the agency's system records nowhere; raises ConfigurationError."""
    found = {name for name in CIRCUMSTANCES if _is_absent(table.any(name), f"{table.place}.{name}")}
    table.close()
    return frozenset(found)


def _is_absent(raw: Any, place: str) -> bool:
    if raw not in (None, ABSENT):
        raise ConfigurationError(
            f'can only be "{ABSENT}" for all events',
            place=place,
            remedy="name a column at each event instead",
        )
    return bool(raw == ABSENT)


def stream_of(
    name: str, table: Table, style: Style, codes: Codes, absent: frozenset[str] = NOTHING
) -> Stream:
    """A stream of the configuration; `absent`: circumstances that the whole configuration calls absent."""
    gone, vanish = table.any("gone"), table.any("on_vanish")
    parts = _parts(table, style)
    own = (part if isinstance(part, str) else part.by for part in parts)
    stream = Stream(
        name=name, key=tuple(dict.fromkeys(own)), parts=parts,
        events=tuple(_event(item, style, codes, absent) for item in table.items("events")),
        gone=_condition(gone, f"{table.place}.gone", style, excludes=True) if gone is not None else None,
        on_vanish=None
        if vanish is None
        else _event(Table(vanish, f"{table.place}.on_vanish"), style, codes, absent),
        unrelated=frozenset(table.texts("unrelated", ())),
        settings={key: table.any(key) for key in table.names()},
    )  # fmt: skip
    table.close()
    return stream


def _parts(table: Table, style: Style) -> tuple[str | Joined, ...]:
    """The parts of the key, of which each is a column or a cell of another stream."""
    raw, place = table.any("key"), f"{table.place}.key"
    given = raw if isinstance(raw, list | tuple) else [raw]
    if all(isinstance(one, str) for one in given) or raw is None:
        return Table({} if raw is None else {"key": raw}, table.place).texts("key")
    tables = (one if isinstance(one, str) else Table(one, f"{place}[{n}]") for n, one in enumerate(given))
    return tuple(one if isinstance(one, str) else _part(one, style) for one in tables)


def _part(table: Table, style: Style) -> Joined:
    joined = joined_of(table, style)
    table.close()
    return joined


def _event(table: Table, style: Style, codes: Codes, absent: frozenset[str]) -> EventMapping:
    schema = _schema(table)
    facts = {name: table.any(name) for name in FACTS}
    own = {name for name in CIRCUMSTANCES if facts[name] == ABSENT}
    subject = table.any("subject")
    fields = {
        name: value_of(raw, f"{table.place}.fields.{name}", style, codes)
        for name, raw in dict(table.any("fields") or {}).items()
    }
    event = EventMapping(
        schema=schema, when=tuple(_condition(item, table.place, style) for item in table.any("when") or ()),
        subject=_reference(subject, f"{table.place}.subject", style) if subject is not None else None,
        case=_reference(table.any("case"), f"{table.place}.case", style), ordinal=table.take("ordinal", int, 0),
        times=_values(table, TIMES, style, codes), fields=fields, absent=absent | own,
        facts=_valued({name: raw for name, raw in facts.items() if name not in own}, table.place, style, codes),
        norm=_values(norm := table.table("ground"), NORM, style, codes),
        purposes=table.texts("purposes", ("joint_case_management",)),
    )  # fmt: skip
    norm.close()
    table.close()
    _check(event, table.place)
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
                f'"{VERSION}" stands for a time alone', place=f"{place}.{name}",
                remedy="name the column that holds the value",
            )  # fmt: skip


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
    if schema.topic == "views":
        raise ConfigurationError(
            f"{name} is computed for a view and cannot be published", place=table.place, remedy="remove it"
        )
    return schema


def _values(table: Table, names: tuple[str, ...], style: Style, codes: Codes) -> Mapping[str, Value]:
    return _valued({name: table.any(name) for name in names}, table.place, style, codes)


def _valued(raws: Mapping[str, Any], place: str, style: Style, codes: Codes) -> Mapping[str, Value]:
    return {
        name: value_of(raw, f"{place}.{name}", style, codes) for name, raw in raws.items() if raw is not None
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


def _condition(raw: Any, place: str, style: Style, *, excludes: bool = False) -> Condition:
    table = Table(raw, f"{place}.when")
    among, without = table.texts("in", ()), table.texts("not_in", ())
    condition = Condition(
        column=table.take("column", str), among=frozenset(among or without) or None, filled=table.any("filled"),
        negated=bool(without), style=style, known=frozenset(table.texts("known", ())),
        excludes=excludes or bool(without),
    )  # fmt: skip
    table.close()
    if (condition.among is None) == (condition.filled is None):
        raise ConfigurationError(
            "needs one of in, not_in, filled", place=table.place, remedy="name the condition"
        )
    return condition
