"""Reads a sample of an agency's tables or files, to be profiled. Reads only, keeps nothing."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy import table as sql_table
from sqlalchemy.exc import SQLAlchemyError

from connectors.proposal.profile import Table, table
from hub.errors import ConfigurationError, NoInput, ServiceUnavailable

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


def newest(folder: Path) -> Path:
    """The folder that holds the files: this one, or the last by name of those in it; raises NoInput."""
    if not folder.is_dir():
        raise NoInput("is no folder", place="--folder", remedy="name the folder of the export")
    within = sorted(each for each in folder.iterdir() if each.is_dir() and any(each.glob("*.csv")))
    if any(folder.glob("*.csv")) or not within:
        return folder
    return within[-1]


def folder_of_csv(folder: Path, encoding: str, delimiter: str, sample: int = SAMPLE) -> Iterator[Table]:
    """Every CSV file of the newest export in the folder; raises ConfigurationError naming file and line."""
    for file in sorted(newest(folder).glob("*.csv")):
        yield _file(file, encoding, delimiter, sample)


def _file(file: Path, encoding: str, delimiter: str, sample: int) -> Table:
    number = 0
    try:
        with file.open(encoding=encoding, newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = next(reader, [])
            rows = []
            for row in islice(reader, sample):
                number = reader.line_num
                rows.append([cell for _, cell in zip(header, row, strict=True)])
    except (LookupError, UnicodeError, ValueError, csv.Error):
        raise ConfigurationError(
            f"cannot be read as {encoding} with the delimiter {delimiter!r}", place=f"{file.name}, line {number + 1}",
            remedy="ask how the export is written, and say so by --encoding and --delimiter",
        ) from None  # fmt: skip
    return table(file.name, header, rows)
