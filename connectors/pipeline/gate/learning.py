"""What the gate learns in each step: lookups, own control data, the hub's register, and what is to be erased."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from typing import NamedTuple

from connectors.contract import NothingKept, Referring, Row, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.mapping.lookups import RowTranslator
from connectors.pipeline.mapping.row_rules import is_among
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms, spoken_of
from connectors.pipeline.publish.reported import Reported
from connectors.pipeline.run.erasure import Erasures
from hub.failpoints import fail_point


class Learned(NamedTuple):
    """The numbers under which lookups may find something else; `complete`: or under any."""

    changed: frozenset[str]
    complete: bool


class Learning:
    """`consented`: the cases of which a word may be said; `pending`: subjects about whom something new may be known."""

    def __init__(
        self,
        config: ConnectorConfig,
        source: Source,
        *,
        translator: RowTranslator,
        knowledge: GateKnowledge,
        erasures: Erasures,
        pseudonyms: Pseudonyms,
        reported: Reported,
    ) -> None:
        self._aliases, self._control = config.aliases, config.control
        self._source, self._translator, self._pseudonyms = source, translator, pseudonyms
        self.knowledge, self.erasures, self._reported = knowledge, erasures, reported
        self.consented: frozenset[str] = frozenset()
        self.pending: set[str] = set()
        self._moved: set[str] = set()  # local ids whose case may be another one
        self._joined_of = {name: config.streams[name].joined for name in config.control}
        self._joined: set[str] = set()  # numbers with which control rows may say something else
        self._policy: str | None = None
        self._agenda = Agenda()

    def learn(self, now: datetime, policy: str) -> Learned:
        """Bring the gate's knowledge up to date; `policy` names what the policy says now."""
        self.knowledge.register.refresh(self.pending)
        self.knowledge.objectors = self._reported.objectors()
        lookups = self._translator.lookups
        control = self._source.control([*dict.fromkeys((*lookups.streams, *self._control))])
        rows = list(control.rows)
        changed = lookups.take(rows, complete=control.complete)
        self._moved |= changed
        self.pending |= self._know(rows, complete=control.complete)
        self._know_joined(frozenset() if control.complete else changed)
        if self._moved and not control.complete:
            self.pending |= self._know(
                list(self._source.subjects(self._aliases.all(self._moved))), complete=False
            )
        self._moved.clear()
        self.consented, before = self.knowledge.consented_cases(), self.consented
        self.pending |= self.knowledge.members(self.consented ^ before)
        if self._policy != policy:  # at the start as well: what changed while the connector was down
            self.pending |= self.knowledge.subjects()
        self._policy = policy
        self._agenda.plan({subject: self.knowledge.moments(subject) for subject in self.pending}, now)
        self.pending |= self._agenda.due(now)
        for subject in self.erasures.new():
            self._heed_erasure(subject, now)
        self.erasures.revive(now)
        return Learned(changed, control.complete)

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
        self.erasures.apply_aliases(subject, [event for event in events if event.subject_ref == subject], now)
        if not rows:
            self._pseudonyms.remove(subject)
        fail_point("connector.after_erasure")

    def _know(self, rows: Sequence[Row], *, complete: bool) -> frozenset[str]:
        alive = [row for row in rows if not row.gone and row.stream in self._control]
        events, _ = self._translator.events(alive, control_only=True)
        self._pseudonyms.add(spoken_of(events))
        touched = self.knowledge.learn(events, complete=complete)
        gone = [row for row in rows if row.gone and row.stream in self._control]
        touched |= self.knowledge.forget(self._records(gone))
        return touched.union(
            *map(self.knowledge.cases, touched)
        )  # a member's age decides who signs for a family

    def _know_joined(self, changed: frozenset[str]) -> None:
        """Control rows of which another stream says a part otherwise now; those that cannot be read now later."""
        self._joined |= changed
        if self._joined:
            with suppress(NothingKept):
                self.pending |= self._know(list(self._naming(self._joined)), complete=False)
                self._joined.clear()

    def _naming(self, numbers: Collection[str]) -> Iterator[Row]:
        """Control rows that need what a lookup finds under one of these numbers."""
        for name, joined in self._joined_of.items():
            for column in sorted({one.by for one in joined}):
                if isinstance(self._source, Referring):
                    wanted = partial(is_among, column=column, wanted=self._aliases.all(numbers))
                    yield from self._source.referring(name, column, wanted)

    def _records(self, rows: Iterable[Row]) -> list[bytes]:
        """The control records that rows would be if they were still there."""
        events, _ = self._translator.events((row._replace(gone=False) for row in rows), control_only=True)
        return [event.record_ref for event in events]


class Agenda:
    """When time alone changes what the gate knows of a subject, the next moment first: a step, and a midnight, look at
    nobody but the subjects whose moment has come. In memory only, planned anew at every start."""

    def __init__(self) -> None:
        self._next: list[tuple[datetime, str]] = []
        self._planned: dict[str, datetime] = {}
        self._moments: dict[str, list[datetime]] = {}

    def plan(self, moments: Mapping[str, Iterable[datetime]], now: datetime) -> None:
        """Replace what was planned of these subjects; what has come by `now` is in their state already."""
        for subject, of in moments.items():
            self._moments[subject] = sorted({at for at in of if at > now}, reverse=True)
            self._push(subject)

    def due(self, now: datetime) -> set[str]:
        """The subjects whose moment has come, each told once."""
        found: set[str] = set()
        while self._next and self._next[0][0] <= now:
            at, subject = heappop(self._next)
            if self._planned.get(subject) == at:
                found.add(subject)
                left = self._moments[subject]
                while left and left[-1] <= now:
                    left.pop()
                self._push(subject)
        return found

    def _push(self, subject: str) -> None:
        """Plan the subject's next moment; an entry that stands for another one is stale."""
        left = self._moments[subject]
        if not left:
            self._moments.pop(subject)
            self._planned.pop(subject, None)
        elif self._planned.get(subject) != left[-1]:
            self._planned[subject] = left[-1]
            heappush(self._next, (left[-1], subject))
