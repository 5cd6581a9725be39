"""The embedded host: log, store and keys in SQLite files, all stages in one process, one after the other.

For evaluation, tests and a small office. It gives the stages the same batches in the same order of precedence as the
Kafka host: consents before anything else.
"""

from collections.abc import Callable, Sequence
from typing import Any

from hub import topology
from hub.operations.quarantine_release import retry_unknown_schemas
from hub.operations.restore_guard import advance
from hub.parts import Parts
from hub.ports import Record, TopicState
from hub.stages import admit, consents, project, receipts
from hub.stages.disclose import disclose
from hub.stages.held import answer_held
from hub.stages.register import beat, write_register
from hub.stages.timers import tick
from hub.store import positions
from hub.store.positions import pass_markers
from hub.subjects.consent_barrier import is_open, mark_if_caught_up, start_closed

BATCH = 1000
Observe = Callable[[str, Any], None]
Stage = Callable[[Parts, str, Sequence[Record]], Any]


class Embedded:
    """Drives the stages over the log until nothing is left; `observe(stage, outcome)` is told of every batch."""

    def __init__(self, parts: Parts, observe: Observe = lambda stage, outcome: None) -> None:
        self._parts, self._observe, self._retried = parts, observe, False
        start_closed(parts)
        consents.narrow_all_quarantined(parts)

    def run_until_quiet(self) -> None:
        """Take everything that is there, and what follows from it. Raises what a worker would stop for."""
        while self.catch_up() | self._cases() | self._views():
            pass

    def catch_up(self) -> bool:
        """Consents, what time changed, and the register: always to the end before any case is looked at."""
        busy = self._drain(topology.CONSENTS, consents.take_consents)
        mark_if_caught_up(self._parts)
        ticked = tick(self._parts)
        self._tell("tick", ticked)
        busy |= bool(ticked.erased) or ticked.more
        while write_register(self._parts):
            busy = True
        return busy

    def _cases(self) -> bool:
        """Admitted and projected, while consents are kept up (rule 14). A host gates its stages rather than they
        themselves: it alone knows when it started, and since when a mark counts."""
        if not is_open(self._parts):
            return False
        busy = self._drain(topology.ADMIT, admit.admit)
        busy |= bool(self._retry_unknown_schemas())
        self._tell("held", answer_held(self._parts))
        return self._drain(topology.PROJECT, project.project) or busy

    def _retry_unknown_schemas(self) -> int:
        """Once, as soon as consents are caught up: this release may know what the last one did not."""
        if self._retried:
            return 0
        self._retried = True
        return retry_unknown_schemas(self._parts, consents.STAGE, admit.STAGE, project.STAGE)

    def _views(self) -> bool:
        busy = False
        while is_open(self._parts) and (outcome := disclose(self._parts)).marks:
            self._tell("disclose", outcome)
            busy |= bool(outcome.delivered or outcome.removed)
        return self._drain(topology.RECEIPTS, receipts.take_receipts) or busy

    def beat(self) -> None:
        """A heartbeat to every gate, once its register is written, and to the keys."""
        beat(self._parts)
        advance(self._parts)

    def _drain(self, stage: topology.ReadingStage, take: Stage) -> bool:
        """Read the topics of a stage to the end that they have now. True when there was something."""
        read = [self._drain_topic(stage.stage, topic, take) for topic in stage.topics(self._parts.agencies)]
        return any(read)

    def _drain_topic(self, stage: str, topic: str, take: Stage) -> bool:
        state = self._parts.log.state([topic])[topic]
        following = self._positions(stage, state)
        busy = False
        while any(following[partition] < end for partition, end in state.end.items()):
            batch = self._parts.log.read(topic, following, BATCH)
            if not batch:
                pass_markers(self._parts.store, self._parts.log, stage, state)
                break
            self._tell(stage, take(self._parts, state.topic_id, batch))
            following.update({record.partition: record.offset + 1 for record in batch})
            busy = True
        return busy

    def _positions(self, stage: str, state: TopicState) -> dict[int, int]:
        with self._parts.store.transaction() as connection:
            stored = positions.load(connection, stage, state.name)
        positions.check(state, stored, {})
        return {partition: stored.get(partition, ("", first))[1] for partition, first in state.first.items()}

    def _tell(self, stage: str, outcome: Any) -> None:
        self._observe(stage, outcome)
