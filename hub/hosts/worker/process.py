"""One worker process: its agents, its periodic tasks, and how it stops."""

import asyncio
import gc
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import structlog

from hub.adapters.log.problems import of_kafka
from hub.domain.clock import micros
from hub.errors import HubError
from hub.hosts.worker.exit import leave, leave_stopped
from hub.hosts.worker.offsets import OffsetSeeker, Partition
from hub.hosts.worker.options import Options
from hub.hosts.worker.retry import RetryPolicy
from hub.hosts.worker.roles import PeriodicTask, ReadingTask, RoleTasks, WorkerRole, tasks_of
from hub.isolation import is_outage, note_failure
from hub.metrics.named import metrics
from hub.parts import Parts
from hub.ports import Record
from hub.retry import RetryInterrupted
from hub.subjects.consent_barrier import is_open

log = structlog.get_logger()
Observe = Callable[[str, str, Any, float], None]
"""Told of every batch and round: stage or task, topic ("" for a task), outcome, seconds."""
_LOOK = 0.1  # seconds between two looks at whether to stop
_OPEN_FOR = 1.0  # seconds for which an open door is not tried again
_AFTER_FAILURE = 5.0  # seconds until a task that failed is done again
_CHECK = 30.0  # seconds between two looks at whether the log is still the same one


