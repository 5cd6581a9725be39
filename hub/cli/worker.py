"""`hub worker`: the stages on Kafka, one process per role."""

import os
import signal
import sys
from threading import Event
from typing import Annotated, Any

import structlog
import typer

from hub.bootstrap import build_parts
from hub.cli.logs import log_to_stderr
from hub.cli.output import AsJson
from hub.config import Settings, load_settings
from hub.errors import ConfigurationError
from hub.hosts.worker.options import Options
from hub.hosts.worker.retry import RetryPolicy
from hub.hosts.worker.roles import WorkerRole
from hub.hosts.worker.supervise import follow_parent, supervise
from hub.metrics.named import metrics
from hub.metrics.store import serve
from hub.operations.restore_guard import require_current
from hub.parts import Parts
from hub.retry import RetryInterrupted

log = structlog.get_logger()


def worker(
    role: Annotated[
        WorkerRole, typer.Option(help="What this process does; consents wants one of its own.")
    ] = WorkerRole.ALL,
    supervised: Annotated[bool, typer.Option("--supervised", help="Start again after a failure.")] = False,
    group: Annotated[
        str, typer.Option(envvar="HUB_GROUP", help="Begins the consumer groups' names.")
    ] = "hub",
    patience: Annotated[
        float, typer.Option(envvar="HUB_PATIENCE", min=0, help="Seconds to wait for a service before ending.")
    ] = 60.0,
    session_timeout: Annotated[
        float,
        typer.Option(envvar="HUB_SESSION_TIMEOUT", min=6, help="Seconds of silence until others take over."),
    ] = 20.0,
    chunk: Annotated[
        int, typer.Option(envvar="HUB_CHUNK", min=1, help="Records of one partition in one transaction.")
    ] = 1000,
    as_json: AsJson = False,
) -> None:
    """Run stages on Kafka until SIGTERM. Exit codes: hub/errors.py; 81 to 85 need a person."""
    log_to_stderr(states=as_json, pid=os.getpid())
    if supervised:
        raise SystemExit(supervise([sys.executable, *_without_supervised(sys.orig_argv[1:])]))
    follow_parent()
    settings = load_settings(host="kafka")
    if not settings.kafka_bootstrap:
        raise ConfigurationError(
            "no broker is named", place="HUB_KAFKA_BOOTSTRAP", remedy="set it to host:port"
        )
    options = Options(
        bootstrap=settings.kafka_bootstrap,
        security=settings.broker_security(),
        group=group,
        patience=patience,
        session_timeout=session_timeout,
        chunk=chunk,
    )
    from hub.hosts.worker.process import Worker

    stopping = _told_to_stop()
    parts = _ready(settings, stopping)
    if settings.metrics_port:
        serve(parts, settings)
    Worker(parts, role, options, _observe, stopping=stopping).run()


def _without_supervised(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument != "--supervised"]


def _told_to_stop() -> Event:
    """Set by SIGTERM and SIGINT from now on: one that comes while the parts are being opened is not forgotten."""
    stopping = Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stopping.set())
    return stopping


def _ready(settings: Settings, stopping: Event) -> Parts:
    """The parts, as soon as broker, store and key service answer: until then not ready, but not gone either."""
    try:
        patience = RetryPolicy(stopping, float("inf"))
        parts = patience.persist(lambda: build_parts(settings), "not ready")
        patience.persist(lambda: require_current(parts), "not ready")
    except RetryInterrupted:
        raise SystemExit(0) from None
    return parts


def _observe(stage: str, topic: str, outcome: Any, seconds: float) -> None:
    """Metrics of everything; a line in the log for what came again and had no effect."""
    metrics().record(stage, topic, outcome, seconds)
    again = {name: count for name in ("skipped", "duplicates") if (count := getattr(outcome, name, 0))}
    if again:
        log.info("worker.redelivered", stage=stage, topic=topic, **again)
