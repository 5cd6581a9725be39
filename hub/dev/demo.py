"""The demo: two synthetic agencies and the whole hub in one process, without server, network or configuration.

Nothing is played: the agencies write their own database and CSV exports day by day, their connectors read them through
the same mapping files that an agency would write, and the embedded host drives the same stages as Kafka does.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.journal import GateJournal, JournalEntry
from connectors.pipeline.publish.keyring import Keys
from connectors.pipeline.run.heartbeat import HeartbeatSender
from connectors.pipeline.run.pipeline import build_sink, build_source
from connectors.pipeline.run.report import StepReport
from connectors.pipeline.state.heartbeat import RUNNING, StepStatus
from connectors.pipeline.state.sqlite_files import replace_file
from connectors.pipeline.state.state import State
from hub.adapters.clocks import ManualClock
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import as_text, controller_kek, new_master
from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.desk.desk import Desk
from hub.dev.cast import cast_directory
from hub.dev.simulate import Simulation
from hub.domain.agencies import Agency, default_agency
from hub.domain.clock import BERLIN, berlin_day
from hub.domain.identifiers import AgencyKey
from hub.hosts.embedded import Embedded
from hub.parts import Parts
from hub.store import quarantines, views
from hub.store.tables import decision, held, parked
from hub.web.viewers import ViewerDirectory

START, DAYS = date(2026, 6, 1), 5
OFFICES = (
    ("jc-seestadt", "jobcenter", "Jobcenter Seestadt"),
    ("ja-seestadt", "youth_office", "Jugendamt Seestadt"),
)
KINDS = {"jobcenter": "jobcenter", "youth_office": "youth_welfare"}
CONNECTORS = files("hub.dev.simulate") / "connectors"
"""Folder of each office with the configurations of its connectors, as its operator would write them."""

SOURCES = ("source.toml", "desk.toml")
"""The agency's own system and its consent desk: two connectors of one agency."""

_ROUNDS = 12  # of connectors and hub in turn on one day, until nothing moves

Told = Callable[[str], None]


@dataclass(slots=True)
class DemoOutcome:
    """What the running parts counted. `source_events` = published + withheld + quarantined at the source, always."""

    read: int = 0
    events: int = 0
    published: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    source_quarantined: Counter[str] = field(default_factory=Counter)
    consents_taken: int = 0
    duplicates: int = 0
    withdrawals: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    unmapped: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def read_step(self, report: StepReport) -> None:
        """Add one step of a source connector."""
        self.read += report.read
        self.events += report.events
        self.published += report.published
        self.withheld.update(report.withheld)
        self.source_quarantined.update(report.source_quarantined)
        self.unmapped.update({name: columns for name, columns in report.unmapped_columns.items() if columns})

    def observe(self, stage: str, outcome: Any) -> None:
        """Add what a stage says of a batch."""
        if stage == "consents":
            self.consents_taken += outcome.taken
            self.withdrawals += outcome.types["ConsentWithdrawn"]
        if stage == "admit":
            self.duplicates += outcome.duplicates


