"""Reads a sample of an agency's tables, to be profiled. Reads only, keeps nothing."""

from collections.abc import Iterator

from sqlalchemy import inspect, select, text
from sqlalchemy import table as sql_table

from connectors.proposal.profile import Table, table
from connectors.sql.database import Database

SAMPLE, PATIENCE = 500, 30
PLACE = "--url"


def database(url: str, sample: int = SAMPLE) -> Iterator[Table]:
    """Every table and view of the database, from a sample of its rows.

    Raises ConfigurationError (address, or a driver that is missing), AccessRefused, ServiceUnavailable.
    """
    source = Database(url, connect_seconds=PATIENCE, statement_seconds=PATIENCE)
    try:
        with source.connection(PLACE) as connection:
            found = inspect(connection)
            for name in sorted({*found.get_table_names(), *found.get_view_names()}):
                rows = connection.execute(select(text("*")).select_from(sql_table(name)).limit(sample))
                key = found.get_pk_constraint(name).get("constrained_columns") or ()
                yield table(name, list(rows.keys()), [tuple(row) for row in rows], key)
    finally:
        source.close()
