"""Tables and their profiles → the streams, events and code tables that a configuration would begin with. Pure.

What is not recognised is named, never guessed: it stays a comment for the person who reads the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from connectors.pipeline.config.protecting import BLOCKED, plain, protects
from connectors.pipeline.config.tables import CIRCUMSTANCES
from connectors.tools.propose.coded import Coded, CodeTables, Decision, decision
from connectors.tools.propose.exported import SUFFIXES
from connectors.tools.propose.profile import FLAGS, NEGATIVE, Column, Table
from connectors.tools.propose.words import vocabulary
from schemas import event_schema
from schemas.fields import FieldSpec

_KEY_ENDS = ("nr", "id", "nummer", "key", "schluessel")
_DATED = frozenset({"date", "time"})
PERSON_OF_CASE = "person_im_fall"
"""The derived column that stands for a person where numbers count within a case."""
_KEY_SHAPES = frozenset({"number", "text", "date", "time"})

_FLAGS = frozenset({"source_203", "objected_76", "endangers_help", "disputed"})
"""Circumstances that a column answers by yes or no."""
_NO_FLAG = "hält in der Stichprobe nicht nur Ja und Nein"

Concepts = Mapping[str, str]  # concept → column


class Doubt(str):
    """Why a field or a circumstance is not mapped to the column that is called like it: a question to a person."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Event:
    """An event that a table makes. `values`: field → column, columns joined, or a coded column; `facts`: circumstances
    that narrow its release, likewise. `by`: the column by which subject and case are found in the table of consents.
    `decided`: the column that says which rows are one; `doubts`: field or circumstance → why it stays a comment."""

    type: str
    subject: str
    case: str
    filled: str
    times: Mapping[str, str]
    values: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    decided: Decision | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def undecided(self) -> bool:
        """Whether nobody can say from the sample which rows are such an event."""
        return self.decided is not None and not self.decided.among


class Papers(NamedTuple):
    """The stream of consents: the columns of their number, and of the person and case that they are about."""

    stream: str
    number: str
    person: str
    case: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A table with its key and events; `unused` columns are named so that somebody decides."""

    name: str
    source: str
    key: tuple[str, ...]
    version: str
    deleted: str
    events: tuple[Event, ...]
    unused: tuple[str, ...]
    deleted_as: str = ""
    """How the column of deleted rows says yes; empty where it does not hold yes and no alone."""
    within: tuple[str, ...] = ()
    """Case and number of a person, where the number says only within the case who it is (`PERSON_OF_CASE`)."""
    blocks: tuple[str, ...] = ()
    """Columns that look like a block (`BLOCKED`): no address and no contact is proposed beside them."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a configuration begins with. `members`: the stream that says whose case is whose (stream, person, case);
    `papers`: the one that says whose consent is whose, where another needs it; `keyless`: tables that would make
    events, and have no columns that tell their rows apart."""

    streams: tuple[Stream, ...]
    codes: tuple[Coded, ...]
    members: tuple[str, str, str] | None
    unrecognised: tuple[Table, ...]
    keyless: tuple[Table, ...] = ()
    papers: Papers | None = None


def propose(tables: Sequence[Table], agency_kind: str, agencies: Mapping[str, str] | None = None) -> Proposal:
    """The proposal for these tables of an agency of this kind; `agencies`: controller → kind, of all that a consent may
    name."""
    known = {table.name: concepts(table) for table in tables}
    counted = any(_counted_within_case(table, known[table.name]) for table in tables)
    members = None if counted else _members(known)
    codes = CodeTables(agencies or {})
    papers = None if counted else _papers(known)
    entries = [one for one in vocabulary()["event"] if one.get("agency", agency_kind) == agency_kind]
    streams = [
        _stream(table, known[table.name], (members, papers), codes, entries, counted=counted)
        for table in tables
    ]
    pairs = list(zip(tables, streams, strict=True))
    return Proposal(
        tuple(stream for stream in streams if stream.events and stream.key),
        codes.tables,
        members,
        tuple(table for table, stream in pairs if not stream.events),
        tuple(table for table, stream in pairs if stream.events and not stream.key),
        papers if any(event.by for stream in streams for event in stream.events) else None,
    )


def _members(known: Mapping[str, Concepts]) -> tuple[str, str, str] | None:
    """The table that says whose case is whose: that of members, or else the register of persons."""
    wanted = ({"person", "case", "role"}, {"person", "case", "birth_date", "last_name"})
    return next(
        (
            (stream_name(name), found["person"], found["case"])
            for needed in wanted
            for name, found in known.items()
            if needed <= found.keys()
        ),
        None,
    )


def _papers(known: Mapping[str, Concepts]) -> Papers | None:
    """The table that grants consents, if it names both person and case."""
    wanted = {"consent", "granted_at", "person", "case"}
    return next(
        (
            Papers(stream_name(name), found["consent"], found["person"], found["case"])
            for name, found in known.items()
            if wanted <= found.keys()
        ),
        None,
    )


def _counted_within_case(table: Table, known: Concepts) -> bool:
    """Whether a person's number means somebody else in another case: the same number with two birth dates or names."""
    if not {"case", "person"} <= known.keys():
        return False
    case, person = known["case"], known["person"]
    told = [known[name] for name in ("birth_date", "first_name") if name in known]
    return any(
        not table.determines([person], name) and table.determines([case, person], name) for name in told
    )


