"""A source read without log and keys: what a run would make of it, by the agency's own consents alone.

For looking before anything is real (preview, shadow month) and for what never leaves the house (finding families).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from connectors.contract import Batch, Incident, Row, Source, is_nothing_found
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.judge import EgressGate, Judged
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.gate.register import Register
from connectors.pipeline.mapping.lookups import LookupIndex, unmapped_columns
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.mapping.row_rules import resolved, with_others
from connectors.pipeline.publish.keyring import Keys, first_of
from connectors.pipeline.publish.outgoing import ALWAYS_SAID
from connectors.pipeline.publish.publisher import Unfit
from connectors.pipeline.run.pipeline import gate, key_hash, looking_names, source_to_look_at
from connectors.pipeline.state.claims import Apart, Claims
from connectors.pipeline.state.faults import REMEDIES, UNFIT
from connectors.pipeline.state.state import State
from connectors.tools.dry_run.spelling import Spellings
from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.domain.identifiers import Naming
from hub.errors import DataError
from hub.policy.facts import Sender
from hub.policy.gate import Gate
from hub.policy.load import Policy
from hub.policy.nearly import OPENED_BY_CONSENT, Nearly


class Vanished(NamedTuple):
    """A record that is in the source no longer."""

    record_ref: bytes


Found = Judged | Unmapped | Incident | Vanished
Asked = Counter[tuple[str, str, bool]]
NEEDLESS = "R03"
"""Names the control data of cases in which nobody consented: of them not a word is said (§ 67a SGB X)."""

_ROUNDS = 10_000  # snapshots in one folder, at most


class Offline:
    """One source and what its gate knows. `read` counts rows; `state` moves on as they are judged.

    `asked`: (stream, lookup, whether it found anything) → rows; of a row for which nothing is found, nothing is said.
    `replaced`: the same of cells of other streams for which a default stands. `spellings`: takes note of the rows,
    where somebody asks how numbers are spelt.
    """

    def __init__(
        self, config: ConnectorConfig, key: Naming, judge: Gate, source: Source, state: State
    ) -> None:
        self._config, self._source, self.state = config, source, state
        self._mapper = Mapper.of(config, key)
        self._lookups, self._claims = LookupIndex(config.lookups), Claims(config.streams, state)
        self._knowledge = GateKnowledge(config.agency, key, Register(config.agency))
        sender = Sender(controller=config.agency, kind=config.agency_kind)
        self._gate, self.policy = EgressGate(sender, judge, self._knowledge), judge.policy
        self.read, self.asked, self.replaced = 0, Asked(), Asked()
        self.spellings: Spellings | None = None

    def judged(self, now: datetime) -> Iterator[Found]:
        """Everything new since the state, judged at `now`; the state moves on behind it, batch by batch."""
        for found in self._read(now):
            if isinstance(found, Batch):
                yield from self._batch(found, now)
            else:
                yield found

    def rows(self, now: datetime) -> Iterator[Row]:
        """Everything new since the state, as the source says it; the state moves on behind it."""
        for found in self._read(now):
            if isinstance(found, Batch):
                yield from found.rows

    def _read(self, now: datetime) -> Iterator[Incident | Batch]:
        self._source.check()
        for _ in range(_ROUNDS):
            yield from self._source.refresh(now)
            self._learn()
            before = self.read
            for batch in self._source.read([*self._config.streams], self._config.batch):
                self.read += len(batch.rows)
                if self.spellings is not None:
                    self.spellings.note(batch.rows)
                yield batch
                with self.state.transaction():
                    self.state.advance(batch.stream, batch.rows, batch.cursor, set())
            if self.read == before:
                return
            self._source.finished()

    def unmapped(self) -> Mapping[str, tuple[str, ...]]:
        """Stream → columns that nobody mapped."""
        return unmapped_columns(self._config, self._source)

    def consents(self, at: datetime) -> Iterator[tuple[Consent, bool]]:
        """The agency's own consents, and whether all signed them who must at `at`."""
        yield from self._knowledge.judged(at)

    def nearly(self, judged: Judged, at: datetime) -> tuple[Nearly, ...]:
        """The consents that would nearly have opened a field that none opens; an own one by its number on paper."""
        event = judged.event
        if OPENED_BY_CONSENT.isdisjoint({judged.rule, *judged.dropped.values()}) or event.control:
            return ()
        numbers = {one.id: one.number for one in self._knowledge.consents(event.subject_ref, at)}
        found = self._gate.nearly(event, at) if numbers else ()
        return tuple(one._replace(consent=numbers.get(one.consent) or one.consent) for one in found)

    def _learn(self) -> None:
        """Lookups and own control data first: the gate must know every consent before it judges."""
        names = [name for name, stream in self._config.streams.items() if stream.control]
        control = self._source.control([*dict.fromkeys((*self._lookups.streams, *names))])
        rows = list(control.rows)
        self._lookups.take(rows, complete=control.complete)
        alive = [row for row in rows if not row.gone and row.stream in names]
        mapped = (self._mapper.events(row, self._lookups.tables, control_only=True) for row in alive)
        events = [one for found in mapped for one in found if isinstance(one, MappedEvent)]
        self._knowledge.learn(events, complete=control.complete)

    def _batch(self, batch: Batch, now: datetime) -> Iterator[Found]:
        consented = self._knowledge.consented_cases()
        apart = self._told_apart(batch)
        waiting = {one.place for one in apart.waiting}
        yield from apart.waiting
        for row in batch.rows:
            if row.gone:
                there = self._mapper.events(row._replace(gone=False), self._lookups.tables)
                yield from (Vanished(one.record_ref) for one in there if isinstance(one, MappedEvent))
            self._ask(row)
            for one in () if row.place in waiting else self._mapper.events(row, self._lookups.tables):
                yield one if isinstance(one, Unmapped) else self._fit(one, now, consented)
        yield from (self._fit(one, now, consented) for one in apart.events if one.place in waiting)

    def _told_apart(self, batch: Batch) -> Apart:
        """The rows of a batch that come to one record by what another stream says, as in a run."""
        if not self._config.streams[batch.stream].named_elsewhere:
            return Apart([], [])
        mapped = [one for row in batch.rows for one in self._mapper.events(row, self._lookups.tables)]
        events = [one for one in mapped if isinstance(one, MappedEvent)]
        apart = self._claims.apart(batch.rows, events)
        held = {one.place for one in (*mapped, *apart.waiting) if isinstance(one, Unmapped)}
        with self.state.transaction():
            self._claims.keep(batch.rows, apart.events, held)
        return apart

    def _ask(self, row: Row) -> None:
        """Counts what its lookups find; a column that is missing is said by the mapping."""
        stream, found = self._config.streams[row.stream], self._lookups.tables
        if row.gone:
            return
        for name, reference in {one.lookup: one for one in stream.references}.items():
            with suppress(DataError):
                self.asked[row.stream, name, bool(resolved(stream, reference, row, found))] += 1
        for one in stream.replaceable:
            there = with_others(stream, row, found).values.get(one.name)
            self.replaced[row.stream, one.name, not is_nothing_found(there)] += 1

    def _fit(self, event: MappedEvent, now: datetime, consented: frozenset[str]) -> Judged | Unmapped:
        """What cannot be judged holds its row, as in a run."""
        judged: list[Judged] = []
        with Unfit().taking(event):
            judged.append(self._judge(event, now, consented))
        if judged:
            return judged[0]
        name, remedy = event.schema.event_type, REMEDIES[UNFIT]
        return Unmapped(
            stream=event.stream, place=event.place, event_type=name, reason=UNFIT, column="", remedy=remedy
        )

    def _judge(self, event: MappedEvent, now: datetime, consented: frozenset[str]) -> Judged:
        spoken_of = event.case_ref in consented or event.schema.event_type in ALWAYS_SAID
        if event.control and not spoken_of:
            return Judged(event, frozenset(), rule=NEEDLESS, dropped=dict.fromkeys(event.payload, NEEDLESS))
        return replace(self._gate.of(event, now), event=event)


@contextmanager
def offline(
    config: ConnectorConfig, keys: Keys, policy_files: Sequence[Path] = (), state: Path | None = None
) -> Iterator[Offline]:
    """The configured source, opened for looking: with a state that is thrown away, or with the one at `state`. One key
    names everybody; all of the agency's keys name as its connectors do, by its table.

    Raises ConfigurationError, and what the source raises.
    """
    judge, local = gate(config, policy_files), first_of(keys)
    with TemporaryDirectory() as folder, looking_names(config, keys) as named:
        opened = State(state or Path(folder) / "state.sqlite", key_hash(local))
        source = source_to_look_at(config, opened, local)
        try:
            yield Offline(config, named, judge, source, opened)
        finally:
            source.close()
            opened.close()


def norm_of(policy: Policy, now: datetime, rule: str) -> str:
    """The norm of a rule as it is worded on that day."""
    reasons = (policy.on(berlin_day(now)) or policy.latest).reasons
    return reasons[rule].norm if rule in reasons else ""
