"""What `hub connect check` looks at, in the order in which a connector needs it. Nothing is sent, nothing is kept.

A check that cannot be made fails with the error's own words; what needs it is then left out, so that one cause is told
once. Names are keys of `check.toml`, which says them in two languages.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from connectors.pipeline.config.certificates import certificates
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.protecting import BLOCKED
from connectors.pipeline.publish.keyring import agency_keys, first_of
from connectors.pipeline.run.pipeline import gate, kind, looking_names, secret_of
from connectors.pipeline.state.sqlite_files import holder, lease_of, prove_writable
from connectors.tools.dry_run.checking import Asked, Fault, Found, examine
from connectors.tools.dry_run.protections import Effect, lookalikes, unanswered, withdrawable
from hub.cli.connect.given import clock_of, keys_to_look
from hub.cli.connect.host import open_keys, open_log
from hub.cli.language import said
from hub.config import load_settings
from hub.domain.clock import moment
from hub.errors import HubError
from hub.ports import EventLog, KeyRef, Record
from schemas import InvalidPayload, UnknownSchema, decode_single, topics

MIN_DAYS = 14
"""A certificate that ends sooner fails the check."""
MAX_SKEW = 5.0  # seconds
CREDENTIALS = Path("/run/credentials")
"""Where systemd lends a service its secrets: their mode shows the list of accounts that may read, which is its own."""
_TOPICS = {"source": ("consents", "events", "register", "status"), "sink": ("views", "receipts", "status")}


@dataclass(frozen=True, slots=True)
class Line:
    """One answer. `case` is the sentence of the check, `said` what it names; `remedy`: the cause's own, if any."""

    name: str
    ok: bool
    case: str
    said: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""


def all_lines(config: ConnectorConfig, rows: int | None = None) -> Iterator[Line]:
    """Every check of this connector; one cause is told once, by the first check that meets it."""
    told = set[tuple[object, str]]()
    for line in _lines(config, rows):
        cause = (line.said.get("cause"), line.remedy)
        if line.case != "error" or cause not in told:
            told.add(cause)
            yield line


def _lines(config: ConnectorConfig, rows: int | None) -> Iterator[Line]:
    role = kind(config).spec.role
    now = clock_of(config).now()
    yield Line("config", ok=True, case="ok", said={"kind": config.kind, "streams": len(config.streams)})
    if role == "source":
        yield (held := _try("agency_key", lambda: _secret("agency_key", config.keys.agency_key_file)))
        if held.case != "error":
            yield _try("key_ring", lambda: _ring(config))
        yield _try("policy", lambda: _policy(config))
    yield from _folders(config)
    yield _running(config)
    if role == "source":
        yield from _source(config, now, rows)
    yield from _keys(config)
    yield from _log(config, role, now)
    yield from (_certificate(one.setting, one.days(now)) for one in certificates(config))


def failed(name: str, error: HubError) -> Line:
    """A check that could not be made."""
    cause = f"{said(error.place)}: {said(error.message)}" if error.place else said(error.message)
    return Line(name, ok=False, case="error", said={"cause": cause}, remedy=said(error.remedy))


def _try(name: str, check: Callable[[], Line]) -> Line:
    try:
        return check()
    except HubError as error:
        return failed(name, error)


def _secret(name: str, path: Path | None) -> Line:
    if name == "agency_key":
        agency_keys(path)
    else:
        secret_of(path, "keys.kek_file")
    if path and path.stat().st_mode & 0o077 and CREDENTIALS not in path.parents:
        return Line(name, ok=False, case="open", said={"file": path.name})
    return Line(name, ok=True, case="ok")


def _ring(config: ConnectorConfig) -> Line:
    keys = agency_keys(config.keys.agency_key_file)
    with looking_names(config, keys):
        return Line("key_ring", ok=True, case="ok", said={"count": len(keys)})


def _policy(config: ConnectorConfig) -> Line:
    judge = gate(config, load_settings().policy_files)
    return Line(
        "policy",
        ok=True,
        case="ok",
        said={"version": judge.policy.version[:15], "roles": len(config.recipients)},
    )


def _folders(config: ConnectorConfig) -> Iterator[Line]:
    """Where the connector writes."""
    for name, path in (("state", config.state), ("pseudonyms", config.pseudonyms)):
        yield _try(name, partial(_own_file, name, path))
    if hasattr(kind(config), "try_writing"):
        yield _try("writing", lambda: _writing(config))


def _own_file(name: str, path: Path) -> Line:
    prove_writable(path, f"config.connector.{name}")
    if path.exists() and (mode := path.stat().st_mode & 0o777) & 0o007:
        return Line(name, ok=False, case="open", said={"path": path.name, "mode": oct(mode)})
    return Line(name, ok=True, case="ok")


def _writing(config: ConnectorConfig) -> Line:
    """Where this kind of connector writes besides: proved, and nothing left behind."""
    kind(config).try_writing(config)
    return Line("writing", ok=True, case="ok")


def _running(config: ConnectorConfig) -> Line:
    pid = holder(lease_of(config.state))
    return Line("running", ok=True, case="free" if pid is None else "held", said={"pid": pid or "?"})


