"""Re-reads and republishes subjects whose consent state changed (rule 12), and rows whose looked-up rows changed.

A pending republication is on disk before anything is judged by the new knowledge, and until it is done. A verdict that
returns to its former value does not cancel it: rows read in between, before a crash or within a long backlog, were
judged by it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from connectors.contract import Batch, NothingKept, Referring, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.gate.learning import Learning
from connectors.pipeline.gate.present_state import present_state
from connectors.pipeline.mapping.lookups import LookupMemory, Place, RowTranslator
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.publish.outgoing import EventPublisher
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.commit import BatchCommit
from connectors.pipeline.run.report import Tally
from connectors.pipeline.state.claims import Claims
from connectors.pipeline.state.state import AT_ONCE, KeyHash, State
from hub.errors import ConfigurationError, DataError
from hub.failpoints import fail_point

Signature = Callable[[str], bytes]
"""Keyed hash of the consent state that decides about a subject; `""` stands for a subject without any state."""


class PendingRepublications:
    """Kept in the connector's state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, subjects: Iterable[str], signature: Signature) -> None:
        """Owe it to those of `subjects` about whom something else is known now; page by page, each in a transaction of
        its own, so that a start or a policy day with all subjects locks the state for moments only."""
        unknown = signature("")
        for page in _pages(subjects):
            current = {subject: signature(subject) for subject in page}
            old = self._state.signatures(current)
            with self._state.transaction():
                self._state.note_changed(
                    subject for subject, found in current.items() if found != old.get(subject, unknown)
                )

    def settled(self, subjects: Iterable[str], signature: Signature) -> None:
        """Record that all records of these subjects were judged by the present consent state."""
        for page in _pages(subjects):
            current = {subject: signature(subject) for subject in page}
            with self._state.transaction():
                self._state.save_signatures(current)

    def open(self) -> list[str]:
        """The subjects to read again, in a fixed order."""
        return self._state.pending()


def _pages(subjects: Iterable[str]) -> Iterator[list[str]]:
    ordered = iter(sorted(subjects))
    while page := list(islice(ordered, AT_ONCE)):
        yield page


SUBJECTS_AT_ONCE = 200


class Republication:
    """Rereads and republishes subjects; each is pending on disk before any judgment by its new state, until done."""

    def __init__(
        self,
        source: Source,
        state: State,
        learning: Learning,
        *,
        translator: RowTranslator,
        publisher: EventPublisher,
        pseudonyms: Pseudonyms,
        claims: Claims,
    ) -> None:
        self._claims = claims
        self._source, self._state, self._learned, self._pending = (
            source,
            state,
            learning,
            PendingRepublications(state),
        )
        self._translator, self._publisher, self._pseudonyms = translator, publisher, pseudonyms

    def note_changed(self, now: datetime, *, first: bool) -> None:
        """Note subjects whose state changed, before any judgment; one that was never read needs no republication."""
        if first:
            self._pending.settled(self._learned.knowledge.subjects(), self._signature(now))
            return
        self._pending.note(self._learned.pending, self._signature(now))
        self._learned.pending.clear()

    def republish(self, now: datetime, tally: Tally) -> None:
        """Reread and republish every pending subject."""
        subjects = self._pending.open()
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            chunk = subjects[start : start + SUBJECTS_AT_ONCE]
            try:
                self._again(chunk, now, tally)
            except NothingKept:
                return
            self._pending.settled(chunk, self._signature(now))

    def _signature(self, now: datetime) -> Signature:
        """The signatures of this step."""
        consented, policy = self._learned.consented, self._publisher.mark(now)
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
        judged = self._publisher.judged(state, now)
        prepared = self._publisher.send(judged, now)
        with self._state.transaction():
            self._publisher.confirm(judged, prepared, now)
        fail_point("connector.after_republish")
        tally.published += len(prepared.publications)
        tally.republished += len(prepared.publications)


class LookupRepublication:
    """Reads the pending rows again, and sends what they say now the same way as any other row."""

    def __init__(
        self,
        config: ConnectorConfig,
        source: Source,
        state: State,
        lookups: LookupMemory,
        commit: BatchCommit,
    ) -> None:
        self._state, self._lookups, self._commit, self._batch = state, lookups, commit, config.batch
        self._source, self._streams = source if isinstance(source, Referring) else None, config.streams
        for stream in config.streams.values() if self._source is None else ():
            _refuse(stream)

    def republish(self, now: datetime, tally: Tally) -> None:
        """Reread these subjects; a source that cannot read them now leaves them pending."""
        for place, said in [(place, dict(said)) for place, said in self._lookups.pending.items() if said]:
            try:
                used = self._again(place, said, now, tally)
            except NothingKept:
                continue
            with self._state.transaction():
                self._lookups.paid(place, said, used)
            self._lookups.pending.pop(place, None)

    def _again(self, place: Place, said: Collection[bytes], now: datetime, tally: Tally) -> set[bytes]:
        """The numbers that stand in some row."""
        stream, used = place[0], set[bytes]()
        for column in self._lookups.columns(place):
            wanted = among(said, self._hash_first(stream, column), column, used)
            rows = self._source.referring(stream, column, wanted) if self._source else iter(())
            while page := list(islice(rows, self._batch)):
                published = tally.published
                self._commit.publish(Batch(stream, page), now, tally, is_open=True, unchanged=True)
                tally.republished += tally.published - published
                fail_point("connector.after_saying_again")
        return used

    def _hash_first(self, stream: str, column: str) -> KeyHash:
        """Of a person's number, the hash of the first one."""
        found = self._streams[stream]
        return lambda number: self._state.key_hash(found.first(column, number))


def among(
    numbers: Collection[bytes], key_hash: KeyHash, column: str, used: set[bytes] | None = None
) -> Callable[[object], bool]:
    """Whether what stands in a column is one of the numbers of these keyed hashes; those that are go to `used`."""

    def wanted(raw: object) -> bool:
        try:
            number = key_hash(number_text(raw, column))
        except DataError:
            return False
        if number in numbers and used is not None:
            used.add(number)
        return number in numbers

    return wanted


def _refuse(stream: Stream) -> None:
    if stream.joined:
        raise ConfigurationError(
            "this kind of source cannot give the rows again that need another stream",
            place=stream.joined[0].place,
            remedy="bring the column into the stream itself",
        )
