"""Drives one source: read → map → gate → seal → publish → acknowledge (architecture, Contracts: Connector).

Mapping, gate, pseudonyms, sealing and publishing belong to the runtime, so that no kind of connector can go round them.
A step reads what is new, publishes what may leave, then looks whom the gate knows more about and publishes their
present state (protocol rule 12); last it goes on with what somebody asked to have once more. The source's position
moves only after the broker confirmed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.contract import Sink, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.kinds import load_kind
from connectors.pipeline.gate.journal import GateJournal
from connectors.pipeline.gate.judge import Judge
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.gate.learning import Learning
from connectors.pipeline.gate.register import Register
from connectors.pipeline.mapping.lookups import LookupMemory, RowTranslator, unmapped_columns
from connectors.pipeline.publish.keyring import Keys, first_of, naming, naming_to_look, secrets_of
from connectors.pipeline.publish.outgoing import EventPublisher
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.publish.publisher import Publisher
from connectors.pipeline.publish.reported import Reported, TakingBack
from connectors.pipeline.run.backfill import Backfilling
from connectors.pipeline.run.commit import BatchCommit
from connectors.pipeline.run.erasure import Erasures
from connectors.pipeline.run.report import StepReport, Tally
from connectors.pipeline.run.republish import LookupRepublication, Republication
from connectors.pipeline.state import last_error
from connectors.pipeline.state.backfill_requests import Backfills
from connectors.pipeline.state.claims import Claims
from connectors.pipeline.state.quarantine import Decisions
from connectors.pipeline.state.renumbering import apply_aliases, refuse_spoken_of
from connectors.pipeline.state.state import KeyHash, State
from hub.domain.clock import berlin_day, micros
from hub.domain.identifiers import AgencyKey, Naming
from hub.errors import ConfigurationError, ServiceUnavailable
from hub.policy.gate import Declared, Gate
from hub.policy.load import load_policy, refuse_strangers
from hub.ports import EventLog, KeyStore

STALE = "register_stale"
DIGEST = "mapping"


class Connector:
    """One agency's source, ready to step. Raises ServiceUnavailable when broker or keys fail: then step again later."""

    def __init__(
        self,
        config: ConnectorConfig,
        source: Source,
        key: Naming,
        *,
        state: State,
        pseudonyms: Pseudonyms,
        keys: KeyStore,
        log: EventLog,
        judge: Judge,
    ) -> None:
        refuse_spoken_of(config.aliases.first, key, state)
        self._config, self._source, self._state, self._pseudonyms = config, source, state, pseudonyms
        self._journal, self._decisions = GateJournal(state.db), Decisions(state.db)
        knowledge = GateKnowledge(config.agency, key, Register(config.agency, log, keys))
        self._register, translator = knowledge.register, RowTranslator(config, key)
        self._learning = Learning(
            config,
            source,
            translator=translator,
            knowledge=knowledge,
            erasures=Erasures(state, knowledge),
            pseudonyms=pseudonyms,
            reported=(reported := Reported(state.db)),
        )
        self._publisher = publisher = EventPublisher(
            config,
            self._learning,
            judge=judge,
            publisher=Publisher(config, key, keys, log, state),
            pseudonyms=pseudonyms,
            journal=self._journal,
        )
        self._lookups = lookups = LookupMemory(config, state, translator.lookups)
        claims = Claims(config.streams, state)
        self._commit = BatchCommit(
            state,
            translator,
            publisher,
            decisions=self._decisions,
            reported=reported,
            taking_back=TakingBack(reported, pseudonyms, knowledge, key, config.streams, state),
            lookups=lookups,
            claims=claims,
        )
        self._lookup_republication = LookupRepublication(config, source, state, lookups, self._commit)
        self._republication = Republication(
            source,
            state,
            self._learning,
            translator=translator,
            publisher=publisher,
            pseudonyms=pseudonyms,
            claims=claims,
        )
        self._backfilling = Backfilling(config, source, state, self._commit)
        self._last: datetime | None = None
        _apply_mapping(state, config.digest)
        apply_aliases(config.aliases, key, state)

    def check(self) -> None:
        """Whether the source can be read as configured; sends nothing. Raises what the source finds."""
        self._source.check()

    def step(self, now: datetime) -> StepReport:
        """Everything the source holds now, up to the configured number of batches. What it waits for is kept."""
        try:
            report = self._step(now)
        except ServiceUnavailable as error:
            last_error.note(self._state, error, now)
            raise
        last_error.clear(self._state)
        return report

    def _step(self, now: datetime) -> StepReport:
        tally = Tally()
        self._read_again()
        self._commit.note(incidents := self._source.refresh(now), tally)
        first = self._state.fresh()
        learned = self._learning.learn(now, self._publisher.mark(now))
        standing = {incident.stream for incident in incidents}
        self._lookups.compare(learned.changed, standing, complete=learned.complete)
        self._republication.note_changed(now, first=first)
        is_open = self._register.fresh(now, self._config.register_limit_seconds)
        more = self._read(now, tally, is_open=is_open)
        if is_open and not more:
            self._lookup_republication.republish(now, tally)
            self._republication.republish(now, tally)
            more = self._backfilling.step(now, tally)
        if self._last is None or berlin_day(self._last) != berlin_day(now):
            with self._state.transaction():
                self._journal.forget(micros(now - timedelta(days=self._config.journal_days)))
        self._last = now
        unmapped = unmapped_columns(self._config, self._source)
        return tally.report(unmapped, closed="" if is_open else STALE, more=more)

    @property
    def knowledge(self) -> GateKnowledge:
        """What the gate knows, as of the last step."""
        return self._learning.knowledge

    @property
    def register_as_of(self) -> datetime | None:
        """How old the hub's newest word is."""
        return self._register.as_of

    def run(
        self,
        clock: Callable[[], datetime],
        sleep: Callable[[float], object],
        stopped: Callable[[], bool],
        on_report: Callable[[StepReport], None],
    ) -> None:
        """Step until `stopped`; a step that was begun is ended."""
        while not stopped():
            report = self.step(clock())
            on_report(report)
            if not report.more and not stopped():
                sleep(self._config.interval_seconds)

    def close(self) -> None:
        self._source.close()
        self._pseudonyms.close()
        self._state.close()

    def _read_again(self) -> None:
        """What somebody asked for meanwhile: these streams from their start."""
        if asked := self._decisions.asked():
            with self._state.transaction():
                for stream in asked:
                    self._state.restart(stream)
                self._decisions.answered()

    def _read(self, now: datetime, tally: Tally, *, is_open: bool) -> bool:
        """Publish batch after batch; whether more is waiting. With the gate closed, only control data leaves."""
        control = self._config.control
        others = [name for name in self._config.streams if name not in control]
        batches = self._source.read([*control, *others] if is_open else list(control), self._config.batch)
        taken = 0
        for batch in islice(batches, self._config.batches_per_step):
            taken += 1
            self._commit.publish(batch, now, tally, is_open=is_open)
        more = taken == self._config.batches_per_step
        if is_open and not more:
            self._source.finished()
        return more and is_open


