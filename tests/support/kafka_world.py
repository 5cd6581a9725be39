"""The simulated agencies and their hub on Kafka and PostgreSQL: every part a process, the time of the story in a file.

The agencies' sources run one step at a time, as a scheduler would call them; workers and sinks run all the time. A day
is over when nothing is left to read, to decide, to show or to confirm.
"""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hub.adapters.keys.wrapping import as_text, controller_kek
from hub.dev import demo
from hub.dev.simulate import Simulation
from hub.domain.clock import BERLIN, micros
from hub.store import meta, tables
from projections.consent_register.apply import SEPARATOR
from projections.consent_register.tables import consent_row
from schemas import decode_single
from tests.support.oracle import read_all
from tests.support.workers import Rig, Running, rig

FOLDERS = {agency: office for agency, office, _ in demo.OFFICES}
EVENING = time(20)
_DAY_ENDS = 300.0  # seconds that hub and sinks may take for what is there
_ROUNDS = 12


@dataclass(slots=True)
class KafkaWorld:
    """Both offices in `folder`, one folder each; `reported` is what their sources said, step by step."""

    rig: Rig
    folder: Path
    simulation: Simulation
    reported: list[dict[str, Any]] = field(default_factory=list)
    with_sinks: bool = False
    _beats: dict[str, tuple[dict[int, int], int]] = field(default_factory=dict)

    def start_workers(self) -> None:
        """One of every role."""
        for role in ("consents", "cases", "disclose"):
            self.rig.start(role)

    def start_sinks(self) -> None:
        """Both; from now on a day is over when they have confirmed everything."""
        self.with_sinks = True
        for office in FOLDERS.values():
            self.rig.workers.append(self.connect(office, "sink"))

    def live(self, days: int) -> None:
        """Day after day: the offices work, their sources are called in the evening until nothing is new."""
        for day in islice(self.simulation.days, days):
            self.simulation.write_day(day)
            self.set_clock(day)
            self.until_quiet()

    def until_quiet(self) -> None:
        """Sources and hub in turn, until nothing moves."""
        for _ in range(_ROUNDS):
            self.until_idle()
            reports = self.step()
            self.until_idle()
            if not any(report["published"] or report["read"] for report in reports):
                return
        raise AssertionError(f"the sources still publish after {_ROUNDS} rounds: {reports}")

    def step(self) -> list[dict[str, Any]]:
        """One step of both sources, at the same time; what they say of it."""
        running = [self.connect(office, "source", "--once") for office in FOLDERS.values()]
        reports = [report for one in running for report in finished(one)]
        self.reported += reports
        return reports

    def connect(self, office: str, part: str, *options: str, fail: str = "") -> Running:
        """`hub connect run` of an office's source or sink; reports and log lines lie in one file."""
        log = self.folder / office / f"{part}-{len(list((self.folder / office).glob('*.log')))}.log"
        command = [sys.executable, "-m", "hub", "connect", "run", f"{part}.toml", "--json", *options]
        env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env | {"HUB_FAILPOINT": fail},
                cwd=self.folder / office,
            )
        return Running(process, log)

    def set_clock(self, day: date) -> None:
        """Evening of that day, for every process at once."""
        set_clock(self.folder / "clock", datetime.combine(day, EVENING, tzinfo=BERLIN))

    def until_idle(self) -> None:
        """Wait until hub and sinks have done all they can; two looks in a row, for one look takes a while."""
        self.rig.until(lambda: self._idle() and self._idle(), "an idle hub", _DAY_ENDS)

    def _idle(self) -> bool:
        count, t = self.rig.count, tables
        return (
            self._awake()
            and self.rig.quiet()
            and not any(count(table) for table in (t.ending, t.register_dirty))
            and not count(t.held, t.held.c.subject == t.subject.c.key, t.held.c.epoch < t.subject.c.epoch)
            and (not self.with_sinks or self._ends("views") <= self._ends("receipts"))
        )

    def _awake(self) -> bool:
        """Whether the hub lives at the clock's time: ticked, consents caught up, heartbeats in both registers."""
        now = micros(self.rig.parts.clock.now())
        with self.rig.parts.store.transaction() as connection:
            marks = [meta.get(connection, name) or 0 for name in ("tick.last", "consents.caught_up")]
        return min(marks) >= now and all(self._heartbeat(agency) >= now for agency in FOLDERS)

    def _heartbeat(self, agency: str) -> int:
        topic = f"agency.{agency}.register"
        log = self.rig.parts.log
        following, last = self._beats.get(agency) or (dict(log.state([topic])[topic].first), 0)
        while batch := log.read(topic, following, 2000):
            entries = [decode_single(record.value)[1] for record in batch]
            last = max([last, *(entry["at"] for entry in entries if entry["kind"] == "heartbeat")])
            following |= {record.partition: record.offset + 1 for record in batch}
        self._beats[agency] = following, last
        return last

    def _ends(self, kind: str) -> int:
        names = [f"agency.{agency}.{kind}" for agency in FOLDERS]
        return sum(sum(state.end.values()) for state in self.rig.parts.log.state(names).values())

    def counts(self) -> dict[str, Any]:
        """The numbers of the contract, counted anew: the source's in its reports, the hub's in topics and tables."""
        total = {
            name: sum(report[name] for report in self.reported) for name in ("read", "events", "published")
        }
        by = {
            name: dict(sorted(sum((Counter(report[name]) for report in self.reported), Counter()).items()))
            for name in ("withheld", "source_quarantined")
        }
        d, q = tables.decision.c, tables.quarantine.c
        with self.rig.parts.store.transaction() as connection:
            decided = Counter(tuple(row) for row in connection.execute(select(d.outcome, d.rules)))
            bad = Counter(connection.execute(select(q.reason)).scalars())
            taken = {
                row.event_id.partition(SEPARATOR)[0]: row.publication
                for row in connection.execute(
                    select(consent_row.c.event_id, consent_row.c.publication).order_by(
                        consent_row.c.publication
                    )
                )
            }
        published = {kind: self._published(kind) for kind in ("consents", "events")}
        consents = [one for one in set(published["consents"]) if taken.get(one[0], 0) >= one[1]]
        admitted = sum(count for (outcome, _), count in decided.items() if outcome == "admitted")
        parked = self.rig.count(tables.parked)
        return (
            total
            | by
            | {
                "admitted": len(consents) + admitted,
                "withheld_at_admission": {
                    rules: n for (said, rules), n in sorted(decided.items()) if said == "withheld"
                },
                "held": self.rig.count(tables.held),
                "quarantined": dict(sorted(bad.items())) | ({"parked": parked} if parked else {}),
                "duplicates": sum(len(found) - len(set(found)) for found in published.values()),
            }
        )

    def envelopes(self, kind: str) -> list[dict[str, Any]]:
        """Every record on the offices' topics of this kind."""
        topics = [f"agency.{agency}.{kind}" for agency in FOLDERS]
        return [decode_single(record.value)[1] for topic in topics for record in read_all(self.rig, topic)]

    def _published(self, kind: str) -> list[tuple[str, int]]:
        return [(envelope["event_id"].hex(), envelope["publication"]) for envelope in self.envelopes(kind)]


