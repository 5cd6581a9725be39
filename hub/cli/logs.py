"""Logs as JSON lines on standard error, with ids and circumstances only.

What may be said is listed here, and everything else is left out by its name: a value that somebody adds to a line next
year is content until somebody has looked (privacy, abuse case 8).
"""

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from hub.cli import waiting
from hub.cli.output import print_json_line

ALLOWED = frozenset(
    """event level timestamp pid role stage topic partition offset error exit_code place cause remedy said at what until
    after rest agency kind controller verb versions lived connections host port destroyed_but_back skipped duplicates
    read events published withheld source_quarantined republished backfilled unchanged vanished closed more
    answers""".split()  # noqa: SIM905  readable
)
_PLAIN = (str, int, float, type(None))


STATES = {
    "worker.started": "running",
    "worker.waiting": "waiting",
    "worker.closed": "waiting",
    "worker.stopping": "stopping",
    "worker.stopped": "stopped",
    "worker.left": "failed",
    "worker.started_again": "starting",
    "keys.serving": "running",
    "keys.stopped": "stopped",
}
"""Events that change the state of a process → the state, as `--json` prints it."""


def log_to_stderr(*, states: bool = False, **always: Any) -> None:
    """From now on; `always` stands in every line of this process. With `states` each change of the process's state is a
    line of JSON on standard output as well."""
    waiting.end()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            *([_print_state] if states else []),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    structlog.contextvars.bind_contextvars(**always)


def _print_state(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (state := STATES.get(line.get("event", ""))) is not None:
        rest = {name: value for name, value in line.items() if name not in ("event", "level", "timestamp")}
        print_json_line({"at": line.get("timestamp"), "state": state, **rest})
    return line


def only_allowed(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out whatever is not on the list or no plain value; `left_out` names it, and never shows it."""
    kept = {name: value for name, value in line.items() if name in ALLOWED and _plain(value)}
    gone = sorted(name for name in line.keys() - kept.keys() if name.isidentifier())
    return {**kept, "left_out": gone} if gone else kept


def _plain(value: Any) -> bool:
    """A word or a number, or numbers by code."""
    if isinstance(value, Mapping):
        return all(isinstance(count, int) for count in value.values())
    return isinstance(value, _PLAIN)
