"""What is asked of a row before it is mapped: its key, whether a condition holds, whose number stands in it. Pure."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from connectors.runtime.cells import cell, is_empty, plain_text, spelt_days
from connectors.runtime.numbers import key_text, number_text
from connectors.runtime.ports import Row
from connectors.runtime.streams import Condition, Reference, Stream
from connectors.runtime.unreadable import Fault, fault_of
from hub.errors import DataError

Lookups = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]  # name → key → rows (the columns kept)
SEPARATOR = "\x1f"
"""Between the parts of a key; no text that is read holds it."""
KEYLESS, UNNAMED = "key_missing", "?"
"""How a key begins that stands for one which cannot be read."""


class Identified(NamedTuple):
    """A row's key, whether it says that it was deleted, and why one of them cannot be told. `named`: the key is the
    row's own, and no replacement for one that cannot be read."""

    key: str
    gone: bool = False
    fault: Fault | None = None
    named: bool = True


def identified(stream: Stream, values: Mapping[str, object]) -> Identified:
    """Under which key the row counts. A key that cannot be read is replaced by how it is written, so that the row waits
    for itself and stands for no other."""
    try:
        key = row_key(stream, values)
    except DataError as error:
        key = f"{UNNAMED}{[repr(values.get(name)) for name in stream.key]}"
        return Identified(key, fault=fault_of(error), named=False)
    try:
        return Identified(key, stream.gone is not None and applies(stream.gone, values))
    except DataError as error:
        return Identified(key, fault=fault_of(error))


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
            "is a word that the condition does not know", reason="unknown_word", place=condition.column,
            remedy="correct the record, or name the word in the condition (in, not_in, known)",
        )  # fmt: skip
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


def resolved(reference: Reference, row: Row, lookups: Lookups) -> list[str]:
    """The numbers of persons or cases that stand there; none where a lookup finds nothing. Raises DataError."""
    raw = cell(row.values, reference.by)
    if is_empty(raw, reference.style):
        return []
    number = number_text(raw, reference.by)
    if not number:
        return []
    if not reference.lookup:
        return [number]
    rows = lookups.get(reference.lookup, {}).get(number, ())
    told = (found[reference.column] for found in rows)
    numbers = (number_text(each, reference.column) for each in told if not is_empty(each, reference.style))
    return list(dict.fromkeys(each for each in numbers if each))


def is_named(values: Mapping[str, object], column: str, wanted: Collection[str]) -> bool:
    """Whether one of these numbers stands in the column."""
    try:
        return number_text(values.get(column), column) in wanted
    except DataError:
        return False


def missing(column: str, reason: str) -> DataError:
    """The row lacks what its event needs."""
    return DataError(
        "is not there", reason=reason, place=column, remedy="fill it in the source or correct the mapping"
    )
