"""The hub and its agencies, running: stages, connectors and keys as everywhere else, under the story's clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import Connector
from connectors.pipeline.run.report import StepReport
from connectors.pipeline.state.state import State
from hub.adapters.clocks import ManualClock
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek
from hub.desk.work.steps import WorkStep
from hub.domain.agencies import Agency
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError, HubError
from hub.hosts.embedded import Embedded
from hub.parts import Parts
from hub.policy.gate import Gate, declared_roles
from hub.rehearse.mapping import connector_config
from hub.rehearse.office import Entry, Office, StorySource

_ROUNDS = 20  # of hub and connectors in turn, until nothing moves

BuildParts = Callable[[], Parts]


@dataclass(slots=True)
class Processes:
    """What runs, and what ends with it."""

    parts: Parts
    hub: Embedded
    connectors: Mapping[str, Connector]
    keys: Sequence[SqlKeyStore] = field(default=(), repr=False)

    def end(self) -> None:
        """Every file and every connection is let go, as when a process dies."""
        for connector in self.connectors.values():
            connector.close()
        for store in (*self.keys, self.parts.keys):
            if isinstance(store, SqlKeyStore):
                store.close()
        self.parts.log.close()
        self.parts.store.close()


class Scene:
    """A story's stage: the offices stay, the processes may end and start again."""

    def __init__(
        self,
        folder: Path,
        build: BuildParts,
        master: bytes,
        key_url: str,
        clock: ManualClock,
        agencies: Sequence[Agency],
        types: Iterable[str],
    ) -> None:
        self.clock = clock
        self._build, self._master, self._key_url, self._agencies = build, master, key_url, agencies
        kinds = list(types)
        self.offices = {
            agency.id: Office(
                agency.id, agency_key(agency.id), connector_config(agency, agencies, kinds, own)
            )
            for agency, own in ((agency, folder / f"agency-{n}") for n, agency in enumerate(agencies))
        }
        self.names: dict[str, dict[str, str]] = {
            name: {} for name in self.offices
        }  # pseudonym → the story's ref
        self.judge: Gate
        self.work: dict[str, list[WorkStep]] = {}  # agency → what stands in its work book, in order
        self._late = 0
        self._running = self._start()

    def enter(self, agency: str, entry: Entry, at: datetime, place: str) -> None:
        """An agency enters something in its own system."""
        key = self.offices[agency].key
        name = key.person if entry.about == "person" else key.case
        self.names[agency][name(entry.subject)] = entry.subject
        self.offices[agency].put(entry, at, place)

    @property
    def parts(self) -> Parts:
        return self._running.parts

    def knowledge(self, agency: str) -> GateKnowledge:
        """What the gate of this agency's connector knows now."""
        return self._running.connectors[agency].knowledge

    def at(self, moment: datetime) -> None:
        """It is this moment now, and all that follows from it is done."""
        self.clock.set(moment)
        self._late = 0
        self.settle()

    def settle(self) -> None:
        """Hub and connectors in turn until nothing is left to do. Raises HubError when they do not come to rest."""
        for _ in range(_ROUNDS):
            self._running.hub.run_until_quiet()
            self._running.hub.beat()
            reports = [self._step(connector) for connector in self._running.connectors.values()]
            if not any(report.published or report.read for report in reports):
                return
        raise HubError("hub and connectors do not come to rest", place="rehearse")

    def restart(self) -> None:
        """Every process ends without warning and starts again."""
        self.close()
        self._running = self._start()
        self.settle()

    def close(self) -> None:
        self._running.end()

    def _step(self, connector: Connector) -> StepReport:
        """What happens at one moment happens in an order: each step is a microsecond later for the one who records."""
        self._late += 1
        report = connector.step(self.clock.now() + timedelta(microseconds=self._late))
        if report.closed or report.source_quarantined:
            raise DataError("a connector stands still", reason="connector_closed", place="rehearse")
        return report

    def _start(self) -> Processes:
        parts = self._build()
        keys: list[SqlKeyStore] = []
        self.judge = judge = Gate(parts.gate.policy, declared_roles(self._agencies))
        connectors: dict[str, Connector] = {}
        for office in self.offices.values():
            kek = controller_kek(self._master, office.agency)
            fresh = KeyCache(sealing_life=0.0)  # days of a story pass faster than any cache forgets
            keys.append(
                SqlKeyStore.for_controller(self._key_url, office.agency, kek, clock=self.clock, cache=fresh)
            )
            connectors[office.agency] = _connector(office, keys[-1], parts, judge)
        return Processes(parts, Embedded(parts), connectors, keys)


def _connector(office: Office, keys: SqlKeyStore, parts: Parts, judge: Gate) -> Connector:
    state = State(office.config.state, lambda key: office.key.row_hash(b"key" + key.encode()))
    return Connector(
        office.config,
        StorySource(office, state),
        office.key,
        state=state,
        pseudonyms=Pseudonyms(office.config.pseudonyms),
        keys=keys,
        log=parts.log,
        judge=judge,
    )


def agency_key(agency: str) -> AgencyKey:
    """The agency's key, invented like the agency: the same story has the same pseudonyms everywhere."""
    return AgencyKey(b"rehearsed " + agency.encode())