def _apply_mapping(state: State, digest: str) -> None:
    """A changed mapping may read what waits: those streams are read again from their start. So is what is given once
    more: a part of it was said otherwise, and its place is by a key that may be another one now."""
    if state.meta(DIGEST) == digest:
        return
    with state.transaction():
        for stream in {entry.stream for entry in state.quarantined()}:
            state.restart(stream)
        Backfills(state.db).begin_again()
        state.set_meta(DIGEST, digest)


def kind(config: ConnectorConfig) -> Any:
    """The module of the configured kind: `spec` and `build`; raises ConfigurationError."""
    return load_kind(config.kind)


def build_source(
    config: ConnectorConfig, own: Keys, keys: KeyStore, log: EventLog, policy_files: Sequence[Path] = ()
) -> Connector:
    """A source connector, its own files opened; raises ConfigurationError or TryAgain (another one is running).

    `own` are the agency's keys. `policy_files` are the hub's, where the connector is told of them; its own stand in
    its configuration.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="run it as a sink")
    judge, local = gate(config, policy_files), first_of(own)
    table = Pseudonyms(config.pseudonyms)
    named = naming(own, table)
    state = State(config.state, key_hash(local))
    source = module.build(config, state, local)
    return Connector(config, source, named, state=state, pseudonyms=table, keys=keys, log=log, judge=judge)


def key_hash(key: AgencyKey) -> KeyHash:
    """How a state hides the agency's own row keys."""
    return lambda row_key: key.row_hash(b"key" + row_key.encode())


def source_to_look_at(config: ConnectorConfig, state: State, key: AgencyKey) -> Source:
    """The source alone, for looking: a kind that moves files (it has `look` beside `build`) then moves none.

    Raises ConfigurationError.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="name a source")
    source: Source = getattr(module, "look", module.build)(config, state, key)
    return source


@contextmanager
def looking_names(config: ConnectorConfig, keys: Keys) -> Iterator[Naming]:
    """Who names whom, beside the running connectors; nothing is made or marked. Raises ConfigurationError."""
    table = (
        Pseudonyms(config.pseudonyms)
        if not isinstance(keys, AgencyKey) and config.pseudonyms.exists()
        else None
    )
    try:
        yield naming_to_look(keys, table)
    finally:
        if table is not None:
            table.close()


def build_sink(config: ConnectorConfig, keys: KeyStore, log: EventLog) -> Sink:
    """A sink connector; raises ConfigurationError."""
    module = kind(config)
    if module.spec.role != "sink":
        raise ConfigurationError("is no sink", place="config.connector.kind", remedy="run it as a source")
    sink: Sink = module.build(config, keys, log, Pseudonyms(config.pseudonyms))
    return sink


def gate(config: ConnectorConfig, policy_files: Sequence[Path] = ()) -> Gate:
    """The policy with the recipient roles that the configuration declares, tightened by these files and its own.

    Raises ConfigurationError for a file of its own that names an agency with which it exchanges nothing.
    """
    partners = {role.controller for role in config.recipients}
    refuse_strangers(load_policy(config.policy_files), {config.agency, *partners})
    declared = tuple(Declared(r.controller, r.kind, r.role, r.undertaking) for r in config.recipients)
    return Gate(load_policy([*config.policy_files, *policy_files]), declared)


def secret_of(path: Path | None, place: str) -> bytes:
    """32 bytes written in base64; raises ConfigurationError."""
    found, *more = secrets_of(path, place)
    if more:
        raise ConfigurationError("holds more than one key", place=f"config.{place}", remedy="keep one line")
    return found
