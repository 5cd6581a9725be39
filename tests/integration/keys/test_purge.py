"""Destroyed keys are looked for in the raw files of their database, where a thief of the disk would look."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.purge import LOG, TABLE_FILE, purge, purged_at
from hub.dev.servers import LocalPostgres
from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import KeyRef

REFS = [KeyRef("box", "jc", f"p_{number * 7919 % 1000:03}") for number in range(400)]


def opened(url: str) -> KeyDatabase:
    database = KeyDatabase(url, lambda: [b"k" * 32])
    for start in range(0, len(REFS), 20):
        database.newest(REFS[start : start + 20])
    return database


def wrapped(database: KeyDatabase, refs: Sequence[KeyRef]) -> list[bytes]:
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT subject, wrapped FROM key WHERE wrapped IS NOT NULL"))
        found = {row.subject: bytes(row.wrapped) for row in rows}
    return [found[ref.subject] for ref in refs]


def left(folder: Path, keys: Sequence[bytes]) -> set[str]:
    """Files below the folder in which any of these keys stands."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name for path in files if any(key in path.read_bytes() for key in keys)}


def test_sqlite_keeps_nothing(tmp_path: Path) -> None:
    database = opened(f"sqlite:///{tmp_path / 'keys.sqlite'}")
    gone = wrapped(database, REFS[:40])
    assert left(tmp_path, gone)
    assert {database.destroy(ref).remains for ref in REFS[:40]} == {()}
    assert left(tmp_path, gone) == set()
    assert left(tmp_path, wrapped(database, REFS[40:]))
    database.close()


def test_sqlite_tries_again_while_somebody_reads(tmp_path: Path) -> None:
    """A backup holds the write-ahead log; the certificate says so, and when it ends nobody has to do anything."""
    database = opened(f"sqlite:///{tmp_path / 'keys.sqlite'}")
    gone = wrapped(database, REFS[:1])
    reader = sqlite3.connect(tmp_path / "keys.sqlite")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM key").fetchone()
    assert database.destroy(REFS[0]).remains == (LOG,)
    assert left(tmp_path, gone)
    with pytest.raises(KeyServiceUnavailable, match="another process reads"):
        purge(database.engine, 1)
    reader.rollback()
    reader.close()
    end = time.monotonic() + 30
    while left(tmp_path, gone):
        assert time.monotonic() < end
        time.sleep(0.05)
    database.close()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[LocalPostgres, Path]]:
    """A server of its own: nobody else writes its log, and nobody's data stand in its files."""
    with LocalPostgres.start() as running:
        yield running, running._data


def as_user(url: str, name: str, *grants: str) -> str:
    """The database belongs to a user who may do no more than these grants say."""
    database, engine = make_url(url).database, create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
        connection.exec_driver_sql(f"ALTER DATABASE {database} OWNER TO {name}")
        for grant in grants:
            connection.exec_driver_sql(f"GRANT {grant} TO {name}")
    engine.dispose()
    return make_url(url).set(username=name).render_as_string(hide_password=False)


def test_postgresql_keeps_nothing_after_a_purge(server: tuple[LocalPostgres, Path]) -> None:
    """Heap, statistics, indexes, write-ahead log and what the server keeps of it for later use."""
    running, folder = server
    url = as_user(running.create_database("purged"), "purging", "pg_checkpoint", "pg_monitor")
    database = opened(url)
    gone, living = wrapped(database, REFS[:8]), wrapped(database, REFS[8:9])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE key")
        connection.exec_driver_sql("CHECKPOINT")
    assert {database.destroy(ref).remains for ref in REFS[:8]} == {(TABLE_FILE, LOG)}
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM key")
        connection.exec_driver_sql("CHECKPOINT")
    assert left(folder, gone)
    purge(database.engine, 7)
    assert left(folder, gone) == set()
    assert left(folder, living)
    with database.engine.connect() as connection:
        assert purged_at(connection) == 7
    assert len(database.newest(REFS[8:])) == len(REFS) - 8
    database.close()


def test_a_user_who_may_not_purge_is_told_what_it_lacks(server: tuple[LocalPostgres, Path]) -> None:
    running, _ = server
    database = opened(as_user(running.create_database("poor"), "poor"))
    with pytest.raises(ConfigurationError, match="may not purge") as error:
        purge(database.engine, 7)
    assert "pg_checkpoint" in error.value.remedy
    database.close()


def test_a_server_that_keeps_its_log_is_not_called_clean(server: tuple[LocalPostgres, Path]) -> None:
    """A replica that is behind holds the log: so does its slot."""
    running, _ = server
    database = opened(running.create_database("held"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SELECT pg_create_physical_replication_slot('behind', true)")
        try:
            with pytest.raises(KeyServiceUnavailable, match="replication slot"):
                purge(database.engine, 7)
        finally:
            connection.exec_driver_sql("SELECT pg_drop_replication_slot('behind')")
    database.close()
