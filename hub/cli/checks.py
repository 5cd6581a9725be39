"""What `hub doctor` checks, one function each. A check that cannot be made fails with the error's own remedy.

Later checks need what earlier ones found; when that is missing they are left out, so that one cause is told once.
"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, inspect, select
from sqlalchemy.engine import make_url

from connectors.danger.watch import Watch
from hub.adapters.keys.engine import connect, transaction
from hub.adapters.keys.separation import refuse_same_database
from hub.adapters.keys.tables import metadata as key_tables
from hub.adapters.store import Store, positions
from hub.adapters.store.tables import metadata, position
from hub.bootstrap import READ_MODELS, build_clock, build_keys, build_log
from hub.cli.topics import compared, log_file_exists
from hub.config import Settings, load_agencies, load_settings
from hub.domain.clock import berlin_day
from hub.errors import ConfigurationError, HubError
from hub.metrics.hearing import SILENT, Hearing
from hub.policy.load import load_policy, refuse_strangers
from hub.ports import EventLog, TopicState
from hub.stages import consents

MIN_PYTHON = (3, 11)
MIN_FREE = 1_000_000_000  # bytes
MAX_SKEW = 5.0  # seconds
_START = "start the hub once: it creates what is missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One answer; `remedy` is empty when nothing is to be done."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def all_checks() -> Iterator[Check]:
    """In the order in which a hub needs what they look at."""
    yield _python()
    try:
        settings = load_settings()
    except HubError as error:
        yield _failed("settings", error)
        return
    yield Check("settings", ok=True, found=f"host {settings.host}")
    yield _disk(settings)
    yield _try("agencies", lambda: _agencies(settings))
    yield _try("policy", lambda: _policy(settings))
    if settings.key_service_url:
        yield _try("key_service", lambda: _key_service(settings))
    else:
        yield _try("kek", lambda: _kek(settings))
        yield _try("key_database_apart", lambda: _apart(settings))
        yield _try("key_database", lambda: _key_database(settings))
        yield _ledger(settings)
    yield from _store_checks(settings)
    yield from _log_checks(settings)


def _try(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except HubError as error:
        return _failed(name, error)


def _failed(name: str, error: HubError) -> Check:
    found = f"{error.place}: {error.message}" if error.place else error.message
    return Check(name, ok=False, found=found, remedy=error.remedy or "see the message")


def _python() -> Check:
    ok = sys.version_info >= MIN_PYTHON
    return Check("python", ok, platform.python_version(), "" if ok else "install Python 3.11 or newer")


def _disk(settings: Settings) -> Check:
    folder = next(
        path for path in (settings.data.resolve(), *settings.data.resolve().parents) if path.exists()
    )
    free = shutil.disk_usage(folder).free
    ok = free >= MIN_FREE
    return Check("disk_space", ok, f"{free / 1e9:.1f} GB free", "" if ok else "make room: 1 GB must be free")


def _agencies(settings: Settings) -> Check:
    agencies = load_agencies(settings.agencies)
    ok = bool(agencies) and len({agency.id for agency in agencies}) == len(agencies)
    found = ", ".join(f"{agency.id} ({agency.kind})" for agency in agencies) or "none"
    return Check("agencies", ok, found, "" if ok else "name each agency once in the agencies file")


def _policy(settings: Settings) -> Check:
    policy = load_policy(settings.policy_files)
    refuse_strangers(policy, {agency.id for agency in load_agencies(settings.agencies)})
    change = policy.changes_after(berlin_day(build_clock(settings).now()))
    ahead = f", changes on {change.isoformat()}" if change else ""
    return Check(
        "policy", ok=True, found=f"{policy.version[:15]}, {len(settings.policy_files)} own files{ahead}"
    )


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
    if _no_file(settings.key_url) or not _has_key_tables(settings.key_url):
        return Check("key_database", ok=False, found="not created yet", remedy=_START)
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


def _store_checks(settings: Settings) -> Iterator[Check]:
    if _no_file(settings.store_url):
        yield Check("store", ok=False, found="not created yet", remedy=_START)
        return
    store = Store(settings.store_url)
    try:
        tables = _try("store", lambda: _tables(store))
        yield tables
        if tables.ok:
            yield _try("clock", lambda: _clock(settings, store))
    finally:
        store.close()


def _tables(store: Store) -> Check:
    with store.transaction() as connection:
        there = set(inspect(connection).get_table_names())
    wanted = {name for part in (metadata, *READ_MODELS) for name in part.tables}
    missing = sorted(wanted - there)
    found = "missing: " + ", ".join(missing) if missing else f"{len(wanted)} tables"
    return Check("store", not missing, found, _START if missing else "")


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


def _log_checks(settings: Settings) -> Iterator[Check]:
    if settings.host == "embedded" and not log_file_exists(settings):
        yield Check("log", ok=False, found="not created yet", remedy=_START)
        return
    try:
        log = build_log(settings, build_clock(settings))
    except HubError as error:
        yield _failed("log", error)
        return
    try:
        yield Check("log", ok=True, found="answers")
        yield _try("topics", lambda: _topics(settings))
        yield _try("danger_acknowledged", lambda: _danger(settings, log))
        yield _try("connectors", lambda: _connectors(settings, log))
        if not _no_file(settings.store_url):
            yield _try("positions", lambda: _positions(settings, log))
            yield _try("consents_caught_up", lambda: _caught_up(settings, log))
    finally:
        log.close()


def _danger(settings: Settings, log: EventLog) -> Check:
    """§ 8a: told from the headers of the danger topics, which tell nothing else."""
    watch = Watch(log, {agency.id: agency.kind for agency in load_agencies(settings.agencies)})
    overdue = watch.overdue(build_clock(settings).now(), settings.danger_alarm_minutes)
    late = ", ".join(name for name, waits in overdue.items() if waits)
    if not late:
        return Check("danger_acknowledged", ok=True, found="no report waits too long")
    return Check("danger_acknowledged", ok=False, found=f"late: {late}", remedy="call this intake now")


def _connectors(settings: Settings, log: EventLog) -> Check:
    """Who was heard of and does not speak any more."""
    now = build_clock(settings).now()
    heard = Hearing(log, [agency.id for agency in load_agencies(settings.agencies)]).heard(now)
    silent = [
        f"{agency}/{name} for {int(one.age(now).total_seconds())} s"
        for (agency, name), one in heard.items()
        if one.state(now) == SILENT
    ]
    if not silent:
        return Check("connectors", ok=True, found=f"{len(heard)} heard of, none is silent")
    remedy = "`hub connectors`; at the agency `hub connect status CONFIG`"
    return Check("connectors", ok=False, found=f"silent: {', '.join(silent)}", remedy=remedy)


def _topics(settings: Settings) -> Check:
    rows = compared(settings)
    wrong = [f"{row['topic']} ({', '.join(row['differs'])})" for row in rows if row["differs"]]
    if not wrong:
        return Check("topics", ok=True, found=f"{len(rows)} as declared")
    found, remedy = "; ".join(wrong), "`hub topics show`; `hub topics apply` creates what is missing"
    return Check("topics", ok=False, found=found, remedy=remedy)


def _positions(settings: Settings, log: EventLog) -> Check:
    """Every stage stands where the log and the store agree (protocol rule 13)."""
    store = Store(settings.store_url)
    try:
        with store.transaction() as connection:
            read = connection.execute(select(position.c.stage, position.c.topic).distinct()).all()
            states = log.state(sorted({topic for _, topic in read}))
            for stage, topic in read:
                stored = positions.load(connection, stage, topic)
                positions.check(_existing(states.get(topic), topic), stored, {})
    finally:
        store.close()
    return Check("positions", ok=True, found=f"{len(read)} stages' topics agree with the log")


def _existing(state: TopicState | None, topic: str) -> TopicState:
    if state is None:
        raise ConfigurationError(
            "a topic that was read is gone", place=topic, remedy="see docs/how-to/after-a-restore.md"
        )
    return state


def _caught_up(settings: Settings, log: EventLog) -> Check:
    topics = [f"agency.{agency.id}.consents" for agency in load_agencies(settings.agencies)]
    store = Store(settings.store_url)
    try:
        with store.transaction() as connection:
            behind = sum(
                end - positions.load(connection, consents.STAGE, name).get(partition, ("", 0))[1]
                for name, state in log.state(topics).items()
                for partition, end in state.end.items()
            )
    finally:
        store.close()
    remedy = "" if behind == 0 else "start the consents worker; until it caught up nothing is disclosed"
    return Check("consents_caught_up", behind == 0, f"{behind} records behind", remedy)


def _no_file(url: str) -> bool:
    """Whether this is an SQLite file that does not exist: looking must not create it."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return False
    return not Path(parsed.database).exists()
