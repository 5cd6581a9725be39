"""What is asked of a row before it is mapped: whether a condition holds, and whose number stands in it. Pure."""

from collections.abc import Mapping, Sequence

from connectors.runtime.cells import is_empty
from connectors.runtime.ports import Row
from connectors.runtime.streams import Condition, Reference
from hub.errors import DataError

Lookups = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]  # name → key → rows (the columns kept)


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
        raise missing(reference.by, "column_missing")
    raw = row.values[reference.by]
    if is_empty(raw, reference.style):
        return []
    text = str(raw).strip()
    if not reference.lookup:
        return [text]
    rows = lookups.get(reference.lookup, {}).get(text, ())
    told = (found[reference.column] for found in rows)
    return list(dict.fromkeys(each for each in told if not is_empty(each, reference.style)))


def missing(column: str, reason: str) -> DataError:
    """The row lacks what its event needs."""
    return DataError(
        "is not there", reason=reason, place=column, remedy="fill it in the source or correct the mapping"
    )
