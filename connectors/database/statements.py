"""Statements that mean the same in every database: names always quoted, pages by comparison column by column. Pure."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, quoted_name, text
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.types import NullType

from connectors.contract import OutOfRange, Single


def column(name: str) -> Any:
    """Exactly this column, whatever the database takes for a reserved word."""
    return sql_column(quoted_name(name, quote=True))


def bound(value: Any) -> Any:
    """A value in the type of what it is compared with: a cast would change how padded or enumerated keys compare."""
    return bindparam(None, _plain(value), type_=NullType())


def _plain(value: Any) -> Any:
    """Drivers look values up by their very type."""
    if isinstance(value, OutOfRange):
        return str.__str__(value)
    return float(value) if isinstance(value, Single) else value


def among(name: str, values: Sequence[Any]) -> Any:
    """The column is one of these."""
    return column(name).in_(
        bindparam(None, [_plain(value) for value in values], expanding=True, type_=NullType())
    )


def whole(name: str) -> Any:
    """A FLOAT of MySQL or MariaDB, which they would round to six digits, as a DOUBLE."""
    return column(name).op("+")(text("0e0")).label(quoted_name(name, quote=True))


def named(name: str, schema: str) -> Any:
    """A table; its schema may stand before it with a dot."""
    if not schema:
        schema, _, name = name.rpartition(".")
    return sql_table(
        quoted_name(name, quote=True), schema=quoted_name(schema, quote=True) if schema else None
    )


def ordered(query: Select[Any], names: Sequence[str], limit: int) -> Select[Any]:
    """One page in the order of these columns. Rows without them have no place in it."""
    order = [column(name) for name in names]
    return query.where(*(each.is_not(None) for each in order)).order_by(*order).limit(limit)


def after(names: Sequence[str], last: Sequence[Any]) -> Any:
    """Rows beyond `last` in the order of these columns; spelt out, for not every database compares whole rows."""
    *head, tail = [(column(name), bound(value)) for name, value in zip(names, last, strict=True)]
    condition: Any = tail[0] > tail[1]
    for one, value in reversed(head):
        condition = or_(one > value, and_(one == value, condition))
    first, value = [*head, tail][0]
    return and_(first >= value, condition)


def exactly(names: Sequence[str], keys: Sequence[Sequence[Any]]) -> Any:
    """Rows with one of these keys."""
    if len(names) == 1:
        return among(names[0], [key[0] for key in keys])
    return or_(*(and_(*(column(n) == bound(v) for n, v in zip(names, key, strict=True))) for key in keys))