def stream_name(table: str) -> str:
    """A table's or file's name as the configuration calls its stream."""
    name = Path(table)
    return plain(name.stem if name.suffix.lower() in SUFFIXES else table) or "stream"


def concepts(table: Table) -> Concepts:
    """What each column is called among us: the first word of the list that a column's name equals, or ends with."""
    words: Mapping[str, Sequence[str]] = vocabulary()["concepts"]
    names = {plain(column): column for column in table.columns}
    found: dict[str, str] = {}
    for concept, synonyms in words.items():
        hit = next((names[word] for word in synonyms if word in names), None) or next(
            (names[name] for word in synonyms for name in names if len(word) > 3 and name.endswith(word)),
            None,
        )
        if hit is not None:
            found[concept] = hit
    return found


def _stream(
    table: Table,
    known: Concepts,
    lookups: tuple[tuple[str, str, str] | None, Papers | None],
    codes: CodeTables,
    entries: Sequence[Mapping[str, Any]],
    *,
    counted: bool,
) -> Stream:
    members, papers = lookups
    blocks = tuple(name for name in table.columns if protects(name) == BLOCKED)
    if blocks:
        known = {
            concept: name
            for concept, name in known.items()
            if concept not in vocabulary()["blocks"]["closed"]
        }
    fitting = [
        one for one in entries if _fits(one, table.name, known) and _placed(one, known, members, papers)
    ]
    found = (_event(entry, table, known, codes) for entry in fitting)
    events = tuple(_of_case(event) if counted else event for event in found if not counted or _own(event))
    within = tuple(known[name] for name in ("case", "person") if name in known) if counted else ()
    natural = next((one["key"] for one in fitting if "key" in one), ())
    key = table.key or _key(table, known, natural)
    used = {column for event in events for column in _columns(event)} | {*key}
    used |= {known[name] for name in ("changed", "deleted") if name in known}
    return Stream(
        stream_name(table.name),
        table.name,
        key,
        known.get("changed", ""),
        known.get("deleted", ""),
        events,
        tuple(name for name in table.columns if name not in {*used, *within}),
        _yes(table, known),
        within,
        blocks,
    )


def _yes(table: Table, known: Concepts) -> str:
    column = table.columns[known["deleted"]] if "deleted" in known else None
    if column is None or column.shape != "flag":
        return ""
    return min(next(flags for flags in FLAGS if {*column.values} <= flags) - NEGATIVE)


def _own(event: Event) -> bool:
    """Whether it names no other person by a number that counts within a case only."""
    return not any(isinstance(value, dict) and value.get("person") for value in event.values.values())


def _of_case(event: Event) -> Event:
    return replace(event, subject=PERSON_OF_CASE) if event.subject else event


def _fits(entry: Mapping[str, Any], table: str, known: Concepts) -> bool:
    """Whether the table's columns, and its name where they do not tell it alone, are those of the event."""
    named = entry.get("named")
    if named and not any(word in plain(table) for word in named):
        return False
    return {*entry["needs"]} <= known.keys() and not {*entry.get("without", ())} & known.keys()


def _placed(
    entry: Mapping[str, Any], known: Concepts, members: tuple[str, str, str] | None, papers: Papers | None
) -> bool:
    """Whether its person and case can be told."""
    subject = entry.get("subject")
    if _looked_up(entry, known):
        return papers is not None
    return (subject is None or subject in known) and ("case" in known or members is not None)


def _looked_up(entry: Mapping[str, Any], known: Concepts) -> bool:
    """Whether its subject stands in the table of consents alone."""
    return entry.get("by") in known and entry.get("subject") not in known


def _event(entry: Mapping[str, Any], table: Table, known: Concepts, codes: CodeTables) -> Event:
    schema = event_schema(entry["type"])
    values: dict[str, Any] = {}
    for name, concept in entry.get("fields", {}).items():
        if concept in known:
            values[name] = _value(schema.fields[name], table.columns[known[concept]], codes)
    for name, parts in entry.get("joined", {}).items():
        columns = [known[part] for part in parts if part in known]
        if columns:
            values[name] = columns
    values |= {name: {"constant": value} for name, value in entry.get("constants", {}).items()}
    if schema.event_type == "ConsentGranted":
        flags = {
            name: known[f"notice_{name}"]
            for name in ("purpose", "refusal", "withdrawal")
            if f"notice_{name}" in known and _is_flag(table.columns[known[f"notice_{name}"]])
        }
        values |= {"notices": {"flags": flags}} if flags else {}
    by = known[entry["by"]] if _looked_up(entry, known) else ""
    subject = known[entry["subject"]] if "subject" in entry and not by else ""
    times = {
        name: found
        for name, wanted in entry.get("times", {}).items()
        if (found := _time(wanted, table, known))
    }
    filled = known[entry["filled"]] if "filled" in entry else ""
    facts = {} if schema.topic == "consents" else _facts(table, known, codes, _sure(values))
    decides = known.get(_decides(entry))
    doubts = {name: str(one) for name, one in (*values.items(), *facts.items()) if isinstance(one, Doubt)}
    return Event(
        entry["type"],
        subject,
        "" if by else known.get("case", ""),
        filled,
        times or {"occurred_at": "@version"},
        _sure(values),
        _sure(facts),
        by,
        decision(entry["decided"], table.columns[decides]) if decides else None,
        doubts,
    )


