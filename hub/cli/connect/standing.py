"""What one connector is doing, from what lies beside its state: for `status` and the support bundle."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.contract import Choosing, Held, Holding
from connectors.pipeline.config.certificates import Certificate, certificates
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.run.pipeline import kind
from connectors.pipeline.state.backfill_requests import Backfills, Request
from connectors.pipeline.state.heartbeat import AUTH as REFUSED
from connectors.pipeline.state.heartbeat import (
    PAUSED,
    RUNNING,
    STOPPED,
    WAITING,
    Pause,
    Pulse,
    StepStatus,
    pulse_of,
)
from connectors.pipeline.state.last_error import AUTH, AWAY, LastError, trouble
from connectors.pipeline.state.quarantine import QuarantinedRow
from connectors.pipeline.state.sqlite_files import holder, lease_of
from connectors.pipeline.state.state import State
from hub.cli.connect.given import state_beside
from hub.errors import UsageError

NEVER, HELD, CLOSED = "never", "held", "closed"
RENEW_DAYS = 30
"""From here on a certificate is pointed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`pid`: of the process that holds the lease, 0 where that is not known, None when none does."""

    state: str
    pid: int | None
    beat: StepStatus | None
    paused: Pause | None
    trouble: LastError | None
    held: Held | None
    quarantined: tuple[QuarantinedRow, ...]
    backfills: tuple[Request, ...]
    certificates: tuple[Certificate, ...]


def standing(settings: ConnectorConfig) -> Standing:
    """As it is now; nothing is changed or made. Raises ServiceUnavailable when the files cannot be opened."""
    beat, paused = _said(settings.state)
    waiting, backfills, stuck = _kept(settings)
    stuck = stuck or _troubled(beat)
    pid, held = holder(lease_of(settings.state)), held_input(settings)
    return Standing(
        state=_state(beat, paused, stuck, held, running=pid is not None),
        trouble=stuck,
        pid=pid,
        beat=beat,
        paused=paused,
        held=held,
        quarantined=tuple(waiting),
        backfills=tuple(backfills),
        certificates=tuple(certificates(settings)),
    )


def _said(state: Path) -> tuple[StepStatus | None, Pause | None]:
    """By the process itself, and to it; a file that root made by looking would be closed to the connector."""
    if not pulse_of(state).exists():
        return None, None
    with closing(Pulse(state)) as pulse:
        return pulse.last(), pulse.paused()


def held_input(settings: ConnectorConfig) -> Held | None:
    """What waits for a person's word."""
    with _shelf(settings) as shelf:
        return shelf.held() if shelf else None


def decide_held(settings: ConnectorConfig, name: str, *, reject: bool) -> Held | None:
    """That word; None when nothing waits. Raises UsageError where several wait and none is named, or where a source
    has no deliveries that could be rejected."""
    with _shelf(settings) as shelf:
        if isinstance(shelf, Choosing):
            return shelf.reject(name) if reject else shelf.accept(name)
        if reject or name:
            raise UsageError(
                "this source has no deliveries of its own",
                place="hub connect",
                remedy="correct the system, or accept",
            )
        return shelf.accept() if shelf else None


@contextmanager
def _shelf(settings: ConnectorConfig) -> Iterator[Holding | None]:
    waiting: Callable[[ConnectorConfig, State], Holding] | None = getattr(kind(settings), "waiting", None)
    if waiting is None or not settings.state.exists():
        yield None
        return
    with closing(state_beside(settings)) as state:
        yield waiting(settings, state)


def _kept(settings: ConnectorConfig) -> tuple[list[QuarantinedRow], list[Request], LastError | None]:
    """What a source keeps of it in its state."""
    if kind(settings).spec.role != "source" or not settings.state.exists():
        return [], [], None
    with closing(state_beside(settings)) as state:
        return state.quarantined(), Backfills(state.db).all(), trouble(state)


def _troubled(beat: StepStatus | None) -> LastError | None:
    """What the process itself met, and a sink."""
    if beat is None or not beat.cause:
        return None
    status = AUTH if beat.state == REFUSED else AWAY
    return LastError(status, beat.place, beat.remedy, beat.at.isoformat())


def _state(
    beat: StepStatus | None,
    paused: Pause | None,
    stuck: LastError | None,
    held: Held | None,
    *,
    running: bool,
) -> str:
    if not running:
        return STOPPED if beat else NEVER
    if paused:
        return PAUSED
    if stuck:
        return REFUSED if stuck.status == AUTH else WAITING
    if held:
        return HELD
    return CLOSED if beat and beat.closed else RUNNING
