"""`hub connect support-bundle`: what somebody needs who helps from outside, and nothing about a person.

Everything in it is chosen, nothing is left out afterwards: versions, the shape of the configuration (no address, no
secret, no code, no constant), the status, counts, and of a log only the lines and words on the list of `hub.cli.logs`.
What people wrote in their own words (why they paused or let go) stays in the house.
"""

import io
import json
import platform
import tarfile
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.run.pipeline import kind
from hub.cli.connect.given import Config, clock_of, state_beside
from hub.cli.connect.standing import standing
from hub.cli.connect.status import as_object
from hub.cli.files import write_new
from hub.cli.language import message
from hub.cli.logs import ALLOWED, only_allowed
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json
from hub.errors import NoInput

LOG_LINES = 1000
PACKAGES = (
    "fallbruecke",
    "cryptography",
    "fastavro",
    "kafka-python",
    "orjson",
    "pydantic-settings",
    "sqlalchemy",
)
_NOT_FOR_OUTSIDE = frozenset({"said", "host", "hosts", "port"})
_COUNTS = {
    "rows_known": "SELECT stream, count(*) FROM seen GROUP BY stream",
    "published": "SELECT CASE sent WHEN 1 THEN 'confirmed' ELSE 'open' END, count(*) FROM published GROUP BY 1",
    "waiting": "SELECT reason, count(*) FROM quarantine GROUP BY reason",
    "let_go": "SELECT reason, count(*) FROM dropped GROUP BY reason",
    "backfilled": "SELECT stream, rows FROM backfill",
    "judged": "SELECT event_type || ' ' || rule, count(*) FROM judged GROUP BY 1",
}


def support_bundle(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Archiv, das entsteht (.tar.gz)")] = Path(
        "support.tar.gz"
    ),
    log: Annotated[Path | None, typer.Option("--log", help="Protokoll des Anschlusses (JSON-Zeilen)")] = None,
    as_json: AsJson = False,
) -> None:
    """Packt zusammen, was zum Helfen nötig ist: Versionen, Aufbau, Status, Zahlen; niemandes Daten."""
    settings = load_config(config)
    parts: dict[str, Any] = {
        "versions.json": versions(),
        "configuration.json": shape(settings),
        "status.json": _status(settings),
        "counts.json": _counts(settings),
    }
    if log:
        parts["log.json"] = log_tail(_lines(log))
    _pack(out, {name: orjson.dumps(part, option=orjson.OPT_INDENT_2) for name, part in parts.items()})
    if as_json:
        print_json({"file": str(out), "parts": list(parts)})
        return
    print_messages([message("{}: {}. Look into it before you pass it on.", out, ", ".join(parts))])


def versions() -> Mapping[str, str]:
    """What runs here."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def shape(config: ConnectorConfig) -> Mapping[str, Any]:
    """How a connector is set up: numbers, kinds, and names of columns; never an address, a code or a constant."""
    return {
        "agency": config.agency,
        "agency_kind": config.agency_kind,
        "kind": config.kind,
        "interval_seconds": config.interval_seconds,
        "batch": config.batch,
        "batches_per_step": config.batches_per_step,
        "max_event_bytes": config.max_event_bytes,
        "register_limit_seconds": config.register_limit_seconds,
        "journal_days": config.journal_days,
        "backfill_rows_per_second": config.backfill_rows_per_second,
        "recipients": [f"{one.controller} {one.role}" for one in config.recipients],
        "own_policy_files": len(config.policy_files),
        "mapping": config.digest,
        "keys": "service" if config.keys.service_url else "database",
        "log": config.log.security.protocol if config.log.bootstrap else "file",
        "settings": sorted(config.settings),
        "codes": {name: len(codes) for name, codes in config.codes.items()},
        "streams": {name: _stream(stream) for name, stream in config.streams.items()},
    }


def _stream(stream: Stream) -> Mapping[str, Any]:
    events = [{"type": one.schema.event_type, "columns": sorted(one.columns)} for one in stream.events]
    return {"key": list(stream.key), "settings": sorted(stream.settings), "events": events}


def log_tail(lines: Iterable[str]) -> Mapping[str, Any]:
    """The last lines with listed words only; what is no JSON object is counted and not kept."""
    kept: deque[Mapping[str, Any]] = deque(maxlen=LOG_LINES)
    strange = 0
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if isinstance(found, dict):
            chosen = {name: value for name, value in found.items() if name in ALLOWED - _NOT_FOR_OUTSIDE}
            kept.append(only_allowed(None, "", chosen))
        else:
            strange += 1
    return {"lines": list(kept), "not_kept": strange}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy="name the connector's log") from None


def _status(settings: ConnectorConfig) -> Mapping[str, Any]:
    """As `hub connect status --json`, without anybody's own words."""
    found = as_object(standing(settings), settings, clock_of(settings).now())
    paused = found["paused"] and {"since": found["paused"]["since"]}
    return found | {"paused": paused}


def _counts(settings: ConnectorConfig) -> Mapping[str, Mapping[str, int]]:
    if kind(settings).spec.role != "source" or not settings.state.exists():
        return {}
    with closing(state_beside(settings)) as state:
        return {name: dict(state.db.execute(query).fetchall()) for name, query in _COUNTS.items()}


def _pack(out: Path, parts: Mapping[str, bytes]) -> None:
    """A new archive for this account alone; raises UsageError where one is there already."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in parts.items():
            entry = tarfile.TarInfo(f"support/{name}")
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    write_new(out, packed.getvalue())
