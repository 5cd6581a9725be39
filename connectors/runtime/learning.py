"""What the gate learns in each step: lookups, own control data, the hub's register, and what is to be erased."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from connectors.runtime.config import ConnectorConfig
from connectors.runtime.erasing import Erasures
from connectors.runtime.knowledge import Knowledge
from connectors.runtime.ports import NothingKept, Row, Source
from connectors.runtime.pseudonyms import Local, Pseudonyms, spoken_of
from connectors.runtime.translating import Translator
from hub.domain.clock import berlin_day
from hub.failpoints import fail_point


class Learning:
    """`consented`: the cases of which a word may be said; `pending`: subjects about whom something new may be known."""

    def __init__(
        self, config: ConnectorConfig, source: Source, *, translator: Translator, knowledge: Knowledge,
        erasures: Erasures, pseudonyms: Pseudonyms,
    ) -> None:  # fmt: skip
        self._aliases, self._control = config.aliases, config.control
        self._source, self._translator, self._pseudonyms = source, translator, pseudonyms
        self.knowledge, self.erasures = knowledge, erasures
        self.consented: frozenset[str] = frozenset()
        self.pending: set[str] = set()
        self._moved: set[str] = set()  # local ids whose case may be another one

    def learn(self, now: datetime, last: datetime | None) -> None:
        """Bring the gate's knowledge up to date; `last`: when a step last ended."""
        self.knowledge.register.refresh(self.pending)
        lookups = self._translator.lookups
        control = self._source.control([*dict.fromkeys((*lookups.streams, *self._control))])
        rows = list(control.rows)
        self._moved |= lookups.take(rows, complete=control.complete)
        self.pending |= self._know(rows, complete=control.complete)
        if self._moved and not control.complete:
            self.pending |= self._know(list(self._source.subjects(self._moved)), complete=False)
        self._moved.clear()
        self.consented, before = self.knowledge.consented_cases(), self.consented
        if last is None or berlin_day(last) != berlin_day(now) or self.consented != before:
            self.pending |= self.knowledge.subjects()
        else:
            self.pending |= _crossed(self.knowledge, last, now)
        for subject in self.erasures.new():
            self._heed_erasure(subject, now)
        self.erasures.revive(now)

    def numbers(self, local: Iterable[Local]) -> set[str]:
        """Every number by which the source may know these."""
        return self._aliases.all({entry.local_id for entry in local})

    def _heed_erasure(self, subject: str, now: datetime) -> None:
        """What the source holds of the subject has ended; of whom it holds nothing, the pseudonym goes too."""
        local = self._pseudonyms.local([subject])
        try:
            rows = list(self._source.subjects(self.numbers(local.values()))) if local else []
        except NothingKept:
            return
        events, _ = self._translator.events(rows)
        self.erasures.heed(subject, [event for event in events if event.subject_ref == subject], now)
        if not rows:
            self._pseudonyms.remove(subject)
        fail_point("connector.after_erasure")

    def _know(self, rows: Sequence[Row], *, complete: bool) -> frozenset[str]:
        alive = [row for row in rows if not row.gone and row.stream in self._control]
        events, _ = self._translator.events(alive, control_only=True)
        self._pseudonyms.add(spoken_of(events))
        touched = self.knowledge.learn(events, complete=complete)
        gone = [row for row in rows if row.gone and row.stream in self._control]
        return touched | self.knowledge.forget(self._records(gone))

    def _records(self, rows: Iterable[Row]) -> list[bytes]:
        """The control records that rows would be if they were still there."""
        events, _ = self._translator.events((row._replace(gone=False) for row in rows), control_only=True)
        return [event.record_ref for event in events]


def _crossed(knowledge: Knowledge, last: datetime, now: datetime) -> set[str]:
    return {s for s, times in knowledge.boundaries().items() if any(last < time <= now for time in times)}
