"""Reads a sample of an agency's tables, to be profiled. Reads only, keeps nothing."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.exc import SQLAlchemyError

from connectors.contract import Unreadable
from connectors.database.connection import Database, RowsUnreadable, meaning
from connectors.database.values import told
from connectors.tools.propose.profile import Table, Unread, left_out, table
from hub.errors import AccessRefused, HubError

SAMPLE, PATIENCE = 500, 30
PLACE = "--url, --url-env"


def database(url: str, sample: int = SAMPLE) -> Iterator[Table]:
    """Every table and view of the database, from a sample of its rows; one that the account may not read, or
    of which the database cannot give a row, has no columns.

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
        header, values = list(rows.keys()), [tuple(map(told, row)) for row in rows]
    except SQLAlchemyError as error:
        return left_out(name, _of_this_table(connection, error, name))
    faults = [_faults(name, header, number, row) for number, row in enumerate(values, 1)]
    whole = [row for row, found in zip(values, faults, strict=True) if not found]
    unread = [one for found in faults for one in found]
    return table(name, header, whole, _key(connection, name), unread)


def _faults(name: str, header: Sequence[str], number: int, row: Sequence[object]) -> list[Unread]:
    """The cells of a row that could not be read."""
    place = f"{name}, row {number}, column"
    return [
        Unread(f"{place} {column}", cell.why, cell.remedy)
        for column, cell in zip(header, row, strict=True)
        if isinstance(cell, Unreadable)
    ]


def _key(connection: Connection, name: str) -> Sequence[str]:
    """Its primary key; none where the account may read what is in it and not how it is made (a view in MariaDB)."""
    try:
        return inspect(connection).get_pk_constraint(name).get("constrained_columns") or ()
    except SQLAlchemyError as error:
        _of_this_table(connection, error, name)
        return ()


def _of_this_table(connection: Connection, error: SQLAlchemyError, name: str) -> HubError:
    """A refusal and a row that cannot be given are of this table alone; everything else is raised."""
    found = meaning(error, name)
    if not isinstance(found, AccessRefused | RowsUnreadable):
        raise error
    connection.rollback()
    return found
