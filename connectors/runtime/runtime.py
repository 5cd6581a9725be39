"""Drives one source: read → map → gate → seal → publish → acknowledge (architecture, Contracts: Connector).

Mapping, gate, pseudonyms, sealing and publishing are here, so that no kind of connector can go round them. A step reads
what is new, publishes what may leave, then looks whom the gate knows more about and publishes their present state
(protocol rule 12). The source's position moves only after the broker confirmed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from connectors.runtime import trouble
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.debts import Debts, Signature
from connectors.runtime.erasing import RULE as ERASED
from connectors.runtime.erasing import Erasures
from connectors.runtime.faults import WHOLE, of_incidents, of_refused, of_rows
from connectors.runtime.journal import Journal, Verdict, verdict
from connectors.runtime.judging import EgressGate, Judge, Judged
from connectors.runtime.knowledge import Knowledge
from connectors.runtime.lookups import LookupIndex
from connectors.runtime.mapping import MappedEvent, Mapper, Unmapped
from connectors.runtime.ports import Batch, Incident, NothingKept, Row, Source
from connectors.runtime.present import present_state
from connectors.runtime.pseudonyms import Local, Pseudonyms
from connectors.runtime.publish import Prepared, Publisher
from connectors.runtime.quarantine import Decisions, Quarantined
from connectors.runtime.register import Register
from connectors.runtime.report import StepReport, Tally, Withheld
from connectors.runtime.state import State
from hub.domain.clock import berlin_day, micros
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, ServiceUnavailable
from hub.failpoints import fail_point
from hub.policy.facts import Sender
from hub.ports import EventLog, KeyStore

STALE = "register_stale"
SUBJECTS_AT_ONCE = 200
DIGEST = "mapping"
ALWAYS_SAID = frozenset(
    {
        "IdentityLinkProposed", "IdentityLinked", "IdentitySplit", "ConsentWithdrawn", "ConsentExpired",
        "ObjectionRaised",
    }
)  # fmt: skip
"""What leaves also for cases in which nobody consented here: who brought a pairing code has signed the joint form at
the other office, and what takes something back holds wherever it was given (rule 8)."""

ERASING = "ErasureRequested"


class Connector:
    """One agency's source, ready to step. Raises ServiceUnavailable when broker or keys fail: then step again later."""

    def __init__(
        self, config: ConnectorConfig, source: Source, key: AgencyKey, *, state: State, pseudonyms: Pseudonyms,
        keys: KeyStore, log: EventLog, judge: Judge,
    ) -> None:  # fmt: skip
        self._config, self._source, self._state, self._pseudonyms, self._key = (
            config,
            source,
            state,
            pseudonyms,
            key,
        )
        self._mapper = Mapper(key, config.agency_kind, config.streams, config.any_code, config.aliases)
        self._lookups = LookupIndex(config.lookups)
        self._knowledge = Knowledge(config.agency, key, Register(config.agency, log, keys))
        self._gate = EgressGate(
            Sender(controller=config.agency, kind=config.agency_kind), judge, self._knowledge
        )
        self._debts = Debts(state)
        self._erasures = Erasures(state, self._knowledge)
        self._publisher = Publisher(config, key, keys, log, state)
        self._journal, self._decisions = Journal(state.db), Decisions(state.db)
        self._control = [name for name, stream in config.streams.items() if stream.control]
        self._others = [name for name in config.streams if name not in self._control]
        self._consented: frozenset[str] = frozenset()
        _refuse_known_twice(config, key, pseudonyms)
        self._pending: set[str] = set()  # subjects about whom something new may be known
        self._moved: set[str] = set()  # local ids whose case may be another one
        self._last: datetime | None = None
        _retry_quarantine(state, config.digest)

    def check(self) -> None:
        """Whether the source can be read as configured; sends nothing. Raises what the source finds."""
        self._source.check()

    def step(self, now: datetime) -> StepReport:
        """Everything the source holds now, up to the configured number of batches. What it waits for is kept."""
        try:
            report = self._step(now)
        except ServiceUnavailable as error:
            trouble.note(self._state, error, now)
            raise
        trouble.clear(self._state)
        return report

    def _step(self, now: datetime) -> StepReport:
        tally = Tally()
        self._read_again()
        self._note(self._source.refresh(now), tally)
        first = self._state.fresh()
        self._learn(now)
        self._owe(now, first=first)
        is_open = self._knowledge.register.fresh(now, self._config.register_limit_seconds)
        more = self._read(now, tally, is_open=is_open)
        if is_open and not more:
            self._republish(now, tally)
        if self._last is None or berlin_day(self._last) != berlin_day(now):
            with self._state.transaction():
                self._journal.forget(micros(now - timedelta(days=self._config.journal_days)))
        self._last = now
        unmapped = unmapped_columns(self._config, self._source)
        return tally.report(unmapped, closed="" if is_open else STALE, more=more)

    @property
    def register_as_of(self) -> datetime | None:
        """How old the hub's newest word is."""
        return self._knowledge.register.as_of

    def run(self, clock: Callable[[], datetime], sleep: Callable[[float], object], stopped: Callable[[], bool],
            told: Callable[[StepReport], None]) -> None:  # fmt: skip
        """Step until told to stop; a step that was begun is ended."""
        while not stopped():
            report = self.step(clock())
            told(report)
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

    def _learn(self, now: datetime) -> None:
        """Bring the gate's knowledge up to date: lookups, own control data, the hub's register."""
        self._knowledge.register.refresh(self._pending)
        control = self._source.control([*dict.fromkeys((*self._lookups.streams, *self._control))])
        rows = list(control.rows)
        self._moved |= self._lookups.take(rows, complete=control.complete)
        if self._moved and not control.complete:
            rows += [row for row in self._source.subjects(self._moved) if row.stream in self._control]
        self._moved.clear()
        self._pending |= self._know(rows, complete=control.complete)
        self._consented, before = self._knowledge.consented_cases(), self._consented
        if self._last is None or berlin_day(self._last) != berlin_day(now) or self._consented != before:
            self._pending |= self._knowledge.subjects()
        else:
            self._pending |= _crossed(self._knowledge, self._last, now)
        for subject in self._erasures.new():
            self._heed_erasure(subject, now)
        self._erasures.revive(now)

    def _heed_erasure(self, subject: str, now: datetime) -> None:
        """What the source holds of the subject has ended; of whom it holds nothing, the pseudonym goes too."""
        local = self._pseudonyms.local([subject])
        try:
            rows = list(self._source.subjects(self._numbers(local))) if local else []
        except NothingKept:
            return
        events, _ = self._mapped(rows, is_open=True)
        self._erasures.heed(subject, [event for event in events if event.subject_ref == subject], now)
        if not rows:
            self._pseudonyms.remove(subject)
        fail_point("connector.after_erasure")

    def _know(self, rows: Sequence[Row], *, complete: bool) -> frozenset[str]:
        alive = [row for row in rows if not row.gone and row.stream in self._control]
        events = [
            event for row in alive for event in self._mapper.events(row, self._lookups.tables, control_only=True)
            if isinstance(event, MappedEvent)
        ]  # fmt: skip
        self._name(events)
        touched = self._knowledge.learn(events, complete=complete)
        gone = [row for row in rows if row.gone and row.stream in self._control]
        return touched | self._knowledge.forget(self._records(gone))

    def _records(self, rows: Iterable[Row]) -> list[bytes]:
        """The control records that rows would be if they were still there."""
        there = (row._replace(gone=False) for row in rows)
        events = (
            e for row in there for e in self._mapper.events(row, self._lookups.tables, control_only=True)
        )
        return [event.record_ref for event in events if isinstance(event, MappedEvent)]

    def _read(self, now: datetime, tally: Tally, *, is_open: bool) -> bool:
        """Publish batch after batch; whether more is waiting. With the gate closed, only control data leaves."""
        streams = [*self._control, *self._others] if is_open else self._control
        batches = self._source.read(streams, self._config.batch)
        taken = 0
        for batch in islice(batches, self._config.batches_per_step):
            taken += 1
            self._publish(batch, now, tally, is_open=is_open)
        more = taken == self._config.batches_per_step
        if is_open and not more:
            self._source.finished()
        return more and is_open

    def _publish(self, batch: Batch, now: datetime, tally: Tally, *, is_open: bool) -> None:
        events, unmapped = self._mapped(batch.rows, is_open=is_open)
        faults = of_rows(batch, unmapped, self._state.key_hash)
        held = self._decisions.waiting(faults)
        waiting = {entry.place for entry in held}
        again = self._known_faults(held) | ({entry.place for entry in faults} - waiting)
        judged = self._judged(events, now)
        prepared = self._send(judged, now)
        with self._state.transaction():
            self._publisher.confirm(prepared.publications)
            self._journal.note(self._verdicts(judged, prepared, now))
            tally.published += len(prepared.publications)
            tally.unchanged += len(prepared.unchanged)
            if is_open:
                refused = self._decisions.waiting(of_refused(batch, prepared, self._state.key_hash))
                self._settle(batch, held + refused, waiting, tally)
        if is_open:
            for one in judged:
                if not one.kept and one.event.place not in again:
                    tally.withhold(self._withheld(one))
        fail_point("connector.after_save")

    def _mapped(self, rows: Iterable[Row], *, is_open: bool) -> tuple[list[MappedEvent], list[Unmapped]]:
        events: list[MappedEvent] = []
        unmapped: list[Unmapped] = []
        for row in rows:
            for event in self._mapper.events(row, self._lookups.tables, control_only=not is_open):
                if isinstance(event, Unmapped):
                    unmapped.append(event)
                else:
                    events.append(event)
        return events, unmapped

    def _may_speak(self, event: MappedEvent) -> bool:
        """Control data leave only for cases in which somebody consented; of nobody else a word is said.

        Who brought a pairing code has signed the joint form at the other office: the link lets the register say so. Nor
        is a withdrawal ever kept back: the consent it ends may have been signed where this gate cannot see it. Of whom
        something was published, an erasure may always be asked for.
        """
        kind = event.schema.event_type
        if not event.control or kind in ALWAYS_SAID or event.case_ref in self._consented:
            return True
        return kind == ERASING and self._erasures.may_be_asked(event.subject_ref)

    def _judged(self, events: Sequence[MappedEvent], now: datetime) -> list[Judged]:
        """The gate's verdict on those of whom a word may be said; of what was erased nothing leaves."""
        speaking = [event for event in events if self._may_speak(event)]
        out = self._erasures.stay_out(speaking)
        return [
            Judged(event, frozenset(), rule=ERASED) if event.record_ref in out else self._gate.of(event, now)
            for event in speaking
        ]

    def _send(self, judged: Sequence[Judged], now: datetime) -> Prepared:
        passing = [one for one in judged if one.kept]
        passing += self._publisher.narrowing([one for one in judged if not one.kept])
        self._name(one.event for one in passing)
        prepared = self._publisher.prepare(passing, micros(now), self._knowledge.register.key_versions)
        self._publisher.send(prepared.publications)
        return prepared

    def _verdicts(self, judged: Sequence[Judged], prepared: Prepared, now: datetime) -> Iterator[Verdict]:
        """What is to be remembered of a batch: what left, under its number, and what stayed."""
        at = micros(now)
        for one in prepared.publications:
            event_id = self._key.event_id(one.entry.record_ref, one.entry.source_version)
            yield verdict(one.judged, event_id, one.entry.publication, at)
        for kept_back in judged:
            if not kept_back.kept:
                event = kept_back.event
                yield verdict(kept_back, self._key.event_id(event.record_ref, event.source_version), 0, at)

    def _settle(self, batch: Batch, held: list[Quarantined], waiting: set[str], tally: Tally) -> None:
        """Inside the transaction: quarantine, release, advance."""
        keys = {row.key for row in batch.rows if row.place in waiting}
        fine = [self._state.key_hash(row.key) for row in batch.rows if row.key not in keys]
        self._state.release(batch.stream, fine)
        for entry in held:
            tally.quarantine(entry.reason, self._state.quarantine([entry]))
        self._state.advance(batch.stream, batch.rows, batch.cursor, keys)
        tally.read += len(batch.rows)
        tally.vanish(batch.stream, sum(row.gone for row in batch.rows))

    def _known_faults(self, held: Iterable[Quarantined]) -> set[str]:
        """Places of rows that waited before with the same content: their other events were counted then."""
        old = {(e.stream, e.key, e.content) for e in self._state.quarantined()} if held else set()
        return {entry.place for entry in held if (entry.stream, entry.key, entry.content) in old}

    def _withheld(self, judged: Judged) -> Withheld:
        event = judged.event
        event_id = self._key.event_id(event.record_ref, event.source_version).hex()
        return Withheld(
            event_id,
            event.schema.event_type,
            event.subject_ref,
            event.place,
            judged.rule,
            dict(judged.dropped),
        )

    def _note(self, incidents: Sequence[Incident], tally: Tally) -> None:
        """Whole streams or snapshots that cannot be read: one event each, once."""
        entries = of_incidents(incidents)
        places = {entry.place for entry in entries}
        with self._state.transaction():
            for old in self._state.quarantined():
                if old.key == WHOLE and old.place not in places:
                    self._state.clear(old)
            for entry in entries:
                tally.quarantine(entry.reason, self._state.quarantine([entry]))

    def _name(self, events: Iterable[MappedEvent]) -> None:
        """Remember whom the pseudonyms stand for before any leaves."""
        pairs: dict[str, Local] = {}
        for event in events:
            if event.subject_ref != event.case_ref:
                pairs[event.subject_ref] = Local("person", event.subject_id)
            pairs[event.case_ref] = Local("case", event.case_id)
        self._pseudonyms.add(pairs.items())

    def _owe(self, now: datetime, *, first: bool) -> None:
        """Before anything is judged: note whom what was learned concerns; what was never read is owed to nobody."""
        if first:
            self._debts.pay(self._knowledge.subjects(), self._signature(now))
            return
        self._debts.note(self._pending, self._signature(now))
        self._pending.clear()

    def _signature(self, now: datetime) -> Signature:
        """What decides about a subject in this step."""
        consented, policy = self._consented, self._gate.judge.mark(now)
        return lambda subject: self._knowledge.signature(subject, now, consented, policy)

    def _republish(self, now: datetime, tally: Tally) -> None:
        """Rule 12: whoever is owed it is read again."""
        subjects = self._debts.open()
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            chunk = subjects[start : start + SUBJECTS_AT_ONCE]
            try:
                self._again(chunk, now, tally)
            except NothingKept:
                return
            self._debts.pay(chunk, self._signature(now))

    def _numbers(self, local: Mapping[str, Local]) -> set[str]:
        """Every number by which the source may know these."""
        return self._config.aliases.all({entry.local_id for entry in local.values()})

    def _again(self, subjects: Sequence[str], now: datetime, tally: Tally) -> None:
        local = self._pseudonyms.local(subjects)
        if not local:
            return
        wanted = set(subjects)
        rows = self._source.subjects(self._numbers(local))
        events, _ = self._mapped(rows, is_open=True)
        state = present_state((event for event in events if event.subject_ref in wanted), now)
        judged = self._judged(state, now)
        prepared = self._send(judged, now)
        with self._state.transaction():
            self._publisher.confirm(prepared.publications)
            self._journal.note(self._verdicts(judged, prepared, now))
        fail_point("connector.after_republish")
        tally.published += len(prepared.publications)
        tally.republished += len(prepared.publications)


