"""Whom the gate knows otherwise about than before is read again, and the present state published (protocol rule 12)."""

from collections.abc import Sequence
from datetime import datetime

from connectors.contract import NothingKept, Source
from connectors.pipeline.gate.learning import Learning
from connectors.pipeline.gate.present_state import present_state
from connectors.pipeline.mapping.translate import Translator
from connectors.pipeline.publish.outgoing import Egress
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.report import Tally
from connectors.pipeline.state.claims import Claims
from connectors.pipeline.state.pending_republications import Debts, Signature
from connectors.pipeline.state.state import State
from hub.failpoints import fail_point

SUBJECTS_AT_ONCE = 200


class Republishing:
    """What is owed is on disk before anything is judged by the new knowledge, and until it is paid."""

    def __init__(
        self, source: Source, state: State, learning: Learning, *, translator: Translator, egress: Egress,
        pseudonyms: Pseudonyms, claims: Claims,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._source, self._state, self._learned, self._debts = source, state, learning, Debts(state)
        self._translator, self._egress, self._pseudonyms = translator, egress, pseudonyms

    def owe(self, now: datetime, *, first: bool) -> None:
        """Before anything is judged: note whom what was learned concerns; what was never read is owed to nobody."""
        if first:
            self._debts.pay(self._learned.knowledge.subjects(), self._signature(now))
            return
        self._debts.note(self._learned.pending, self._signature(now))
        self._learned.pending.clear()

    def pay(self, now: datetime, tally: Tally) -> None:
        """Whoever is owed it is read again."""
        subjects = self._debts.open()
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            chunk = subjects[start : start + SUBJECTS_AT_ONCE]
            try:
                self._again(chunk, now, tally)
            except NothingKept:
                return
            self._debts.pay(chunk, self._signature(now))

    def _signature(self, now: datetime) -> Signature:
        """What decides about a subject in this step."""
        consented, policy = self._learned.consented, self._egress.mark(now)
        return lambda subject: self._learned.knowledge.signature(subject, now, consented, policy)

    def _again(self, subjects: Sequence[str], now: datetime, tally: Tally) -> None:
        local = self._pseudonyms.local(subjects)
        if not local:
            return
        wanted = set(subjects)
        rows = self._source.subjects(self._learned.numbers(local.values()))
        events, _ = self._translator.events(rows)
        about = self._claims.own(event for event in events if event.subject_ref in wanted)
        state = present_state(about, now)
        judged = self._egress.judged(state, now)
        prepared = self._egress.send(judged, now)
        with self._state.transaction():
            self._egress.confirm(judged, prepared, now)
        fail_point("connector.after_republish")
        tally.published += len(prepared.publications)
        tally.republished += len(prepared.publications)