def _source(config: ConnectorConfig, now: datetime, rows: int | None) -> Iterator[Line]:
    try:
        found = examine(config, first_of(keys_to_look(config)), now, load_settings().policy_files, rows)
    except HubError as error:
        yield failed("source", error)
        return
    yield Line("source", ok=True, case="ok" if found.read else "empty", said={"read": found.read})
    for one in found.incidents:
        named = {"stream": one.stream, "place": one.place, "reason": one.reason}
        yield Line("columns", ok=False, case="incident", said=named, remedy=said(one.remedy))
    if not found.incidents:
        yield Line("columns", ok=True, case="ok", said={"unmapped": sum(map(len, found.unmapped.values()))})
    yield from _circumstances(config, found)
    yield from _consents(config, found.consents)
    yield from (_fault("codes", one) for one in found.codes)
    if not found.codes:
        yield Line("codes", ok=True, case="ok")
    yield from (_asked(one) for one in found.asked)
    yield from (_asked(one, "default") for one in found.replaced)
    yield from (_fault("rows", one) for one in found.faults)
    if not found.faults:
        yield Line("rows", ok=True, case="ok", said={"read": found.read})
    yield from (Line("hours", ok=True, case="twice", said=one._asdict()) for one in found.twice)
    yield from _numbers(found)


def _numbers(found: Found) -> Iterator[Line]:
    """Where rows became one by normalising alone, or stayed two although they are one person's."""
    for one in found.alike:
        named = {"kinds": Counter({one.kind: one.numbers}), "streams": ", ".join(one.streams)}
        yield Line("spelling", ok=True, case="alike", said=named)
    for stream, records in sorted(found.beside.items()):
        yield Line("newer_numbers", ok=True, case="beside", said={"stream": stream, "records": records})


def _circumstances(config: ConnectorConfig, found: Found) -> Iterator[Line]:
    """What narrows a release must be mapped, or said to be nowhere."""
    open_ = list(unanswered(config))
    for one in open_:
        named = {
            "stream": one.stream,
            "event_type": one.event_type,
            "circumstances": ", ".join(one.circumstances),
        }
        yield Line("circumstances", ok=False, case="open", said=named)
    alike = list(lookalikes(config, found.unmapped))
    for column in alike:
        case = BLOCKED if column.circumstance == BLOCKED else "unmapped"
        yield Line("circumstances", ok=False, case=case, said=column._asdict())
    if not open_ and not alike:
        yield Line("circumstances", ok=True, case="ok")


def _consents(config: ConnectorConfig, effect: Effect) -> Iterator[Line]:
    if not withdrawable(config):
        yield Line("withdrawals", ok=False, case="none")
    counts = {"effective": effect.effective, "without": effect.without, "flaws": effect.flawed}
    yield Line("consents", ok=True, case="some" if effect.without else "ok", said=counts)


def _asked(one: Asked, fine: str = "ok") -> Line:
    """A lookup that never finds anything is a mistake, such as zeros that lead on one side only."""
    never = one.nothing == one.rows
    return Line("lookups", ok=not never, case="never" if never else fine, said=one._asdict())


def _fault(name: str, one: Fault) -> Line:
    return Line(name, ok=False, case="fault", said=one._asdict(), remedy=said(one.remedy))


def _keys(config: ConnectorConfig) -> Iterator[Line]:
    if not config.keys.service_url:
        yield _try("kek", lambda: _secret("kek", config.keys.kek_file))
    yield _try("keys", lambda: _answering(config))


def _answering(config: ConnectorConfig) -> Line:
    """A question that changes nothing: a key that nobody has."""
    with closing(open_keys(config, clock_of(config))) as keys:
        keys.opening([(KeyRef("proof", config.agency, "p_check"), 1)])
    return Line("keys", ok=True, case="ok")


def _log(config: ConnectorConfig, role: str, now: datetime) -> Iterator[Line]:
    try:
        opened = open_log(config, clock_of(config))
    except HubError as error:
        yield failed("log", error)
        return
    with closing(opened) as log:
        yield Line("log", ok=True, case="ok")
        there = _try("topics", lambda: _topics(config, role, log))
        yield there
        if there.ok and role == "source":
            yield _try("register", lambda: _register(config, log, now))


def _topics(config: ConnectorConfig, role: str, log: EventLog) -> Line:
    wanted = [topics()[name].of(config.agency) for name in _TOPICS[role]]
    missing = sorted(set(wanted) - log.state(wanted).keys())
    if missing:
        return Line("topics", ok=False, case="missing", said={"topics": ", ".join(missing)})
    return Line("topics", ok=True, case="ok", said={"count": len(wanted)})


def _register(config: ConnectorConfig, log: EventLog, now: datetime) -> Line:
    """How old the hub's newest word is; one from the future means that this clock is slow."""
    told = max((at for record in _records(config, log) if (at := _beat(record))), default=None)
    if told is None:
        return Line("register", ok=False, case="silent")
    age = (now - moment(told)).total_seconds()
    if age < -MAX_SKEW:
        return Line("register", ok=False, case="ahead", said={"seconds": int(-age)})
    case = "ok" if age <= config.register_limit_seconds else "old"
    return Line("register", ok=case == "ok", case=case, said={"seconds": max(0, int(age))})


def _records(config: ConnectorConfig, log: EventLog) -> Iterator[Record]:
    topic = topics()["register"].of(config.agency)
    state = log.state([topic])[topic]
    positions = dict(state.first)
    while any(positions[part] < end for part, end in state.end.items()):
        records = log.read(topic, positions, 2000)
        if not records:
            return
        yield from records
        positions |= {record.partition: record.offset + 1 for record in records}


def _beat(record: Record) -> int | None:
    try:
        entry = decode_single(record.value)[1]
    except (UnknownSchema, InvalidPayload):
        return None
    return int(entry["at"]) if entry.get("kind") == "heartbeat" else None


def _certificate(setting: str, days: int | None) -> Line:
    if days is None:
        return Line("certificate", ok=False, case="unreadable", said={"setting": setting})
    case = "ended" if days < 0 else "soon" if days < MIN_DAYS else "ok"
    return Line("certificate", ok=case == "ok", case=case, said={"setting": setting, "days": abs(days)})