class Demo:
    """The simulated world, its connectors and the hub, in a folder of their own."""

    def __init__(self, folder: Path, families: int, seed: int, canary: str | None = None) -> None:
        self.folder, self.outcome = folder, DemoOutcome()
        self.own: dict[str, Keys] = {office: AgencyKey(seeded(office)) for _, office, _ in OFFICES}
        self.clock = ManualClock(datetime.combine(START, time(6), tzinfo=BERLIN))
        self._master = master = new_master()
        self._settings = load_settings(
            host="embedded", data=folder / "hub", kek=as_text(master), lease_seconds=86_400
        )
        self.parts: Parts = build_parts(self._settings, Given(clock=self.clock, agencies=agencies()))
        self.hub = Embedded(self.parts, self.outcome.observe)
        for _, office, _ in OFFICES:
            write_office(folder / office, office)
        self.simulation = Simulation(
            families,
            seed,
            START,
            f"sqlite:///{folder / 'jobcenter' / 'jobcenter.sqlite'}",
            folder / "youth_office" / "export",
            canary=canary,
        )
        self._hearts: dict[Any, HeartbeatSender] = {}
        self._sources = self._started()
        self._sinks = [self._sink(office) for _, office, _ in OFFICES]

    def run(self, told: Told) -> None:
        """Day after day: the agencies work, their connectors read, the hub decides, the sinks write."""
        for day in islice(self.simulation.days, DAYS):
            told(f"{day:%d.%m.%Y}")
            self.simulation.write_day(day)
            self.clock.set(datetime.combine(day, time(20), tzinfo=BERLIN))
            self.settle()

    def settle(self) -> None:
        """Connectors and hub in turn, until nothing moves."""
        for _ in range(_ROUNDS):
            self.hub.run_until_quiet()
            self.hub.beat()
            reports = [source.step(self.clock.now()) for source in self._sources]
            for source, report in zip(self._sources, reports, strict=True):
                self.outcome.read_step(report)
                self._beat(source, closed=report.closed, register_as_of=source.register_as_of)
            self.hub.run_until_quiet()
            for sink in self._sinks:
                self.outcome.answers.update(sink.step(self.clock.now()).answers)
                self._beat(sink)
            self.hub.run_until_quiet()
            if not any(report.published or report.read for report in reports):
                return

    def restart_sources(self, own: Mapping[str, Keys]) -> None:
        """The offices' sources end and start again, with these keys."""
        for source in self._sources:
            del self._hearts[source]
            source.close()
        self.own |= own
        self._sources = self._started()

    def _started(self) -> list[Any]:
        return [self._source(office, file) for _, office, _ in OFFICES for file in SOURCES]

    def _source(self, office: str, file: str) -> Any:
        config = load_config(self.folder / office / file)
        files = self._settings.policy_files
        source = build_source(config, self.own[office], self._keys(config.agency), self.parts.log, files)
        self._hearts[source] = HeartbeatSender(config, self.parts.log, self.clock)
        return source

    def _sink(self, office: str) -> Any:
        config = load_config(self.folder / office / "sink.toml")
        sink = build_sink(config, self._keys(config.agency), self.parts.log)
        self._hearts[sink] = HeartbeatSender(config, self.parts.log, self.clock)
        return sink

    def _beat(self, connector: Any, **said: Any) -> None:
        """As its own process would tell the hub after a step."""
        now = self.clock.now()
        self._hearts[connector].beat(StepStatus(at=now, state=RUNNING, last_success=now, **said))

    def _keys(self, agency: str) -> SqlKeyStore:
        """Each connector has its own controller's key only, here too."""
        kek = controller_kek(self._master, agency)
        return SqlKeyStore.for_controller(self._settings.key_url, agency, kek, clock=self.clock)

    def leave_settings(self) -> None:
        """What lets the hub's other verbs look at this world in its folder: settings, agencies, and its time."""
        entries = [
            f'[[agency]]\nid = "{one.id}"\nkind = "{one.kind}"\nname = "{one.name}"\n' for one in agencies()
        ]
        connectors = [f"{office}/{file}" for _, office, _ in OFFICES for file in SOURCES]
        values = {
            "HUB_DATA": "hub",
            "HUB_KEK": as_text(self._master),
            "HUB_CLOCK_FILE": "clock",
            "HUB_CONNECTORS": json.dumps(connectors),
        }
        files = {
            "agencies.toml": "\n".join(entries),
            "clock": self.clock.now().isoformat(),
            ".env": "".join(f"{name}={value}\n" for name, value in values.items()),
        }
        for name, text in files.items():
            replace_file(self.folder / name, text.encode())  # .env holds the master key

    def close(self) -> None:
        """Let go of every file."""
        for part in (*self._sources, *self._sinks, self.parts.log, self.parts.store):
            part.close()

    def counts(self) -> dict[str, Any]:
        """The numbers of the command-line contract: the source's from its reports, the hub's from its store."""
        out = self.outcome
        with self.parts.store.transaction() as connection:
            counted = select(decision.c.outcome, decision.c.rules, func.count()).group_by(
                decision.c.outcome, decision.c.rules
            )
            decided = [
                (str(outcome), str(rules), int(count))
                for outcome, rules, count in connection.execute(counted)
            ]
            quarantined = Counter(
                {reason: count for (_, reason), count in quarantines.counts(connection).items()}
            )
            waiting = int(connection.execute(select(func.count()).select_from(parked)).scalar_one())
            on_hold = int(connection.execute(select(func.count()).select_from(held)).scalar_one())
            shown = views.counts(connection)
        if waiting:
            quarantined["parked"] += waiting
        return {
            "read": out.read,
            "events": out.events,
            "published": out.published,
            "withheld": dict(sorted(out.withheld.items())),
            "source_quarantined": dict(sorted(out.source_quarantined.items())),
            "admitted": out.consents_taken
            + sum(count for outcome, _, count in decided if outcome == "admitted"),
            "withheld_at_admission": {
                rules: n for outcome, rules, n in sorted(decided) if outcome == "withheld"
            },
            "held": on_hold,
            "quarantined": dict(sorted(quarantined.items())),
            "duplicates": out.duplicates,
            "joint_cases": shown["joint_cases"],
            "disclosures": shown["disclosures"],
            "withdrawals": out.withdrawals,
        }

    def never_published(self) -> list[JournalEntry]:
        """The events of which nothing left their agency, to this moment, each with the gate's last verdict."""
        found: list[JournalEntry] = []
        for _, office, _ in OFFICES:
            config = load_config(self.folder / office / SOURCES[0])
            with closing(State(config.state, lambda _: b"", alone=False)) as state:
                found += GateJournal(state.db).never_published()
        return sorted(found, key=lambda one: (one.at, one.event_id))

    def desk(self, agency: str) -> Desk:
        """The consent desk of one agency, with that agency's own configuration and key."""
        office = next(office for known, office, _ in OFFICES if known == agency)
        path = self.folder / office / "desk.toml"
        return Desk.open(path, self.own[office])