def _decides(entry: Mapping[str, Any]) -> str:
    """The concept of the column that says which rows are such an event; empty where each row is one."""
    return str(vocabulary()["decided"][entry["decided"]]["column"]) if "decided" in entry else ""


def _sure(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in found.items() if not isinstance(one, Doubt)}


def _facts(table: Table, known: Concepts, codes: CodeTables, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The circumstances that narrow: a column that marks a row as disputed marks each of its fields."""
    found: dict[str, Any] = {name: known[name] for name in CIRCUMSTANCES if name in known}
    if "task_class" in found:
        made = codes.of_list("task_classes", table.columns[found["task_class"]])
        found["task_class"] = {"column": found["task_class"], "codes": made}
        found["merges_with"] = {"constant": "help"}
    for name in found.keys() & _FLAGS:
        if not _is_flag(table.columns[found[name]]):
            found[name] = Doubt(f"{found[name]} {_NO_FLAG}")
    if "disputed" in found and not isinstance(found["disputed"], Doubt):
        found["disputed"] = {"flags": dict.fromkeys(fields, found["disputed"])}
    if not fields:
        found.pop("disputed", None)
    return found


def _time(wanted: str | Sequence[str], table: Table, known: Concepts) -> str:
    """The first of these columns that holds days or times; "" when none does."""
    columns = (known[one] for one in ([wanted] if isinstance(wanted, str) else wanted) if one in known)
    return next((name for name in columns if table.columns[name].shape in (*_DATED, "empty")), "")


def _value(spec: FieldSpec, column: Column, codes: CodeTables) -> Any:
    """How the field is read from this column; a sentence (`Doubt`) where its words are none of that field."""
    if spec.name in ("granted_by", "custodians"):
        return {"column": column.name, "person": True}
    if spec.kind == "boolean" and not _is_flag(column):
        return Doubt(f"{column.name} {_NO_FLAG}")
    if spec.codelist and not spec.required and not column.values and column.shape != "empty":
        return Doubt(f"{column.name} hält zu viele oder zu lange Wörter für eine Codetabelle")
    table = codes.of_field(spec, column)
    return {"column": column.name, "codes": table} if table else column.name


def _is_flag(column: Column) -> bool:
    return column.shape in ("flag", "empty")


def _key(table: Table, known: Concepts, natural: Sequence[str]) -> tuple[str, ...]:
    """The table's own number; or else the columns that name such a record in any table (`natural`), for a small sample
    may make a person's number look unique that comes again with the next period; or else the fewest columns."""
    found = _fewest(table, known)
    columns = tuple(name for name in table.columns if name in {known.get(one) for one in natural})
    if _is_own(table, known, found) or len(columns) < len(natural) or not table.unique(columns):
        return found
    return columns


def _is_own(table: Table, known: Concepts, key: tuple[str, ...]) -> bool:
    """Whether this is one number, made for this table: it stands first, or is called after it."""
    if len(key) != 1 or key[0] in {known.get(one) for one in ("child", "person", "case")}:
        return False
    name = plain(key[0])
    stem = next((name.removesuffix(end) for end in _KEY_ENDS if name.endswith(end)), "")
    return key[0] == next(iter(table.columns)) or (len(stem) > 2 and plain(table.name).startswith(stem))


def _fewest(table: Table, known: Concepts) -> tuple[str, ...]:
    """The fewest columns, at most three, that differ in every row of the sample: numbers and ids first, then the child,
    the person, the case and days. Empty when there are none: a row without a key cannot be corrected or end."""
    case = known.get("case")
    ids = [name for name in table.columns if plain(name).endswith(_KEY_ENDS) and name != case]
    if not table.rows:
        return tuple(ids[:1])
    refs = [known[one] for one in ("child", "person", "case") if one in known]
    first = dict.fromkeys([*ids, *refs])
    other = dict.fromkeys(name for name, one in table.columns.items() if one.shape in _KEY_SHAPES)
    for columns in (first, first | other):
        for count in (1, 2, 3):
            for chosen in combinations(columns, count):
                if first.keys() & {*chosen} and table.unique(chosen):
                    return tuple(name for name in table.columns if name in chosen)
    return next(((name,) for name in other if table.unique([name])), ())


def _columns(event: Event) -> set[str]:
    found = {event.subject, event.case, event.filled, event.by, *event.times.values()}
    found |= {event.decided.column} if event.decided else set()
    for value in (*event.values.values(), *event.facts.values()):
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, list):
            found.update(value)
        else:
            found.update({value.get("column", "")}, dict(value.get("flags", {})).values())
    return found - {""}