@contextmanager
def kafka_world(
    bootstrap: str,
    server: str,
    folder: Path,
    master: bytes,
    *,
    families: int,
    seed: int,
    canary: str | None = None,
    batch: int = 1000,
) -> Iterator[KafkaWorld]:
    """A world in which nothing runs yet, on the morning of its first day; `batch`: rows that a source reads at once."""
    clock, office_toml = folder / "clock", folder / "offices.toml"
    set_clock(clock, datetime.combine(demo.START, time(6), tzinfo=BERLIN))
    office_toml.write_text(
        "".join(
            f'[[agency]]\nid = "{one.id}"\nkind = "{one.kind}"\nname = "{one.name}"\n'
            for one in demo.agencies()
        ),
        encoding="utf-8",
    )
    settings = {
        "HUB_AGENCIES": str(office_toml),
        "HUB_KEK": as_text(master),
        "HUB_CLOCK_FILE": str(clock),
        "HUB_TOPIC_TIMESTAMPS": "create",
    }
    with rig(bootstrap, server, folder, **settings) as made:
        for agency, office in FOLDERS.items():
            write_office(folder / office, office, controller_kek(master, agency), made.env, batch)
        simulation = Simulation(
            families,
            seed,
            demo.START,
            f"sqlite:///{folder / 'jobcenter' / 'jobcenter.sqlite'}",
            folder / "youth_office" / "export",
            canary=canary,
        )
        yield KafkaWorld(made, folder, simulation)


def finished(running: Running) -> list[dict[str, Any]]:
    """The reports of a source that ended well."""
    assert running.ended() == 0, running.tail()
    lines = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if "published" in line and "event" not in line]


def set_clock(path: Path, at: datetime) -> None:
    """In one step, so that nobody reads half a time."""
    draft = path.with_suffix(".next")
    draft.write_text(at.isoformat(), encoding="utf-8")
    draft.replace(path)


def write_office(folder: Path, office: str, kek: bytes, env: dict[str, str], batch: int) -> None:
    """Configuration and key files of an office, as its own operator would write them."""
    demo.write_office(folder, office)
    (folder / "agency.key").write_text(base64.b64encode(demo.seeded(office)).decode())
    (folder / "controller.kek").write_text(base64.b64encode(kek).decode())
    changes = {
        'path = "log.sqlite"': f'bootstrap = "{env["HUB_KAFKA_BOOTSTRAP"]}"',
        "sqlite:///keys.sqlite": env["HUB_KEY_DATABASE_URL"],
        "[connector]\n": f'[connector]\nclock_file = "{env["HUB_CLOCK_FILE"]}"\nbatch = {batch}\n',
        "interval_seconds = 2\n": "interval_seconds = 0.3\n",
    }
    for path in folder.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def staged(folder: Path) -> list[tuple[Any, ...]]:
    """An office's staging table; `fallbruecke_aktuell` filters it by the database's clock, which is not the story's."""
    with closing(sqlite3.connect(folder / "uebergabe.sqlite")) as connection:
        return sorted(connection.execute("SELECT * FROM fallbruecke_sicht"), key=repr)