class Worker:
    """Runs one role until SIGTERM (or until whoever made it sets `stopping`), or until it has to leave; `own` tasks_of
    stand for those of the role."""

    def __init__(
        self,
        parts: Parts,
        role: WorkerRole,
        options: Options,
        observe: Observe,
        own: RoleTasks | None = None,
        stopping: Event | None = None,
    ) -> None:
        self._parts, self._role, self._options, self._observe = parts, role, options, observe
        self._tasks = own or tasks_of(role, parts, options.pace)
        self._seeker = OffsetSeeker(parts, self._tasks.readings)
        self._stopping = stopping or Event()
        self._retry = RetryPolicy(self._stopping, options.patience)
        self._started = micros(parts.clock.now())
        self._open_until = 0.0
        self._busy = 0
        self._threads: list[Thread] = []

    def run(self) -> None:
        """Never returns: the process ends here, with 0 after SIGTERM or SIGINT."""
        _collect_less()
        try:
            asyncio.run(self._serve())
        except RetryInterrupted:
            leave_stopped()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process must not stay up without its loop
            leave(error)

    async def _serve(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, self._stopping.set)
        for do in self._tasks.first:
            await asyncio.to_thread(self._retry.persist, partial(do, self._parts), "start")
        app = await self._start_reading() if self._tasks.readings else None
        self._start_periodic_tasks()
        log.info("worker.started", role=self._role.value)
        await _until(lambda: self._stopping.is_set() or (app is not None and app.crashed))
        if app is not None and app.crashed:
            leave(of_kafka_or_bug(app.crash_reason))
        await self._stop(app)

    async def _start_reading(self) -> Any:
        from hub.hosts.faust.app import build_app

        group = f"{self._options.group}.{self._role.value}"
        with tempfile.TemporaryDirectory(prefix="hub-worker-") as folder:
            app = build_app(
                group,
                self._tasks.readings,
                self._options,
                where=self._places,
                handle=self._handle,
                folder=Path(folder, "faust"),
            )
            starting = asyncio.create_task(app.start())
            await _until(lambda: starting.done() or self._stopping.is_set() or app.crashed)
            if starting.done() and (error := starting.exception()):
                leave(of_kafka_or_bug(error))
        return app

    def _start_periodic_tasks(self) -> None:
        watch = PeriodicTask("positions", lambda _: self._seeker.check(), _CHECK)
        for task in (*self._tasks.periodic, *([watch] if self._tasks.readings else [])):
            thread = Thread(target=self._repeat, args=(task,), name=task.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    async def _stop(self, app: Any) -> None:
        """Let what runs come to its end, tell the group, and go; whatever is not done by then is read again."""
        log.info("worker.stopping")
        give_up = time.monotonic() + self._options.stop_within
        await _until(lambda: not self._running() or time.monotonic() > give_up)
        if app is not None:
            with suppress(Exception):
                await asyncio.wait_for(app.stop(), max(1.0, min(10.0, give_up - time.monotonic())))
        leave_stopped()

    def _running(self) -> bool:
        return self._busy > 0 or any(thread.is_alive() for thread in self._threads)

    def _places(self, committed: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """`OffsetSeeker.places` for the transport: it answers, or the process ends."""
        try:
            return self._retry.persist(lambda: self._seeker.places(committed), "positions")
        except RetryInterrupted:
            raise
        except BaseException as error:  # noqa: BLE001 - Faust would swallow it and go on
            leave(error)

    async def _handle(self, reading: ReadingTask, batch: Sequence[Record]) -> None:
        """Give a chunk to its stage. Returns when it is done; otherwise the process ends, or waits for its end."""
        if self._stopping.is_set():
            await _for_ever()
        self._busy += 1
        try:
            await asyncio.to_thread(self._take, reading, batch)
        except RetryInterrupted:
            self._busy -= 1
            await _for_ever()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - no exception may leave an agent
            leave(error)
        self._busy -= 1

    def _take(self, reading: ReadingTask, batch: Sequence[Record]) -> None:
        if reading.gated:
            self._wait_until_open()
        topic, began = batch[0].topic, time.monotonic()
        topic_id = self._seeker.topic_id(topic)
        outcome = self._retry.persist(lambda: reading.take(self._parts, topic_id, batch), reading.stage)
        self._observe(reading.stage, topic, outcome, time.monotonic() - began)

    def _repeat(self, task: PeriodicTask) -> None:
        try:
            while True:
                self._once(task)
        except RetryInterrupted:
            return
        except BaseException as error:  # noqa: BLE001 - a worker that stops to be safe stops with all of it
            leave(error)

    def _once(self, task: PeriodicTask) -> None:
        """One round, and the rest after it. One that fails for whatever is no outage is done again later: the worker's
        other tasks, withdrawals before all, go on meanwhile."""
        if task.gated:
            self._wait_until_open()
        began = time.monotonic()
        try:
            outcome = self._retry.persist(lambda: task.do(self._parts), task.name)
        except RetryInterrupted:
            raise
        except Exception as error:
            if is_outage(error):
                raise
            metrics().record_retry(task.name, error)
            note_failure(task.name, error)
            self._retry.rest(_AFTER_FAILURE)
            return
        seconds = time.monotonic() - began
        self._observe(task.name, "", outcome, seconds)
        self._rest(task, outcome, seconds)

    def _rest(self, task: PeriodicTask, outcome: Any, seconds: float) -> None:
        """Wait as the task says, and end a longer rest early when something wakes it."""
        asked = self._retry.persist(lambda: task.gives_way(outcome, seconds), task.name)
        until = time.monotonic() + asked
        while time.monotonic() < until and not self._retry.persist(task.wakes, task.name):
            self._retry.rest(_LOOK)
        self._retry.rest(0.0 if task.more(outcome) else task.every)

    def _wait_until_open(self) -> None:
        """Rule 14: go on when consents were read to the end they had when this worker started, and are kept up."""
        told = False
        while time.monotonic() > self._open_until:
            asked = time.monotonic()
            if self._retry.persist(lambda: is_open(self._parts, since=self._started), "caught up"):
                self._open_until = asked + _OPEN_FOR
                return
            if not told:
                log.warning("worker.closed", until="consents are caught up")
                told = True
            self._retry.rest(0.2)


def _collect_less() -> None:
    """Let the collector of cycles run when a batch has been made rather than every 700 objects: what a stage makes goes
    without it, and looking through all that is remembered of persons took a quarter of admission's time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def of_kafka_or_bug(error: BaseException | None) -> BaseException:
    """What made Faust end: the broker, which is tried again, or something nobody foresaw."""
    if error is None:
        return HubError("Faust ended without a reason")
    if isinstance(error, HubError) or not type(error).__module__.startswith("aiokafka"):
        return error
    return of_kafka(error, "broker")


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - threads and signal handlers set what is looked at
        await asyncio.sleep(_LOOK)


async def _for_ever() -> None:
    """Stay in the agent without acknowledging: the process is about to end."""
    await asyncio.Event().wait()
