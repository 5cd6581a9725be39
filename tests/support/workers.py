"""A hub of real processes for one test: a broker, two databases, two agencies, workers that may be killed."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from kafka import KafkaAdminClient
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from hub.bootstrap import build_parts
from hub.config import Settings, load_settings
from hub.dev.servers import create_database, drop_database
from hub.domain.agencies import default_agency
from hub.domain.identifiers import AgencyKey
from hub.errors import ServiceUnavailable
from hub.hosts.worker.supervise import PARENT
from hub.parts import Parts
from hub.store import tables
from hub.topology import topics_read
from projections.joint_case.tables import case_row
from tests.support.publisher import Publisher

JOBCENTER, YOUTH_OFFICE = "jc-luenen", "ja-luenen"
AGENCIES = (default_agency(JOBCENTER, "jobcenter"), default_agency(YOUTH_OFFICE, "youth_welfare"))
_TOML = "".join(f'[[agency]]\nid = "{one.id}"\nkind = "{one.kind}"\n' for one in AGENCIES)
PATIENT = 180.0  # seconds that anything may take on a machine that does ten other things


@dataclass(slots=True)
class Running:
    """One worker process. What it says lies in its log file, one JSON object a line."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, arguments: list[str], env: dict[str, str], folder: Path) -> Self:
        log = folder / f"worker-{uuid4().hex[:6]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hub", "worker", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | env | {PARENT: str(os.getpid())},
                cwd=folder,
            )
        return cls(process, log)

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines about one kind of thing."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def redelivered(self) -> int:
        """Records that came again and had no effect."""
        return sum(
            line.get("skipped", 0) + line.get("duplicates", 0) for line in self.said("worker.redelivered")
        )

    def ended(self, within: float = PATIENT) -> int:
        """Its exit code, once it has ended."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running; it said last:\n{self.tail()}") from None

    def send(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-15:])


@dataclass(slots=True)
class Rig:
    """Everything a worker needs to start, and the test's own view of the same log and databases."""

    env: dict[str, str] = field(repr=False)
    folder: Path
    parts: Parts = field(repr=False)
    workers: list[Running] = field(default_factory=list)

    def start(self, role: str = "all", *, fail: str = "", supervised: bool = False, **env: str) -> Running:
        """Start a worker; `fail` names the point at which it dies."""
        arguments = ["--role", role, *(["--supervised"] if supervised else [])]
        worker = Running.start(arguments, self.env | {"HUB_FAILPOINT": fail} | env, self.folder)
        self.workers.append(worker)
        return worker

    def publisher(self, agency: str) -> Publisher:
        """The agency's side, under keys of its own kind."""
        agency_key = AgencyKey(agency.encode().ljust(32, b"."))
        return Publisher(self.parts.log, self.parts.keys, agency_key, self.parts.agencies[agency])

    def count(self, table: Any, *where: Any) -> int:
        """How many rows a table has."""
        with self.parts.store.transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

    def versions(self) -> dict[str, tuple[int, int]]:
        """record → (source version, publication) of every row in the joint case."""
        c = case_row.c
        with self.parts.store.transaction() as connection:
            rows = connection.execute(select(c.record_ref, c.source_version, c.publication)).all()
        assert len({row.record_ref for row in rows}) == len(rows)
        return {row.record_ref: (row.source_version, row.publication) for row in rows}

    def quiet(self) -> bool:
        """Whether every topic is read to its end and no mark waits. Positions are asked first: what is produced
        meanwhile then counts as unread."""
        p = tables.position.c
        with self.parts.store.transaction() as connection:
            rows = connection.execute(select(p.stage, p.topic, p.partition, p.next_offset)).all()
        read = {(row.stage, row.topic, row.partition): row.next_offset for row in rows}
        stages = topics_read(self.parts.agencies)
        states = self.parts.log.state(sorted(stages))
        behind = any(
            read.get((stages[name], name, partition), 0) < end
            for name, state in states.items()
            for partition, end in state.end.items()
        )
        return not behind and not self.count(tables.dirty)

    def until(self, true: Callable[[], bool], what: str, within: float = PATIENT) -> None:
        """Wait for `within` seconds, and again as long as the workers read on: what is late is not lost. What they said
        last is shown if it does not come true."""
        give_up, pause, before = time.monotonic() + within, 0.05, self._read()
        while not _now(true):
            if time.monotonic() > give_up:
                if (read := self._read()) == before:
                    said = "\n--\n".join(worker.tail() for worker in self.workers[-3:])
                    raise AssertionError(f"{what} did not come within {within:.0f} s; workers said:\n{said}")
                give_up, before = time.monotonic() + within, read
            time.sleep(pause)
            pause = min(pause * 1.3, 0.3)  # looking costs the workers time

    def _read(self) -> int:
        """How many records all stages have read so far; 0 while the store does not answer."""
        try:
            with self.parts.store.transaction() as connection:
                total = select(func.coalesce(func.sum(tables.position.c.next_offset), 0))
                return int(connection.execute(total).scalar_one())
        except ServiceUnavailable:
            return 0

    def until_quiet(self, within: float = PATIENT) -> None:
        self.until(self.quiet, "quiet", within)

    def stop(self) -> None:
        """Kill every worker that is left."""
        for worker in self.workers:
            worker.send(signal.SIGCONT) if worker.process.poll() is None else None
            worker.kill()


