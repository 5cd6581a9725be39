"""Rows that were said with what another stream said otherwise then are read and said again."""

from collections.abc import Callable, Collection
from datetime import datetime
from itertools import islice

from connectors.contract import Batch, NothingKept, Referring, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.mapping.lookup_memory import Looked, Place
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.run.commit import Settling
from connectors.pipeline.run.report import Tally
from connectors.pipeline.state.state import KeyHash, State
from hub.errors import ConfigurationError, DataError
from hub.failpoints import fail_point


class SayingAgain:
    """Reads the owed rows again, and sends what they say now the same way as any other row."""

    def __init__(
        self, config: ConnectorConfig, source: Source, state: State, looked: Looked, settling: Settling
    ) -> None:
        self._state, self._looked, self._settling, self._batch = state, looked, settling, config.batch
        self._source, self._streams = source if isinstance(source, Referring) else None, config.streams
        for stream in config.streams.values() if self._source is None else ():
            _refuse(stream)

    def pay(self, now: datetime, tally: Tally) -> None:
        """What cannot be read now stays owed."""
        for place, said in [(place, dict(said)) for place, said in self._looked.owed.items() if said]:
            try:
                used = self._again(place, said, now, tally)
            except NothingKept:
                continue
            with self._state.transaction():
                self._looked.paid(place, said, used)
            self._looked.owed.pop(place, None)

    def _again(self, place: Place, said: Collection[bytes], now: datetime, tally: Tally) -> set[bytes]:
        """The numbers that stand in some row."""
        stream, used = place[0], set[bytes]()
        for column in self._looked.columns(place):
            wanted = among(said, self._hash_first(stream, column), column, used)
            rows = self._source.referring(stream, column, wanted) if self._source else iter(())
            while page := list(islice(rows, self._batch)):
                published = tally.published
                self._settling.publish(Batch(stream, page), now, tally, is_open=True, unchanged=True)
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
