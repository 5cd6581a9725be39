"""A batch of rows from the source to the log, and what is remembered of it: one transaction after the broker's word."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from connectors.contract import Batch, Incident, Row
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.lookups import LookupMemory, RowTranslator
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.outgoing import EventPublisher
from connectors.pipeline.publish.publisher import Unfit
from connectors.pipeline.publish.reported import Entry, Reported, TakingBack
from connectors.pipeline.run.report import Tally
from connectors.pipeline.state.claims import Claims
from connectors.pipeline.state.faults import WHOLE, of_incidents, of_refused, of_rows
from connectors.pipeline.state.quarantine import Decisions, QuarantinedRow
from connectors.pipeline.state.state import State
from hub.failpoints import fail_point


class BatchCommit:
    """Publishes what was read, keeps what cannot be, and lets the source's position move."""

    def __init__(
        self,
        state: State,
        translator: RowTranslator,
        publisher: EventPublisher,
        *,
        decisions: Decisions,
        reported: Reported,
        taking_back: TakingBack,
        lookups: LookupMemory,
        claims: Claims,
    ) -> None:
        self._lookups, self._claims = lookups, claims
        self._state, self._translator, self._decisions = state, translator, decisions
        self._publisher = publisher
        self._reported, self._taking_back = reported, taking_back

    def publish(
        self,
        batch: Batch,
        now: datetime,
        tally: Tally,
        *,
        is_open: bool,
        moved: Callable[[], None] | None = None,
        unchanged: bool = False,
    ) -> None:
        """One batch; with the gate closed only control data leaves, and the position stays.

        `moved`: the batch was read on request (backfill). What was published before leaves all the same, and inside
        the transaction this is called in place of moving the stream's own position. `unchanged`: its rows were read
        before, and only what other streams say of them is otherwise.
        """
        events, unmapped = self._translator.events(batch.rows, control_only=not is_open)
        events, twice = self._claims.apart(batch.rows, events)
        unmapped += twice
        events = self._going_on(events, unchanged=unchanged)
        faults = of_rows(batch, unmapped, self._state.key_hash)
        held = self._decisions.waiting(faults)
        waiting = {entry.place for entry in held}
        again = self._known_faults(held) | ({entry.place for entry in faults} - waiting)
        unfit = Unfit()
        judged = self._publisher.judged(events, now, again=unchanged or moved is not None, unfit=unfit)
        held_places = {entry.place for entry in faults}
        returned = self._taken_back(batch.rows, held_places)
        missing, ended = self._no_longer_said(
            batch.rows, events, held_places | unfit.places, now, is_open=is_open
        )
        named = {one.event.record_ref for one in ended}
        returned = [one for one in returned if one.event.record_ref not in named]
        prepared = self._publisher.send(
            [*judged, *returned, *ended],
            now,
            again=moved is not None,
            anew={one.event.place for one in returned},
            unfit=unfit,
        )
        if moved:
            fail_point("connector.before_backfill_save")
            batch = replace(batch, cursor=None)
        with self._state.transaction():
            self._publisher.confirm(judged, prepared, now)
            self._reported.forget(missing)
            tally.published += len(prepared.publications)
            tally.unchanged += len(prepared.unchanged)
            if is_open:
                refused = self._decisions.waiting(
                    of_refused(batch, prepared, unfit.events, self._state.key_hash)
                )
                self._settle(batch, events, held + refused, waiting, tally)
                self._lookups.note(batch.rows)
                self._claims.keep(batch.rows, events, held_places)
            if moved:
                moved()
        if is_open:
            for one in judged:
                if not one.kept and one.event.place not in again:
                    tally.withhold(self._publisher.withheld(one))
        fail_point("connector.after_save")

    def _going_on(self, events: list[MappedEvent], *, unchanged: bool) -> list[MappedEvent]:
        """A record that passes from one row to another, or is only named otherwise, goes back to no older version."""
        named = [event for event in events if self._claims.is_named(event)]
        mine = set[bytes]() if unchanged else {event.record_ref for event in self._claims.own(named)}
        last = self._state.published({event.record_ref for event in named} - mine)
        return [
            replace(event, source_version=max(event.source_version, before.source_version))
            if (before := last.get(event.record_ref))
            else event
            for event in events
        ]

    def _taken_back(self, rows: Sequence[Row], held: Collection[str]) -> list[Judged]:
        """Of rows that are there again, the ends that were published when they were gone: these hold no longer."""
        there = [row._replace(gone=True) for row in rows if not row.gone and row.place not in held]
        ends, _ = self._translator.events(there)
        published = self._state.published(event.record_ref for event in ends)
        return [
            Judged(
                replace(event, source_version=max(event.source_version, last.source_version + 1)), frozenset()
            )
            for event in ends
            if (last := published.get(event.record_ref)) and last.kept and not event.control
        ]

    def _no_longer_said(
        self,
        rows: Sequence[Row],
        events: Sequence[MappedEvent],
        held: Collection[str],
        now: datetime,
        *,
        is_open: bool,
    ) -> tuple[list[Entry], list[Judged]]:
        """Records that rows reported and say no longer, and the events that take back those that no other row says."""
        there = [row for row in rows if row.place not in held]
        missing = self._taking_back.missing(there, events, control_only=not is_open)
        said = {event.record_ref for event in events}
        unsaid = [entry for entry in missing if entry.record_ref not in said]
        published = self._state.published(entry.record_ref for entry in unsaid)
        gone = {(row.stream, self._state.key_hash(row.key)) for row in there if row.gone}
        return missing, list(self._taking_back.events(unsaid, gone, published, now))

    def note(self, incidents: Sequence[Incident], tally: Tally) -> None:
        """Whole streams or snapshots that cannot be read: one event each, once."""
        entries = of_incidents(incidents)
        places = {entry.place for entry in entries}
        with self._state.transaction():
            for old in self._state.quarantined():
                if old.key == WHOLE and old.place not in places:
                    self._state.clear(old)
            for entry in entries:
                tally.quarantine(entry.reason, self._state.quarantine([entry]))

    def _settle(
        self,
        batch: Batch,
        events: Sequence[MappedEvent],
        held: list[QuarantinedRow],
        waiting: set[str],
        tally: Tally,
    ) -> None:
        """Inside the transaction: quarantine, release, advance."""
        keys = {row.key for row in batch.rows if row.place in waiting}
        fine = [self._state.key_hash(row.key) for row in batch.rows if row.key not in keys]
        self._state.release(batch.stream, fine)
        for entry in held:
            tally.quarantine(entry.reason, self._state.quarantine([entry]))
        self._state.advance(batch.stream, batch.rows, batch.cursor, keys)
        tally.read += len(batch.rows)
        tally.vanish(batch.stream, sum(row.gone for row in batch.rows))
        doubtful = {(event.place, column) for event in events for column in event.twice}
        tally.hours(batch.stream, [column for _, column in sorted(doubtful)])

    def _known_faults(self, held: Iterable[QuarantinedRow]) -> set[str]:
        """Places of rows that waited before with the same content: their other events were counted then."""
        old = {(e.stream, e.key, e.content) for e in self._state.quarantined()} if held else set()
        return {entry.place for entry in held if (entry.stream, entry.key, entry.content) in old}
