"""Reads a sample of an agency's tables, to be profiled. Reads only, keeps nothing."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.exc import SQLAlchemyError

from connectors.database.connection import Database, meaning
from connectors.tools.propose.profile import Table, table
from hub.errors import AccessRefused

SAMPLE, PATIENCE = 500, 30
PLACE = "--url, --url-env"


def database(url: str, sample: int = SAMPLE) -> Iterator[Table]:
    """Every table and view of the database, from a sample of its rows; what the account may not read has no columns.

    Raises ConfigurationError (address, or a driver that is missing), AccessRefused, ServiceUnavailable.
    """
    source = Database(url, connect_seconds=PATIENCE, statement_seconds=PATIENCE)
    try:
        with source.connection(PLACE) as connection:
            found = inspect(connection)
            names = sorted({*found.get_table_names(), *found.get_view_names()})
            connection.rollback()
            for name in names:
                yield _sampled(connection, name, sample)
    finally:
        source.close()


def _sampled(connection: Connection, name: str, sample: int) -> Table:
    try:
        rows = connection.execute(select(text("*")).select_from(sql_table(name)).limit(sample))
    except SQLAlchemyError as error:
        _only_refused(connection, error)
        return table(name, [], [])
    header, values = list(rows.keys()), [tuple(row) for row in rows]
    return table(name, header, values, _key(connection, name))


def _key(connection: Connection, name: str) -> Sequence[str]:
    """Its primary key; none where the account may read what is in it and not how it is made (a view in MariaDB)."""
    try:
        return inspect(connection).get_pk_constraint(name).get("constrained_columns") or ()
    except SQLAlchemyError as error:
        _only_refused(connection, error)
        return ()


def _only_refused(connection: Connection, error: SQLAlchemyError) -> None:
    """A refusal is of this table alone; everything else is raised."""
    if not isinstance(meaning(error, PLACE), AccessRefused):
        raise error
    connection.rollback()
