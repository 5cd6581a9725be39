"""`hub connect run`: one connector as a process, with credentials for its own topics and keys only."""

import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from sqlite3 import OperationalError
from threading import Event
from typing import IO, Annotated, Any

import structlog
import typer

from connectors.contract import SinkReport
from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import agency_keys
from connectors.pipeline.run.heartbeat import EVERY, HeartbeatSender
from connectors.pipeline.run.pipeline import build_sink, build_source, kind
from connectors.pipeline.state.heartbeat import (
    AUTH,
    PAUSED,
    RUNNING,
    STOPPED,
    WAITING,
    Pulse,
    StepStatus,
    troubled,
)
from connectors.pipeline.state.sqlite_files import lease, lease_of, unwritten
from hub.cli.connect.given import Config, clock_of
from hub.cli.connect.host import open_keys, open_log
from hub.cli.logs import log_to_stderr
from hub.cli.output import AsJson, print_json_line
from hub.config import load_settings
from hub.errors import HubError, ServiceUnavailable
from hub.ports import Clock
from hub.retry import Retry, RetryInterrupted

log = structlog.get_logger()
BACKOFF_LONGEST = 60.0
PAUSE_LOOK = 5.0  # seconds between two looks whether the pause is over, at most
_COUNTED = ("read", "events", "published", "republished", "backfilled", "unchanged")


def run(
    config: Config,
    once: Annotated[bool, typer.Option("--once", help="ein Schritt, dann Ende")] = False,
    as_json: AsJson = False,
) -> None:
    """Läuft, bis SIGTERM kommt; ein begonnener Schritt wird zu Ende geführt."""
    log_to_stderr()
    settings = load_config(config)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    runner = Runner(settings, clock_of(settings))
    try:
        runner.loop(stop, once=once, as_json=as_json)
        runner.say_stopped()
    finally:
        runner.close()


def begun(last: StepStatus | None, now: datetime) -> StepStatus:
    """A process that ended in trouble and starts again and again says so until a step goes well."""
    if last is None:
        return StepStatus(at=now, state=RUNNING)
    if last.state in (WAITING, AUTH):
        return replace(last, at=now, totals={})
    return StepStatus(at=now, state=RUNNING, last_success=last.last_success)


