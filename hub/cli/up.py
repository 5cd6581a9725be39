"""`hub up`: the embedded hub on real configuration, until it is told to stop."""

import fcntl
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from hub.cli import waiting
from hub.cli.language import message
from hub.cli.messages import print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_json_line, warn
from hub.config import Settings, load_settings
from hub.errors import ConfigurationError, ServiceUnavailable, TryAgain
from hub.hosts.embedded import Embedded
from hub.metrics.named import metrics
from hub.metrics.store import serve
from hub.operations.restore_guard import require_current
from hub.retry import Retry, RetryInterrupted, interruptible

PAUSE = 1.0  # seconds between two looks at a quiet log
LONGEST = 30.0  # seconds between two attempts at something that does not answer


def up(
    beat: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two signs of life to the agencies.")
    ] = 15.0,
    once: Annotated[bool, typer.Option("--once", help="Process what is there, then end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the embedded hub until SIGTERM or Ctrl+C."""
    settings = load_settings()
    if settings.host != "embedded":
        raise ConfigurationError(
            "this verb runs the embedded hub", place="HUB_HOST", remedy="on Kafka start `hub worker`"
        )
    stop = _told_to_stop()
    if not once:
        waiting.end()
    with _alone(settings.data):
        counts = _run(settings, beat, once=once, stop=stop, states=as_json and not once)
    if as_json and once:
        print_json(counts)
    elif as_json:
        print_json_line({"state": "stopped", **counts})
    else:
        print_messages([message("ended after {seconds} s: {batches} batches", **counts)])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One hub at a time runs on a folder; raises TryAgain. The lock ends with its process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TryAgain(
                "another hub is running on this folder",
                place=folder.name,
                remedy="stop it first, or name another folder in HUB_DATA",
            ) from None
        yield
    finally:
        os.close(handle)


def _told_to_stop() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _observer(batches: Counter[str]) -> Callable[[str, Any], None]:
    """Counts batches for the answer, and everything for the metrics."""
    last = time.monotonic()

    def observe(stage: str, outcome: Any) -> None:
        nonlocal last
        now = time.monotonic()
        batches.update([stage])
        metrics().record(stage, "", outcome, now - last)
        last = now

    return observe


def _states(wanted: bool) -> Callable[..., None]:
    """Prints each change of the state as a line of JSON; nothing where that is not wanted."""
    last = ""

    def tell(state: str, **more: Any) -> None:
        nonlocal last
        if wanted and state != last:
            print_json_line({"state": state, **more})
        last = state

    return tell


def _run(settings: Settings, beat: float, *, once: bool, stop: Event, states: bool = False) -> dict[str, Any]:
    """Rounds until `stop`; what does not answer is waited for, what must not go on ends the process."""
    batches: Counter[str] = Counter()
    began = time.monotonic()
    state = _states(states)
    with opened_parts(settings) as parts:
        require_current(parts)
        host = Embedded(parts, _observer(batches))
        if settings.metrics_port:
            serve(parts, settings)
        warn(f"embedded hub: {len(parts.agencies)} agencies, data in {settings.data.name}/")
        next_beat = 0.0
        state("running", agencies=len(parts.agencies))

        def round_of_all() -> None:
            nonlocal next_beat
            host.run_until_quiet()
            if time.monotonic() >= next_beat:
                host.beat()
                next_beat = time.monotonic() + beat
            state("running")

        def waits(error: BaseException) -> None:
            warn(str(error))
            state("waiting", place=getattr(error, "place", ""), cause=getattr(error, "message", ""))

        retry = Retry(
            errors=(ServiceUnavailable,),
            first=2 * PAUSE,
            longest=LONGEST,
            tries=1 if once else None,
            on_retry=waits,
            sleep=interruptible(stop),
        )
        with suppress(RetryInterrupted):
            retry.call(round_of_all)
            while not once and not stop.wait(PAUSE):
                retry.call(round_of_all)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "batches": sum(batches.values()),
        "stages": dict(batches),
    }
