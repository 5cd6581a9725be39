"""Tells the hub that the connector lives: the pulse's word, sent to the agency's own status topic when the broker can.

At once when its state changes, else once a minute. The step never waits for it: an attempt is short, and one that fails
is made again at a later beat.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import structlog

from connectors.pipeline.config.certificates import certificates
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.run.pipeline import kind
from connectors.pipeline.state.heartbeat import STOPPED, StepStatus
from connectors.pipeline.state.state import State
from hub import __version__
from hub.domain.clock import micros
from hub.domain.heartbeat import (
    CLOSED,
    HELD,
    MOST_QUARANTINED,
    OTHER,
    RUNNING,
    Heartbeat,
    QuarantineCount,
    encode,
    status_topic,
    word,
)
from hub.errors import HubError
from hub.ports import Clock, EventLog, Outgoing

EVERY = timedelta(seconds=60)
AGAIN = timedelta(seconds=10)
"""After an attempt that failed: no step waits for the broker more often than that."""
PATIENCE = 2.0  # seconds for one attempt

log = structlog.get_logger()


class HeartbeatSender:
    """One connector's. `beat` may be called as often as there is something to say; it never raises for what is away."""

    def __init__(self, config: ConnectorConfig, log: EventLog, clock: Clock) -> None:
        self._config, self._log, self._clock = config, log, clock
        self._spec = kind(config).spec
        self._said, self._failing = "", False
        self._sent: datetime | None = None
        self._tried: datetime | None = None  # and it failed

    def beat(self, beat: StepStatus) -> None:
        """Send it if it is time."""
        now = self._clock.now()
        if not self._due(beat, now):
            return
        self._tried = now
        try:
            told = Outgoing(self._config.name.encode(), encode(self._heartbeat(beat, now)))
            self._log.append(status_topic(self._config.agency), [told], deadline=PATIENCE)
        except (HubError, OSError, sqlite3.Error) as error:
            self._fail(error)
            return
        self._said, self._sent, self._tried, self._failing = _word(beat), now, None, False

    def _due(self, beat: StepStatus, now: datetime) -> bool:
        """A clock that was put back makes it due too; the last word is tried whatever failed before."""
        if self._tried is not None and abs(now - self._tried) < AGAIN and beat.state != STOPPED:
            return False
        return self._sent is None or _word(beat) != self._said or abs(now - self._sent) >= EVERY

    def _fail(self, error: Exception) -> None:
        """Told once until it is sent again."""
        if not self._failing:
            place, cause = getattr(error, "place", ""), getattr(error, "message", type(error).__name__)
            log.warning("connector.heartbeat_unsent", place=place, cause=cause)
        self._failing = True

    def _heartbeat(self, beat: StepStatus, now: datetime) -> Heartbeat:
        said = _word(beat)
        ends = {one.which: micros(one.not_after) for one in certificates(self._config) if one.not_after}
        return Heartbeat(
            agency=self._config.agency,
            connector=self._config.name,
            kind=word(self._config.kind),
            role=self._spec.role,
            state=HELD if said == RUNNING and self._held() else said,
            at=micros(now),
            last_success=_micros(beat.last_success),
            register_as_of=_micros(beat.register_as_of),
            closed=word(beat.closed) if beat.closed else "",
            software=word(__version__),
            quarantined=tuple(self._waiting()),
            certificates=ends,
        )

    def _held(self) -> bool:
        """Whether an input waits for somebody's word."""
        waiting = getattr(kind(self._config), "waiting", None)
        if waiting is None or not self._config.state.exists():
            return False
        with closing(self._state()) as state:
            return waiting(self._config, state).held() is not None

    def _waiting(self) -> Iterator[QuarantineCount]:
        """What waits at the agency, in bounded words; the many are counted together behind the first ones."""
        if self._spec.role != "source" or not self._config.state.exists():
            return
        counted: dict[tuple[str, str], int] = {}
        with closing(self._state()) as state:
            for stream, reason, count in state.quarantine_counts():
                pair = (word(stream), word(reason))
                if pair not in counted and len(counted) >= MOST_QUARANTINED - 1:
                    pair = (OTHER, OTHER)
                counted[pair] = counted.get(pair, 0) + count
        yield from (QuarantineCount(stream, reason, count) for (stream, reason), count in counted.items())

    def _state(self) -> State:
        """The source's own, opened beside it: its quarantine is not this module's to hold."""
        return State(self._config.state, lambda _: b"", alone=False)


def _word(beat: StepStatus) -> str:
    return CLOSED if beat.state == RUNNING and beat.closed else beat.state


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros(at)
