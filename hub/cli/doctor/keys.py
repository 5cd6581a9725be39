"""The keys: their database apart from the store, or the service, and the ledger of those destroyed."""

from collections.abc import Iterator

from sqlalchemy import inspect

from hub.adapters.keys.engine import connect, transaction
from hub.adapters.keys.separation import refuse_same_database
from hub.adapters.keys.tables import metadata as key_tables
from hub.bootstrap import build_clock, build_keys
from hub.cli.doctor.check import START, Check, attempt, no_file
from hub.config import Settings


def key_checks(settings: Settings) -> Iterator[Check]:
    """Of the key service, or of a key database of the hub's own."""
    if settings.key_service_url:
        yield attempt("key_service", lambda: _key_service(settings))
        return
    yield attempt("kek", lambda: _kek(settings))
    yield attempt("key_database_apart", lambda: _apart(settings))
    yield attempt("key_database", lambda: _key_database(settings))
    yield _ledger(settings)


def _kek(settings: Settings) -> Check:
    settings.keks()()
    if settings.kek_file and settings.kek_file.stat().st_mode & 0o077:
        return Check("kek", ok=False, found="others may read the file", remedy="chmod 600 the key's file")
    return Check("kek", ok=True, found="a key of 32 bytes")


def _apart(settings: Settings) -> Check:
    refuse_same_database(settings.store_url, settings.key_url)
    return Check("key_database_apart", ok=True, found="a database of its own")


def _key_database(settings: Settings) -> Check:
    """Opening it also compares the key-encryption key with the one the keys were wrapped under."""
    if no_file(settings.key_url) or not _has_key_tables(settings.key_url):
        return Check("key_database", ok=False, found="not created yet", remedy=START)
    return _answering("key_database", settings)


def _ledger(settings: Settings) -> Check:
    if settings.ledger_path is None:
        remedy = "set HUB_LEDGER_FILE to a file on another disk than every database"
        return Check("ledger", ok=False, found="destroyed keys are written down nowhere else", remedy=remedy)
    return Check("ledger", ok=True, found=f"destroyed keys also stand in {settings.ledger_path.name}")


def _key_service(settings: Settings) -> Check:
    return _answering("key_service", settings)


def _answering(name: str, settings: Settings) -> Check:
    keys = build_keys(settings, build_clock(settings))
    try:
        destroyed = keys.standing().destroyed
    finally:
        keys.close()
    return Check(name, ok=True, found=f"answers; {destroyed} keys destroyed so far")


def _has_key_tables(url: str) -> bool:
    engine = connect(url)
    try:
        with transaction(engine) as connection:
            return key_tables.tables.keys() <= set(inspect(connection).get_table_names())
    finally:
        engine.dispose()
