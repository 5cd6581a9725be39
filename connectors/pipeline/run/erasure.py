"""What the connector does about an erasure: what the agency had published of a person is not published again.

The hub says in the register until when a subject's records have ended. Which records these are the connector alone can
tell: all that it published, and all that its source holds now. Their refs and numbers stay, for a number is never used
twice (protocol rule 2); what they were and rested on goes. A consent that was not known then brings the present state
back (rule 12); so does nothing else.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.state.erased import ErasedSubjects
from connectors.pipeline.state.state import State
from hub.domain.clock import micros

RULE = "erased"


class Erasures:
    """The erased subjects of one agency: heeded ones in its state, new ones in its register."""

    def __init__(self, state: State, knowledge: GateKnowledge) -> None:
        self._state, self._ended, self._knowledge = state, ErasedSubjects(state.db), knowledge
        self._heeded = self._ended.erased()

    def may_be_asked(self, subject_ref: str) -> bool:
        """An erasure is asked for of those of whom something was published, and of nobody else."""
        return self._ended.spoke_of(subject_ref)

    def new(self) -> list[str]:
        """Subjects about which the hub has said something that was not heeded yet."""
        told = self._knowledge.register.erased
        return sorted(ref for ref, at in told.items() if self._heeded.get(ref, (-1,))[0] < micros(at))

    def apply_aliases(self, subject_ref: str, events: Collection[MappedEvent], now: datetime) -> None:
        """End these records and all that were published."""
        until = self._knowledge.register.erased[subject_ref]
        before = frozenset(c.id for c in self._knowledge.consents(subject_ref, now) if c.granted_at <= until)
        ended = [event.record_ref for event in events if not event.control]
        control = [event.record_ref for event in events if event.control]
        with self._state.transaction():
            self._ended.erase(subject_ref, micros(until), before)
            self._ended.end(subject_ref, ended, control)
        self._heeded[subject_ref] = (micros(until), before)

    def revive(self, now: datetime) -> None:
        """Where a later consent holds now, records count again, and the present state is owed."""
        found = {ref for ref in self._heeded if self._ended.any_of(ref) and self._later(ref, now)}
        with self._state.transaction():
            for subject_ref in sorted(found):
                self._ended.revive(subject_ref)
            self._state.note_changed(found)

    def stay_out(self, events: Iterable[MappedEvent], *, again: bool = False) -> set[bytes]:
        """Those of these records that must not be published. `again`: a second reading of rows that did not change,
        which brings of a person once erased only what has been published since."""
        new = set(self.new())
        mine = [event for event in events if not event.control]
        asked = {event.record_ref for event in mine if event.subject_ref in self._heeded}
        silent = asked if again else {event.record_ref for event in mine if self._is_of_then(event)}
        out = self._ended.among(asked) | (silent - self._ended.standing(silent))
        return out | {event.record_ref for event in mine if event.subject_ref in new}

    def _is_of_then(self, event: MappedEvent) -> bool:
        """Whether it tells of the time that was erased, and nothing has brought that back: under another row's key or
        a new number it would come as if it were new."""
        until, _ = self._heeded.get(event.subject_ref, (-1, None))
        return event.occurred_at <= until and self._ended.any_of(event.subject_ref)

    def _later(self, subject_ref: str, now: datetime) -> bool:
        _, before = self._heeded[subject_ref]
        known = self._knowledge.consents(subject_ref, now)
        return any(not {one.id, one.number} & before and one.in_force(now) for one in known)