class Runner:
    """One connector with the parts of its host; what it does it also writes down for whoever looks."""

    def __init__(self, settings: ConnectorConfig, clock: Clock) -> None:
        """Raises ConfigurationError, TryAgain when it runs already, ServiceUnavailable."""
        self._settings, self._clock = settings, clock
        self._source = kind(settings).spec.role == "source"
        self._lease: IO[str] | None = None if self._source else lease(lease_of(settings.state))
        self._pulse = Pulse(settings.state)
        self._beat = begun(self._pulse.last(), clock.now())
        self._log, self._keys = open_log(settings, clock), open_keys(settings, clock)
        self._heart = HeartbeatSender(settings, self._log, clock)
        self._part: Any = self._build()

    def loop(self, stop: Event, *, once: bool, as_json: bool) -> None:
        """Step until told to stop; whatever ends it else is told before it is raised. Raises HubError."""
        try:
            self._loop(stop, once=once, as_json=as_json)
        except HubError as error:
            self._trouble(error)
            raise
        except BrokenPipeError:
            raise  # the reader of standard output has gone; no file is meant
        except (OperationalError, OSError) as error:
            self._trouble(full := unwritten(self._settings.state, error))
            raise full from None
        except Exception as bug:
            self._say(state=WAITING, cause=type(bug).__name__, remedy="report it")
            raise

    def _loop(self, stop: Event, *, once: bool, as_json: bool) -> None:
        """A service that is away is waited for, longer each time, and a pause is kept."""
        retry = Retry(
            errors=(ServiceUnavailable,),
            first=self._settings.interval_seconds or 1.0,
            longest=BACKOFF_LONGEST,
            tries=1 if once else None,
            on_retry=self._wait_for,
            sleep=partial(self._rest_or_stop, stop),
        )
        self._heart.beat(self._beat)
        with suppress(RetryInterrupted):
            while not stop.is_set():
                rest = retry.call(partial(self._turn, as_json))
                if rest is None:
                    continue
                if once:
                    return
                self._rest(stop, rest)

    def _turn(self, as_json: bool) -> float | None:
        """One step unless the connector is paused; the seconds to rest then, or None while more is waiting."""
        if self._paused():
            return min(max(self._settings.interval_seconds, 0.1), PAUSE_LOOK)
        return None if self._step(as_json) else self._settings.interval_seconds

    def _wait_for(self, error: BaseException) -> None:
        if isinstance(error, HubError):
            self._trouble(error)
            log.warning("connector.waiting", place=error.place, cause=error.message)

    def _rest_or_stop(self, stop: Event, seconds: float) -> None:
        self._rest(stop, seconds)
        if stop.is_set():
            raise RetryInterrupted

    def say_stopped(self) -> None:
        """To the hub: it ended because somebody wanted it to."""
        self._heart.beat(replace(self._beat, state=STOPPED))

    def close(self) -> None:
        self._write(state=STOPPED if self._beat.state == RUNNING else self._beat.state)
        self._part.close()
        self._log.close()
        self._keys.close()
        self._pulse.close()
        if self._lease:
            self._lease.close()

    def _step(self, as_json: bool) -> bool:
        """One step, told and written down; whether more is waiting."""
        report = self._part.step(self._clock.now())
        found: dict[str, Any] = report.as_dict() if self._source else _of_sink(report)
        self._tell(found, as_json)
        counted = {name: int(found[name]) for name in _COUNTED} if self._source else dict(report.answers)
        before = self._beat.totals
        totals = {name: before.get(name, 0) + counted.get(name, 0) for name in {*before, *counted}}
        self._say(
            state=RUNNING,
            last_success=self._clock.now(),
            closed=found.get("closed", ""),
            more=bool(found.get("more")),
            totals=dict(sorted(totals.items())),
            **_named(found.get("waiting", {})),
            register_as_of=self._part.register_as_of if self._source else None,
        )
        return bool(found.get("more"))

    def _paused(self) -> bool:
        paused = self._pulse.paused() is not None
        if paused:
            self._say(state=PAUSED)
        return paused

    def _trouble(self, error: HubError) -> None:
        self._say(**troubled(error))

    def _say(self, **changes: Any) -> None:
        """To whoever looks beside the state, and to the hub when it is time."""
        self._write(**changes)
        self._heart.beat(self._beat)

    def _write(self, **changes: Any) -> None:
        """Where the disk takes nothing more, the hub at least is told."""
        self._beat = replace(self._beat, at=self._clock.now(), **changes)
        with suppress(OperationalError):
            self._pulse.beat(self._beat)

    def _rest(self, stop: Event, seconds: float) -> None:
        """However long it rests, the hub hears that it lives."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > EVERY.total_seconds():
            if stop.wait(EVERY.total_seconds()):
                return
            self._heart.beat(self._beat)
        stop.wait(max(left, 0.0))

    def _build(self) -> Any:
        if self._source:
            own = agency_keys(self._settings.keys.agency_key_file)
            try:
                return build_source(self._settings, own, self._keys, self._log, load_settings().policy_files)
            except OperationalError as error:
                raise unwritten(self._settings.state, error) from None
        return build_sink(self._settings, self._keys, self._log)

    def _tell(self, found: dict[str, Any], as_json: bool) -> None:
        if as_json:
            print_json_line(found)
        elif any(found.get(name) for name in ("read", "events", "answers")):
            log.info(
                "connector.step", **{key: value for key, value in found.items() if key != "unmapped_columns"}
            )


def _of_sink(report: SinkReport) -> dict[str, Any]:
    waiting = {"waiting": dict(report.waiting)} if report.waiting else {}
    return {"answers": dict(report.answers), **waiting}


def _named(waiting: Mapping[str, int]) -> dict[str, str]:
    """What a beat says of views that cannot be applied, while all others are."""
    if not waiting:
        return {"place": "", "cause": "", "remedy": ""}
    reasons = ", ".join(f"{reason}: {number}" for reason, number in sorted(waiting.items()))
    return {
        "place": "fallbruecke_wartend",
        "cause": f"{sum(waiting.values())} views cannot be applied ({reasons})",
        "remedy": "they are tried again; the others are applied",
    }
