"""The log: does it answer, are the topics as declared, who is silent or behind?"""

from collections.abc import Iterator

from sqlalchemy import select

from hub import topology
from hub.bootstrap import build_clock, build_log
from hub.cli.doctor.check import START, Check, attempt, failed, no_file
from hub.cli.topics import compared, log_file_exists
from hub.config import Settings, load_agencies
from hub.danger.watch import Watch
from hub.errors import ConfigurationError, HubError
from hub.metrics.hearing import SILENT, Hearing
from hub.ports import EventLog, TopicState
from hub.stages import consents
from hub.store import Store, positions
from hub.store.tables import position


def log_checks(settings: Settings) -> Iterator[Check]:
    """What can be asked of a log that is there."""
    if settings.host == "embedded" and not log_file_exists(settings):
        yield Check("log", ok=False, found="not created yet", remedy=START)
        return
    try:
        log = build_log(settings, build_clock(settings))
    except HubError as error:
        yield failed("log", error)
        return
    try:
        yield Check("log", ok=True, found="answers")
        yield attempt("topics", lambda: _topics(settings))
        yield attempt("danger_acknowledged", lambda: _danger(settings, log))
        yield attempt("connectors", lambda: _connectors(settings, log))
        if not no_file(settings.store_url):
            yield attempt("positions", lambda: _positions(settings, log))
            yield attempt("consents_caught_up", lambda: _caught_up(settings, log))
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
    names = topology.CONSENTS.topics(agency.id for agency in load_agencies(settings.agencies))
    store = Store(settings.store_url)
    try:
        with store.transaction() as connection:
            behind = sum(
                end - positions.load(connection, consents.STAGE, name).get(partition, ("", 0))[1]
                for name, state in log.state(list(names)).items()
                for partition, end in state.end.items()
            )
    finally:
        store.close()
    remedy = "" if behind == 0 else "start the consents worker; until it caught up nothing is disclosed"
    return Check("consents_caught_up", behind == 0, f"{behind} records behind", remedy)
