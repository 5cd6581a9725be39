"""What is left of a destroyed key in the files of its database, and how it is removed.

Every copy is wrapped, so it opens nothing without the key-encryption key; but whoever has both must find nothing
either. SQLite overwrites a destroyed key in its file at once, and its write-ahead log is emptied after each
destruction; while somebody reads that cannot be, and it is tried again until it succeeds. PostgreSQL leaves the old row
in the table's file and in its write-ahead log: `purge` writes the table anew and overwrites the log.
"""

import time
from collections.abc import Callable
from threading import Event, Thread

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from hub.adapters.keys.engine import transaction, unavailable
from hub.adapters.keys.tables import insert_new, reached
from hub.errors import ConfigurationError

TABLE_FILE, LOG = "table_file", "write_ahead_log"
"""Where a copy may be left; what else may hold one (backups, replicas, archived logs) no database can tell."""

_AGAIN = 0.2  # seconds between two tries to empty SQLite's write-ahead log
_MEGABYTE = 1_048_576
_MOST = 4096  # megabytes of write-ahead log that a purge writes at most
_PURGED = "purge"


class LogEmptier:
    """Empties SQLite's write-ahead log after destructions, and goes on trying while a reader is in the way."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed, self._wanted = Event(), Event()
        self._thread: Thread | None = None

    def empty(self) -> bool:
        """Whether the log is empty now; if not, it is tried again in the background until it is."""
        if _emptied(self._engine):
            self._wanted.clear()
            return True
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._go_on, daemon=True)
            self._thread.start()
        return False

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _go_on(self) -> None:
        while self._wanted.is_set() and not self._closed.wait(_AGAIN):
            if _emptied(self._engine, timeout=0):
                self._wanted.clear()


def _emptied(engine: Engine, timeout: int = 1000) -> bool:
    """Whether SQLite moved everything from the log into the database and cut the log to nothing; `timeout` in
    milliseconds. Other databases have no such log."""
    if engine.dialect.name != "sqlite":
        return True
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {timeout}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
            finally:
                connection.exec_driver_sql("PRAGMA busy_timeout = 5000")
    except SQLAlchemyError:
        return False  # nothing is destroyed twice for it: the log is looked at again
    return not busy


def remains(engine: Engine, *, emptied: bool) -> tuple[str, ...]:
    """Where a key that was destroyed just now may still stand in the files of its database."""
    if engine.dialect.name == "postgresql":
        return TABLE_FILE, LOG
    return () if emptied else (LOG,)


def purged_at(connection: Connection) -> int:
    """When the last purge began (microseconds since 1970 UTC), 0 before the first."""
    return int(
        connection.execute(
            text("SELECT coalesce(max(number), 0) FROM reached WHERE who = :who"), {"who": _PURGED}
        ).scalar_one()
    )


def purge(engine: Engine, now: int, told: Callable[[str], None] = lambda _: None) -> int:
    """Remove every copy of keys that were destroyed until now from the database's own files; megabytes of write-ahead
    log that were written for it. Nothing is locked for longer than writing the table takes.

    Raises ConfigurationError where the database's user may not do what is needed, and KeyServiceUnavailable where the
    server keeps its old log, for a replica or an archive that is behind.
    """
    if engine.dialect.name == "sqlite":
        if not _emptied(engine):
            raise unavailable(
                "the write-ahead log cannot be emptied while another process reads the key database"
            )
        written = 0
    else:
        written = _purge_postgresql(engine, told)
    with transaction(engine) as connection:
        insert_new(connection, reached, [{"who": _PURGED, "number": 0}])
        mine = reached.c.who == _PURGED
        connection.execute(reached.update().where(mine, reached.c.number < now).values(number=now))
    return written


def _purge_postgresql(engine: Engine, told: Callable[[str], None]) -> int:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            told(TABLE_FILE)
            connection.exec_driver_sql("VACUUM (FULL, ANALYZE) key")
            told(LOG)
            try:
                return _overwrite_log(connection)
            finally:
                connection.exec_driver_sql("RESET statement_timeout")
    except SQLAlchemyError as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", "")
        if state == "42501":  # insufficient privilege
            raise ConfigurationError(
                "the key database's user may not purge it",
                place="HUB_KEY_DATABASE_URL",
                remedy="GRANT pg_checkpoint, pg_monitor to it, and let it own its tables",
            ) from None
        raise unavailable(type(getattr(error, "orig", None) or error).__name__) from None


def _overwrite_log(connection: Connection) -> int:
    """Leave the segments in which keys were written, let the server give them free, and write over all that it keeps
    for later use with their old content in them. Returns the megabytes that this took."""
    written = _leave_segment(connection)
    last = _segment(connection)
    connection.exec_driver_sql("CHECKPOINT")
    connection.exec_driver_sql("CHECKPOINT")  # the one before the last may still be needed after the first
    kept = _segments(connection)
    if any(name < last for name in kept):
        raise unavailable(
            "the server keeps old write-ahead log, for a replication slot, an archive or wal_keep_size"
        )
    reused = max(kept)
    while _segment(connection) <= reused:
        if written >= _MOST:
            raise unavailable(f"{_MOST} megabytes did not overwrite the write-ahead log")
        _write_megabyte(connection)
        written += 1
    _until_flushed(connection)
    return written


def _leave_segment(connection: Connection) -> int:
    first, written = _segment(connection), 0
    while _segment(connection) == first:
        _write_megabyte(connection)
        written += 1
    return written


def _write_megabyte(connection: Connection) -> None:
    """A message that nobody reads: it changes nothing but the log."""
    connection.execute(
        text("SELECT pg_logical_emit_message(false, 'fallbruecke', repeat('0', :size))"), {"size": _MEGABYTE}
    )


def _segment(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").scalar_one())


def _segments(connection: Connection) -> list[str]:
    """The log's files: those in use, and those kept for later, whose names come after."""
    rows = connection.exec_driver_sql("SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
    return [str(name) for name in rows.scalars()]


def _until_flushed(connection: Connection) -> None:
    """Messages are written to the files a moment later."""
    insert = connection.exec_driver_sql("SELECT pg_current_wal_insert_lsn()").scalar_one()
    flushed = text("SELECT pg_current_wal_flush_lsn() >= CAST(:lsn AS pg_lsn)")
    while not connection.execute(flushed, {"lsn": insert}).scalar_one():
        connection.exec_driver_sql("CHECKPOINT")
        time.sleep(0.05)