def agencies() -> Sequence[Agency]:
    return [default_agency(agency, KINDS[office], name) for agency, office, name in OFFICES]


def balance(counts: Mapping[str, Any]) -> bool:
    """Whether nothing was lost between what was mapped, published and admitted."""
    source = (
        counts["published"] + sum(counts["withheld"].values()) + sum(counts["source_quarantined"].values())
    )
    hub = counts["admitted"] + sum(counts["withheld_at_admission"].values()) + counts["held"]
    hub += sum(counts["quarantined"].values()) + counts["duplicates"]
    return bool(counts["events"] == source and counts["published"] == hub)


def write_office(folder: Path, office: str) -> None:
    """An agency's own folder: its configuration, its state, its exports."""
    for part in ("state", "export"):
        (folder / part).mkdir(parents=True)
    for name in (*SOURCES, "sink.toml"):
        (folder / name).write_bytes((CONNECTORS / office / name).read_bytes())


def seeded(office: str) -> bytes:
    """The simulated agency's key: invented like its families, so that the same seed gives the same pseudonyms."""
    return f"simulated {office}".encode().ljust(32, b".")


def explained(parts: Parts, stayed: JournalEntry) -> dict[str, Any]:
    """An event that stayed in its agency: the rules that kept it, each with norm, text and the fields it stopped."""
    period = parts.gate.policy.on(berlin_day(parts.clock.now()))
    texts = {} if period is None else period.reasons
    fields: dict[str, list[str]] = {}
    for name, rule in sorted(stayed.dropped.items()):
        fields.setdefault(rule, []).append(name)
    reasons = [
        {"rule": rule, "norm": texts[rule].norm, "text": texts[rule].text, "fields": names}
        for rule, names in sorted(fields.items())
        if rule in texts
    ]
    return {
        "event_id": stayed.event_id.hex(),
        "event_type": stayed.event_type,
        "place": stayed.place,
        "outcome": "withheld",
        "reasons": reasons,
    }


def caller(demo: Demo) -> ViewerDirectory:
    """Who may look in the demo: every role of both offices, each at the families that its office knows."""
    keys = {agency: AgencyKey(seeded(office)) for agency, office, _ in OFFICES}
    return cast_directory(
        demo.simulation.world, demo.parts.agencies, lambda agency, number: keys[agency].case(number)
    )
