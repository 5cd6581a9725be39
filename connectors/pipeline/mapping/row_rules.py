"""What is asked of a row before it is mapped: its key, whether a condition holds, whose number stands in it. Pure."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from connectors.contract import LOOKUP_AMBIGUOUS, LOOKUP_MISSING, Fault, Row, Unreadable, fault_of
from connectors.pipeline.config.streams import Condition, Reference, Stream
from connectors.pipeline.config.values import Joined
from connectors.pipeline.mapping.cells import cell, is_empty, plain_text, spelt_days
from connectors.pipeline.mapping.numbers import key_text, number_text
from hub.errors import DataError

Lookups = Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]]  # name → key → rows (the columns kept)
SEPARATOR = "\x1f"
"""Between the parts of a key; no text that is read holds it."""
KEYLESS, UNNAMED = "key_missing", "?"
"""How a key begins that stands for one which cannot be read."""


class Identified(NamedTuple):
    """A row's key, whether it says that it was deleted, and why one of them cannot be told. `named`: the key is the
    row's own, and no replacement for one that cannot be read. `before`: as in `Row`."""

    key: str
    gone: bool = False
    fault: Fault | None = None
    named: bool = True
    before: str = ""


def identified(stream: Stream, values: Mapping[str, object]) -> Identified:
    """Under which key the row counts. A key that cannot be read is replaced by how it is written, one that is not there
    by all that the row says, so that the row waits for itself and stands for no other."""
    try:
        key = row_key(stream, values)
    except DataError as error:
        said = sorted(values) if error.reason == KEYLESS else stream.key
        key = f"{UNNAMED}{[repr(values.get(name)) for name in said]}"
        return Identified(key, fault=fault_of(error), named=False)
    before = key_before(stream, key)
    try:
        return Identified(key, stream.gone is not None and applies(stream.gone, values), before=before)
    except DataError as error:
        return Identified(key, fault=fault_of(error), before=before)


def key_before(stream: Stream, key: str) -> str:
    """The key by the first numbers of the persons in it; empty where none of them has several."""
    if not stream.renumbered:
        return ""
    parts = list(zip(stream.key, key.split(SEPARATOR), strict=True))
    first, numbers = stream.aliases.first, stream.aliases.numbers
    if not any(name in stream.persons and (part in first or part in numbers) for name, part in parts):
        return ""
    return SEPARATOR.join(first.get(part, part) if name in stream.persons else part for name, part in parts)


def is_unnamed(row: Row) -> bool:
    """Whether the row has no key of its own that can be read."""
    return row.fault is not None and row.key.startswith(UNNAMED)


def row_key(stream: Stream, values: Mapping[str, object]) -> str:
    """The row's key as text. Raises DataError."""
    parts = [key_text(cell(values, name), name) for name in stream.key]
    if not any(parts):
        raise missing(stream.key[0], KEYLESS)
    return SEPARATOR.join(parts)


def applies(condition: Condition, values: Mapping[str, object]) -> bool:
    """Whether a row meets the condition; raises DataError when the column is not there, is no text, or holds a word
    that the condition does not know."""
    raw = cell(values, condition.column)
    if condition.filled is not None:
        return is_empty(raw, condition.style) is not condition.filled
    spelt = _spelt(raw, condition)
    met = not spelt.isdisjoint(condition.among or ())
    if not met and _is_doubtful(spelt, condition):
        raise DataError(
            "is a word that the condition does not know",
            reason="unknown_word",
            place=condition.column,
            remedy="correct the record, or name the word in the condition (in, not_in, known)",
        )
    return met is not condition.negated


def _spelt(raw: object, condition: Condition) -> set[str]:
    """How a configuration may write it: for what a database knows to be true or false there are several ways, for a day
    there are the forms of the export."""
    if isinstance(raw, bool):
        return {"true", "True", "1"} if raw else {"false", "False", "0"}
    if isinstance(raw, date):
        return spelt_days(raw, condition.style)
    return {"" if raw is None else plain_text(raw, condition.column)}


