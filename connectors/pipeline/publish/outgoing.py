"""The one way out of the house: events are judged, named, sealed and sent here, whatever they were read for."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.journal import GateJournal, JournalEntry, verdict
from connectors.pipeline.gate.judge import EgressGate, Judge, Judged
from connectors.pipeline.gate.learning import Learning
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.pseudonyms import Pseudonyms, spoken_of
from connectors.pipeline.publish.publisher import Prepared, Publisher, Unfit
from connectors.pipeline.run.erasure import RULE as ERASED
from connectors.pipeline.run.report import Withheld
from hub.domain.clock import micros
from hub.policy.facts import Sender

ALWAYS_SAID = frozenset(
    {
        "IdentityLinkProposed",
        "IdentityLinked",
        "IdentitySplit",
        "ConsentWithdrawn",
        "ConsentExpired",
        "ObjectionRaised",
    }
)
"""What leaves also for cases in which nobody consented here: who brought a pairing code has signed the joint form at
the other office, and what takes something back holds wherever it was given (rule 8)."""

ERASING = "ErasureRequested"


class EventPublisher:
    """One agency's gate and its way to its topics. `confirm` is the caller's, in the transaction of what it read."""

    def __init__(
        self,
        config: ConnectorConfig,
        learning: Learning,
        *,
        judge: Judge,
        publisher: Publisher,
        pseudonyms: Pseudonyms,
        journal: GateJournal,
    ) -> None:
        self._learned, self._publisher = learning, publisher
        self._pseudonyms, self._journal = pseudonyms, journal
        sender = Sender(controller=config.agency, kind=config.agency_kind)
        self._gate = EgressGate(sender, judge, learning.knowledge)

    def judged(
        self, events: Sequence[MappedEvent], now: datetime, *, again: bool = False, unfit: Unfit | None = None
    ) -> list[Judged]:
        """The gate's verdict on those of whom a word may be said; of what was erased nothing leaves. `again`: in a
        second reading of what did not change. `unfit` takes events that cannot be judged, and their rows' other events
        are left out with them."""
        speaking = [event for event in events if self._may_speak(event)]
        out = self._learned.erasures.stay_out(speaking, again=again)
        unfit = Unfit() if unfit is None else unfit
        found: list[Judged] = []
        for event in speaking:
            with unfit.taking(event):
                erased = event.record_ref in out
                found.append(Judged(event, frozenset(), rule=ERASED) if erased else self._gate.of(event, now))
        return [one for one in found if one.event.place not in unfit.places]

    def send(
        self,
        judged: Sequence[Judged],
        now: datetime,
        *,
        again: bool = False,
        anew: Collection[str] = (),
        unfit: Unfit | None = None,
    ) -> Prepared:
        """Seal and publish what passes, and what corrects something published; returns once all is acknowledged.

        `again`: also what is published already and did not change; `anew`: places of rows that are said under a new
        number though they did not change. `unfit` takes events that cannot be sealed; their rows leave in nothing.
        """
        passing = [one for one in judged if one.kept]
        passing += self._publisher.narrowing([one for one in judged if not one.kept], again=again)
        self._pseudonyms.add(spoken_of(one.event for one in passing))
        newest = self._learned.knowledge.register.key_versions
        unfit = Unfit() if unfit is None else unfit
        prepared = self._publisher.prepare(passing, micros(now), newest, again=again, anew=anew, unfit=unfit)
        self._publisher.send(prepared.publications)
        return prepared

    def confirm(self, judged: Sequence[Judged], prepared: Prepared, now: datetime) -> None:
        """Inside the caller's transaction: this is in the log, and this is what the gate said."""
        self._publisher.confirm(prepared)
        self._journal.note(self._verdicts(judged, prepared, now))

    def withheld(self, judged: Judged) -> Withheld:
        event = judged.event
        return Withheld(
            event.event_id.hex(),
            event.schema.event_type,
            event.subject_ref,
            event.place,
            judged.rule,
            dict(judged.dropped),
        )

    def mark(self, now: datetime) -> str:
        """What the policy says on that day, by a name."""
        return self._gate.judge.mark(now)

    def _may_speak(self, event: MappedEvent) -> bool:
        """Control data leave only for cases in which somebody consented; of nobody else a word is said.

        Who brought a pairing code has signed the joint form at the other office: the link lets the register say so. Nor
        is a withdrawal ever kept back: the consent it ends may have been signed where this gate cannot see it. Of whom
        something was published, an erasure may always be asked for.
        """
        kind = event.schema.event_type
        if not event.control or kind in ALWAYS_SAID or event.case_ref in self._learned.consented:
            return True
        return kind == ERASING and self._learned.erasures.may_be_asked(event.subject_ref)

    def _verdicts(
        self, judged: Sequence[Judged], prepared: Prepared, now: datetime
    ) -> Iterator[JournalEntry]:
        """What is to be remembered of a batch: what left, under its number, and what stayed."""
        at = micros(now)
        for one in prepared.publications:
            event_id = one.judged.event.key.event_id(one.entry.record_ref, one.entry.source_version)
            yield verdict(one.judged, event_id, one.entry.publication, at)
        for kept_back in judged:
            if not kept_back.kept:
                yield verdict(kept_back, kept_back.event.event_id, 0, at)
