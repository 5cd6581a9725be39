"""The store: is it there, with all tables and the same time?"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import func, inspect, select

from hub import read_models
from hub.bootstrap import build_clock
from hub.cli.doctor.check import START, Check, attempt, no_file
from hub.config import Settings
from hub.stages import misnamed, unusable
from hub.stages.intake import TOOK_EFFECT
from hub.store import Store, quarantines
from hub.store.tables import metadata

MAX_SKEW = 5.0  # seconds


def store_checks(settings: Settings) -> Iterator[Check]:
    """What can be asked of a store that is there."""
    if no_file(settings.store_url):
        yield Check("store", ok=False, found="not created yet", remedy=START)
        return
    store = Store(settings.store_url)
    try:
        tables = attempt("store", lambda: _tables(store))
        yield tables
        if tables.ok:
            yield attempt("read_models", lambda: _read_models(store))
            yield attempt("clock", lambda: _clock(settings, store))
            yield attempt("broken_narrowing", lambda: _broken_narrowing(store))
            yield attempt("control_records", lambda: _control_records(store))
    finally:
        store.close()


def _tables(store: Store) -> Check:
    with store.transaction() as connection:
        there = set(inspect(connection).get_table_names())
    wanted = {*metadata.tables, *(table.name for table in read_models.tables())}
    missing = sorted(wanted - there)
    found = "missing: " + ", ".join(missing) if missing else f"{len(wanted)} tables"
    return Check("store", not missing, found, START if missing else "")


def _read_models(store: Store) -> Check:
    """Rows that nobody tells any more what to forget: their read model was uninstalled, its tables were left."""
    owned = {*metadata.tables, *(table.name for table in read_models.tables())}
    with store.transaction() as connection:
        found = inspect(connection)
        left = sorted(
            name
            for name in set(found.get_table_names()) - owned
            if {"generation", "subject"} <= {column["name"] for column in found.get_columns(name)}
        )
    if not left:
        return Check("read_models", ok=True, found=", ".join(one.name for one in read_models.installed()))
    remedy = "install the read model again, or drop its tables: nobody tells them what to forget"
    return Check(
        "read_models", ok=False, found="no installed read model owns " + ", ".join(left), remedy=remedy
    )


def _broken_narrowing(store: Store) -> Check:
    """Withdrawals and the like that took effect wholly because they could not be read, or that name somebody else's
    consent: were they meant so?"""
    with store.transaction() as connection:
        counted = Counter(quarantines.counts(connection))
        counted.update(
            (misnamed.agency_of(one), one.reason) for one in quarantines.items(connection, misnamed.STAGE)
        )
    wholly = {key: number for key, number in counted.items() if key[1].startswith(TOOK_EFFECT)}
    in_vain = {key: number for key, number in counted.items() if key[1] == misnamed.NOT_THEIRS}
    if not wholly and not in_vain:
        return Check("broken_narrowing", ok=True, found="no broken withdrawal took effect")
    told = [("took effect wholly", wholly), ("names a consent of somebody else", in_vain)]
    found = "; ".join(f"{what}: {_listed(of)}" for what, of in told if of)
    remedy = "`hub quarantine list`; the agency corrects its system and says again what was meant"
    return Check("broken_narrowing", ok=False, found=found, remedy=remedy)


def _control_records(store: Store) -> Check:
    """Consents, birth dates, custody and other control records that were taken, and that nobody can use."""
    with store.transaction() as connection:
        told = Counter(
            (misnamed.agency_of(one), one.reason)
            for one in quarantines.items(connection, misnamed.STAGE)
            if unusable.decides_nothing(one)
        )
    if not told:
        return Check("control_records", ok=True, found="every control record can be used")
    found = f"cannot be used: {_listed(told)}"
    remedy = "`hub quarantine list` names each; the agency corrects its system and says it again; then drop"
    return Check("control_records", ok=False, found=found, remedy=remedy)


def _listed(found: Mapping[tuple[str, str], int]) -> str:
    return ", ".join(f"{number} in {where} ({reason})" for (where, reason), number in sorted(found.items()))


def _clock(settings: Settings, store: Store) -> Check:
    if settings.clock_file:
        build_clock(settings).now()
        return Check("clock", ok=True, found="a story's own time")
    if store.is_sqlite:
        return Check("clock", ok=True, found="the database has no clock of its own")
    with store.transaction() as connection:
        theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    skew = abs((build_clock(settings).now() - theirs).total_seconds())
    ok = skew <= MAX_SKEW
    remedy = "" if ok else "set both machines' clocks by NTP"
    return Check("clock", ok, f"{skew:.1f} s between this machine and the database", remedy)