def _is_doubtful(spelt: set[str], condition: Condition) -> bool:
    """Whether the word is none that this condition may pass over: it looks like one that the condition names, or it is
    not among the words that are known."""
    known = condition.vocabulary
    if known is not None and spelt.isdisjoint(known) and spelt != {""}:
        return True
    alike = {_folded(word) for word in condition.among or ()}
    return any(_folded(word) in alike for word in spelt)


def _folded(word: str) -> str:
    text = unicodedata.normalize("NFKC", word).casefold()
    return "".join(sign for sign in text if unicodedata.category(sign)[0] not in "CZ")


def resolved(stream: Stream, reference: Reference, row: Row, lookups: Lookups) -> list[str]:
    """The numbers of persons or cases that stand there; none where a lookup finds nothing. Raises DataError."""
    raw = cell(row.values, reference.by)
    if is_empty(raw, reference.style):
        return []
    number = number_text(raw, reference.by)
    if not number:
        return []
    if not reference.lookup:
        return [number]
    rows = lookups.get(reference.lookup, {}).get(stream.first(reference.by, number), ())
    told = (found[reference.column] for found in rows)
    numbers = (number_text(each, reference.column) for each in told if not is_empty(each, reference.style))
    return list(dict.fromkeys(each for each in numbers if each))


def with_others(stream: Stream, row: Row, lookups: Lookups) -> Row:
    """The row with the cells of other streams beside its own. One that cannot be told is unreadable, which holds the
    row wherever it is needed."""
    if not stream.joined or not row.values:
        return row
    cells = {one.name: _joined_cell(stream, one, row.values, lookups) for one in stream.joined}
    return row._replace(values={**row.values, **cells})


def _joined_cell(stream: Stream, one: Joined, values: Mapping[str, object], lookups: Lookups) -> object:
    """What stands there; None where the row names none of the other stream's rows."""
    try:
        number = looked_number(stream, one, values)
    except DataError as error:
        return Unreadable(f"cannot be looked up by {error.place}", error.remedy, error.reason)
    if not number:
        return None
    found = [each[one.column] for each in lookups.get(one.lookup, {}).get(number, ())]
    if not found:
        return Unreadable(
            "finds no row in the other stream", f"add that row, or correct {one.by}", LOOKUP_MISSING
        )
    if len({repr(each) for each in found}) > 1:
        return Unreadable(
            "finds several rows that say different things",
            f"leave one of them, or correct {one.by}",
            LOOKUP_AMBIGUOUS,
        )
    return found[0]


def looked_number(stream: Stream, one: Joined, values: Mapping[str, object]) -> str:
    """By which number the row is looked up; empty where it names none. Raises DataError."""
    raw = cell(values, one.by)
    return "" if is_empty(raw, one.style) else stream.first(one.by, number_text(raw, one.by))


def record_name(stream: Stream, row: Row) -> str:
    """By which name the row's records count: its key, with what other streams say of it. Raises DataError."""
    if not stream.named_elsewhere:
        return row.key
    own = dict(zip(stream.key, row.key.split(SEPARATOR), strict=False))
    return SEPARATOR.join(
        _part(stream, row, part) if isinstance(part, Joined) else own[part] for part in stream.parts
    )


def _part(stream: Stream, row: Row, cell_elsewhere: Joined) -> str:
    """The part of the row's name that another stream says; of a person the first number."""
    name = cell_elsewhere.name
    text = key_text(cell(row.values, name), name)
    if not text:
        raise missing(name, KEYLESS)
    return stream.aliases.of(text) if name in stream.persons else text


def is_named(values: Mapping[str, object], column: str, wanted: Collection[str]) -> bool:
    """Whether one of these numbers stands in the column."""
    return is_among(values.get(column), column, wanted)


def is_among(raw: object, column: str, wanted: Collection[str]) -> bool:
    """Whether this is one of these numbers."""
    try:
        return number_text(raw, column) in wanted
    except DataError:
        return False


def missing(column: str, reason: str) -> DataError:
    """The row lacks what its event needs."""
    return DataError(
        "is not there", reason=reason, place=column, remedy="fill it in the source or correct the mapping"
    )