def _now(true: Callable[[], bool]) -> bool:
    """False also while a server that the test took away does not answer the test itself."""
    try:
        return true()
    except ServiceUnavailable:
        return False


@contextmanager
def rig(
    bootstrap: str,
    server: str,
    folder: Path,
    before: Callable[[Mapping[str, str]], Sequence[Running]] = lambda env: (),
    /,
    **env: str,
) -> Iterator[Rig]:
    """A rig on topics made afresh: whatever the broker held of this hub before is deleted. `before` may start workers
    on the empty databases, ahead of this release's own parts."""
    forget_topics(bootstrap)
    name = uuid4().hex[:10]
    store, keys = (create_database(server, f"{kind}_{name}") for kind in ("store", "keys"))
    agencies = folder / "agencies.toml"
    agencies.write_text(_TOML)
    settings = {
        "HUB_AGENCIES": str(agencies),
        "HUB_HOST": "kafka",
        "HUB_KAFKA_BOOTSTRAP": bootstrap,
        "HUB_PARTITIONS": "2",
        "HUB_DATABASE_URL": store,
        "HUB_KEY_DATABASE_URL": keys,
        "HUB_KEK": base64.b64encode(name.encode().ljust(32, b".")).decode(),
        "HUB_GROUP": name,
        "HUB_SESSION_TIMEOUT": "6",
        **env,
    }
    earlier = list(before(settings))
    made = Rig(settings, folder, parts_of(settings), earlier)
    try:
        yield made
    finally:
        made.stop()
        close(made.parts)
        for url in (store, keys):
            drop_database(server, str(make_url(url).database))


def parts_of(env: dict[str, str]) -> Parts:
    """The parts that a worker in this environment would build."""
    names = {name.removeprefix("HUB_").lower(): value for name, value in env.items()}
    known = Settings.model_fields.keys() & names.keys()
    return build_parts(load_settings(**{name: names[name] for name in known}))


def close(parts: Parts) -> None:
    parts.log.close()
    parts.store.close()
    parts.keys.close()


def forget_topics(bootstrap: str) -> None:
    """Delete all topics of an earlier test, and wait until they are gone."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        old = [name for name in admin.list_topics() if name.startswith(("agency.", "hub."))]
        if old:
            admin.delete_topics(old)
        while any(name.startswith(("agency.", "hub.")) for name in admin.list_topics()):
            time.sleep(0.05)
    finally:
        admin.close()


def report(figures: str) -> None:
    """What a fault test found out, for whoever runs it with -s."""
    sys.stdout.write(f"\n{figures}\n")
