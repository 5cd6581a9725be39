"""Reads a sample of an agency's tables, to be profiled. Reads only, keeps nothing."""

from collections.abc import Iterator

from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.exc import SQLAlchemyError

from connectors.proposal.profile import Table, table
from hub.errors import ServiceUnavailable

SAMPLE = 500


def database(url: str, sample: int = SAMPLE) -> Iterator[Table]:
    """Every table and view of the database, from a sample of its rows; raises ServiceUnavailable."""
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            found = inspect(connection)
            for name in sorted({*found.get_table_names(), *found.get_view_names()}):
                rows = connection.execute(select(text("*")).select_from(sql_table(name)).limit(sample))
                key = found.get_pk_constraint(name).get("constrained_columns") or ()
                yield table(name, list(rows.keys()), [tuple(row) for row in rows], key)
    except SQLAlchemyError as error:
        raise ServiceUnavailable(
            f"the database does not answer ({type(error).__name__})",
            place="--url", remedy="check address, driver, account and password",
        ) from None  # fmt: skip
    finally:
        engine.dispose()
