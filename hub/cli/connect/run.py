"""`hub connect`: an agency's connectors. `run` is a process with credentials for its own topics and keys only."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Protocol

import structlog
import typer
from rich.console import Console
from rich.table import Table

from connectors.runtime.build import agency_key, build_sink, build_source, kind, secret_of
from connectors.runtime.config import ConnectorConfig, LogAddress, load_config
from connectors.runtime.ports import Held, Holding
from connectors.runtime.state import State
from connectors.runtime.trouble import trouble
from hub.adapters.keys.kek import next_file
from hub.adapters.keys.tls import tls_files
from hub.adapters.keys.wrapping import Keks
from hub.cli.connect.given import clock_of
from hub.cli.logs import log_to_stderr
from hub.config import load_settings
from hub.errors import ConfigurationError, ServiceUnavailable
from hub.ports import Clock, EventLog, HubKeyStore

log = structlog.get_logger()
app = typer.Typer(no_args_is_help=True, help="Die Seite des Amtes: Quellen lesen, Sichten zurückschreiben.")
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei des Anschlusses")]
BACKOFF_LONGEST = 60.0


@app.command()
def run(
    config: Config,
    once: Annotated[bool, typer.Option("--once", help="ein Schritt, dann Ende")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="je Schritt ein JSON-Objekt")] = False,
) -> None:
    """Läuft, bis SIGTERM kommt; ein begonnener Schritt wird zu Ende geführt."""
    log_to_stderr()
    settings = load_config(config)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = clock_of(settings)
    runner = _Runner(settings, clock)
    try:
        runner.loop(stop, once=once, as_json=as_json)
    finally:
        runner.close()


@app.command()
def accept(config: Config) -> None:
    """Bestätigt einen angehaltenen Abzug, in dem zu viele Schlüssel fehlen."""
    held = _held(load_config(config), confirm=True)
    if held is None:
        typer.echo("Es wartet kein Abzug.")
        raise typer.Exit(1)
    typer.echo(f"Bestätigt: {held.name} ({held.stream}, {held.share:.1%} der Schlüssel fehlen).")


@app.command()
def check(config: Config) -> None:
    """Prüft Konfiguration und Quelle; sendet nichts."""
    settings = load_config(config)
    runner = _Runner(settings, clock_of(settings))
    try:
        runner.check()
    finally:
        runner.close()
    typer.echo("In Ordnung.")


@app.command()
def status(
    config: Config, as_json: Annotated[bool, typer.Option("--json", help="ein JSON-Objekt")] = False
) -> None:
    """Was wartet: angehaltener Abzug, Quarantäne, Dienst (AUTH: Konto abgelehnt), mit Grund, Ort und Abhilfe."""
    settings = load_config(config)
    state = _state(settings)
    try:
        waiting, stuck = state.quarantined(), trouble(state)
    finally:
        state.close()
    held = _held(settings, confirm=False)
    if as_json:
        entries = [
            {name: getattr(e, name) for name in ("stream", "reason", "place", "column", "remedy")}
            for e in waiting
        ]
        typer.echo(
            json.dumps(
                {
                    "agency": settings.agency,
                    "held": held and held._asdict(),
                    "trouble": stuck and stuck._asdict(),
                    "quarantine": entries,
                }
            )
        )
        return
    table = Table(
        "Grund", "Ort", "Spalte", "Abhilfe", title=f"{settings.agency}: {len(waiting)} in Quarantäne"
    )
    for entry in waiting:
        table.add_row(entry.reason, entry.place, entry.column, entry.remedy)
    Console().print(table)
    if stuck:
        typer.echo(f"{stuck.status} seit {stuck.since}: {stuck.place} → {stuck.remedy}")
    if held:
        typer.echo(
            f"Angehalten: {held.name} ({held.share:.1%} der Schlüssel fehlen): hub connect accept CONFIG"
        )


class _Runner:
    """One connector with the parts of its host."""

    def __init__(self, settings: ConnectorConfig, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._log, self._keys = open_log(settings, clock), open_keys(settings, clock)
        self._source = kind(settings).spec.role == "source"
        self._part: Any = self._build()

    def check(self) -> None:
        self._part.check()

    def loop(self, stop: Event, *, once: bool, as_json: bool) -> None:
        """Step until told to stop; a service that is away is waited for, longer each time."""
        patience = self._settings.interval_seconds or 1.0
        while not stop.is_set():
            wait, more = self._settings.interval_seconds, False
            try:
                report = self._part.step(self._clock.now())
                more = bool(getattr(report, "more", False))
                self._tell(report, as_json)
                patience = self._settings.interval_seconds or 1.0
            except ServiceUnavailable as error:
                if once:
                    raise
                log.warning("connector.waiting", place=error.place, cause=error.message)
                wait, patience = patience, min(patience * 2, BACKOFF_LONGEST)
            if once and not more:
                return
            if not more:
                stop.wait(wait)

    def close(self) -> None:
        self._part.close()
        self._log.close()
        self._keys.close()

    def _build(self) -> Any:
        if self._source:
            key = agency_key(self._settings.keys.agency_key_file)
            return build_source(self._settings, key, self._keys, self._log, load_settings().policy_files)
        return build_sink(self._settings, self._keys, self._log)

    def _tell(self, report: Any, as_json: bool) -> None:
        found = report.as_dict() if self._source else {"answers": dict(report.answers)}
        if as_json:
            print(json.dumps(found), flush=True)
        elif any(found.get(name) for name in ("read", "events", "answers")):
            log.info(
                "connector.step", **{key: value for key, value in found.items() if key != "unmapped_columns"}
            )


class Logged(Protocol):
    """Any configuration that names a log."""

    @property
    def log(self) -> LogAddress: ...


def open_log(settings: Logged, clock: Clock) -> EventLog:
    """The broker, or the file that stands for it; raises ConfigurationError."""
    if settings.log.path:
        from hub.adapters.log.sqlite import SqliteLog

        return SqliteLog(settings.log.path, clock)
    if settings.log.bootstrap:
        from hub.adapters.log.kafka import KafkaLog

        return KafkaLog(settings.log.bootstrap, clock=clock, **settings.log.security.clients())
    raise ConfigurationError("no log is named", place="config.log", remedy="set bootstrap or path")


def open_keys(settings: ConnectorConfig, clock: Clock) -> HubKeyStore:
    """The key service, or the key database with this controller's key-encryption key; raises ConfigurationError."""
    keys = settings.keys
    if keys.service_url:
        from hub.adapters.keys.remote import RemoteKeyStore

        files = tls_files(keys.tls_ca, keys.tls_cert, keys.tls_key, place="config.keys.tls")
        return RemoteKeyStore(keys.service_url, files)
    from hub.adapters.keys.sql import SqlKeyStore

    if not keys.database_url:
        raise ConfigurationError("no keys", place="config.keys.service_url", remedy="set it")
    url, prefix = keys.database_url, "sqlite:///"
    if url.startswith(prefix) and not url.startswith(f"{prefix}/"):
        url = f"{prefix}{settings.path(url.removeprefix(prefix))}"
    return SqlKeyStore.for_controller(url, settings.agency, _keks(keys.kek_file), clock=clock)


def _keks(kek_file: Path | None) -> Keks:
    """The controller's key and the one that follows it, as soon as it lies beside it."""
    following = next_file(kek_file or "")

    def read() -> list[bytes]:
        first = secret_of(kek_file, "keys.kek_file")
        there = following is not None and following.exists()
        return [first, secret_of(following, "keys.kek_file")] if there else [first]

    return read


def _state(settings: ConnectorConfig) -> State:
    """The state beside a running connector: to look, and to confirm."""
    if not settings.state.exists():
        raise ConfigurationError(
            "has no state yet", place="config.connector.state", remedy="run it once first"
        )
    return State(settings.state, lambda _: b"", alone=False)


def _held(settings: ConnectorConfig, *, confirm: bool) -> Held | None:
    waiting: Callable[[ConnectorConfig, State], Holding] | None = getattr(kind(settings), "waiting", None)
    if waiting is None:
        return None
    state = _state(settings)
    try:
        shelf = waiting(settings, state)
        return shelf.accept() if confirm else shelf.held()
    finally:
        state.close()