def unmapped_columns(config: ConnectorConfig, source: Source) -> dict[str, tuple[str, ...]]:
    """Stream → columns that are there and that nobody mapped: they are dropped."""
    found = source.discover()
    lookups = {name: {lk.key, *lk.columns} for lk in config.lookups.values() for name in (lk.stream,)}
    left = {
        name: tuple(sorted(set(columns) - config.streams[name].columns - lookups.get(name, set())))
        for name, columns in found.items() if name in config.streams
    }  # fmt: skip
    return {name: columns for name, columns in left.items() if columns}


def _crossed(knowledge: Knowledge, last: datetime, now: datetime) -> set[str]:
    return {s for s, times in knowledge.boundaries().items() if any(last < time <= now for time in times)}


def _refuse_known_twice(config: ConnectorConfig, key: AgencyKey, pseudonyms: Pseudonyms) -> None:
    """A number that was already spoken of as another person cannot silently become this one: nothing would take back
    what is known under its first name."""
    if pseudonyms.local([key.person(number) for number in config.aliases.first]):
        raise ConfigurationError(
            "a new number already has a pseudonym of its own", place="config.connector.aliases",
            remedy="erase what was sent under it (hub subject erase), then add the alias",
        )  # fmt: skip


def _retry_quarantine(state: State, digest: str) -> None:
    """A changed mapping may read what waits: those streams are read again from their start."""
    if state.meta(DIGEST) == digest:
        return
    with state.transaction():
        for stream in {entry.stream for entry in state.quarantined()}:
            state.restart(stream)
        state.set_meta(DIGEST, digest)
