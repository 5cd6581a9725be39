"""Statements over one configured stream of a database."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, select, text

from connectors.database.statements import column, named, whole
from connectors.sources.sql.config import SqlStream


def chosen(stream: SqlStream, names: Sequence[str], single: Collection[str] = ()) -> Select[Any]:
    """These columns of the stream's table or query; those of `single` precision with all digits they have."""
    return select(*(whole(name) if name in single else column(name) for name in names)).select_from(
        origin(stream)
    )


def origin(stream: SqlStream) -> Any:
    """Where the stream's rows come from: a table, or a query in parentheses."""
    if stream.query:
        query = stream.query.rstrip("; \t\r\n").replace(":", "\\:")
        return text(f"(\n{query}\n) AS source")
    return named(stream.table, stream.schema)
