"""What a database refuses because of the values that it was given: that is never an outage (protocol rule 14a).

A record whose pseudonym the database cannot hold must stand alone, and not look like a database that is down, for which
everybody waits. Store and key database read the same list.
"""

import sqlite3
import struct

UNSENDABLE = (OverflowError, UnicodeError, struct.error)
"""What drivers raise, without a class of their own, for a value that no column of the type can hold."""
REFUSED = "refused_by_store"
_OF_VALUES = ("21", "22", "23", "54", "XX000")
"""SQLSTATE classes that speak of the values given: cardinality, data, integrity, a limit of the program (index row,
row, field too long), and what PostgreSQL answers to an allocation that a value asks for."""


def speaks_of_values(error: BaseException) -> bool:
    """Whether the database, or its driver before anything was sent, refuses a value."""
    state = getattr(error, "sqlstate", None) or ""
    if state:
        return state.startswith(_OF_VALUES)
    if names := _of_psycopg(error):  # the driver's own word
        return bool(names & {"DataError", "IntegrityError", "ProgrammingError"})
    if isinstance(error, sqlite3.Error):
        refused = isinstance(error, sqlite3.DataError | sqlite3.IntegrityError)
        return refused or "binding" in str(error)
    return True


def _of_psycopg(error: BaseException) -> set[str]:
    """The names of psycopg's classes to which an error belongs; an agency's machine need not have the package."""
    return {one.__name__ for one in type(error).__mro__ if one.__module__.split(".")[0] == "psycopg"}
