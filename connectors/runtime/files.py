"""The agency's own small SQLite files: opened durable, and held by one process at a time where they must be."""

import fcntl
import sqlite3
from pathlib import Path
from typing import IO

from hub.errors import ServiceUnavailable, TryAgain

PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON")
"""What is deleted is overwritten: a file that an erasure emptied says nothing either."""


def open_file(path: Path, *schema: str) -> sqlite3.Connection:
    """Open (or make) the file with these tables; raises ServiceUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30)
        for statement in (*PRAGMAS, *schema):
            connection.execute(statement)
        connection.commit()
    except (OSError, sqlite3.Error) as error:
        raise ServiceUnavailable(
            f"cannot be opened ({type(error).__name__})", place=path.name, remedy="check disk and permissions"
        ) from None
    return connection


def lease(path: Path) -> IO[str]:
    """Hold `path` for this process; raises TryAgain when another connector has it. Close the result to let go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise TryAgain(
            "another connector is running on this state", place=path.name, remedy="stop the other one first"
        ) from None
    return handle
