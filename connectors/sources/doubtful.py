"""Rows of which nobody can tell which record they are: without a key of their own, or with the key of another row.

Each waits alone. The record that a key names stays as it was said before while rows contradict each other; and while a
row of a stream has no key, no other row of that stream counts as vanished: it may be the one. A row that repeats
another one to the letter says nothing.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from connectors.contract import Fault, Row
from connectors.pipeline.mapping.row_rules import SEPARATOR
from connectors.pipeline.state.state import State

META, TWICE = "doubtful of ", "duplicate_key"
TOLERATED_ROWS, TOLERATED_SHARE = 10, 0.05
SHOWN, REMEMBERED = 5, 10_000


def too_many(doubtful: int, rows: int) -> bool:
    """Whether so many rows are doubtful that it is the file, and not the rows, that is otherwise than agreed."""
    return doubtful > TOLERATED_ROWS and doubtful > rows * TOLERATED_SHARE


def is_twice(row: Row) -> bool:
    """Whether the row waits because another one claims its key."""
    return row.fault is not None and row.fault.reason == TWICE


@dataclass(slots=True)
class _Doubts:
    """Keyed hashes: `twice`, keys that several rows claim → why; `unnamed`, rows without a key of their own;
    `repeated`, keys whose rows say the same."""

    twice: dict[bytes, Fault] = field(default_factory=dict)
    unnamed: set[bytes] = field(default_factory=set)
    repeated: set[bytes] = field(default_factory=set)

    def saved(self) -> str:
        kinds = (self.twice, self.unnamed, self.repeated)
        return json.dumps([sorted(key.hex() for key in keys) for keys in kinds])

    @classmethod
    def loaded(cls, text: str | None) -> "_Doubts":
        twice, unnamed, *repeated = (set(map(bytes.fromhex, keys)) for keys in json.loads(text or "[[], []]"))
        return cls({key: _fault("", ()) for key in twice}, unnamed, *repeated)


class Doubtful:
    """What an examination found out, and what was so in what was read last. `hashed`: the agency's keyed hash."""

    def __init__(self, state: State, hashed: Callable[[bytes], bytes]) -> None:
        self._state, self._hashed = state, hashed
        self._examined: dict[str, _Doubts] = {}

    def begin(self, streams: Iterable[str] = ()) -> None:
        """These are examined now; what was found of others before counts no longer."""
        self._examined = {name: _Doubts() for name in streams}

    def unnamed(self, stream: str, key: bytes) -> None:
        """A row has no key of its own."""
        found = self._found(stream).unnamed
        if len(found) < REMEMBERED:
            found.add(key)

    def again(self, stream: str) -> None:
        """This stream is examined anew, the others count as they were found."""
        self._examined[stream] = _Doubts()

    def repeated(self, stream: str, keys: Iterable[bytes]) -> None:
        """Rows with these keys say the same, each to the letter what the others say."""
        self._found(stream).repeated |= set(islice(keys, REMEMBERED))

    def twice(self, stream: str, column: str, key: bytes, places: Collection[str]) -> None:
        """Rows with this key say different things."""
        self._found(stream).twice[key] = _fault(column, places)

    def still(self, stream: str, keys: Iterable[bytes]) -> None:
        """Of a stream of changes: keys that several rows claimed, and of which nothing was said since."""
        before = self._of_last(stream).twice
        self._found(stream).twice |= {key: before[key] for key in keys}

    def before(self, stream: str) -> Collection[bytes]:
        """The keys that several rows claimed in what was read last."""
        return self._of_last(stream).twice

    def claimed(self, stream: str) -> Collection[bytes]:
        """The keys that several rows claim."""
        return self._of(stream).twice

    def keep(self, streams: Iterable[str]) -> None:
        """These streams are read as they were examined: what was found counts until the next examination."""
        with self._state.transaction():
            for name in streams:
                self._state.set_meta(f"{META}{name}", self._found(name).saved())
        self.begin()

    def told_apart(self, stream: str, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, of those that repeat each other one; those that contradict each other wait, each under a key of its
        own."""
        doubts, told = self._of(stream), set[str]()
        for row in rows:
            key = self._state.key_hash(row.key) if doubts.twice or doubts.repeated else b""
            if (fault := doubts.twice.get(key)) is not None:
                said = row._replace(key=self.apart(row), gone=False, fault=fault)
            elif key in doubts.repeated:
                said = row
            else:
                yield row
                continue
            if said.key not in told:
                told.add(said.key)
                yield said

    def apart(self, row: Row) -> str:
        """The key under which such a row waits: contradicting rows have different ones, in every delivery the same."""
        said = repr(sorted((name, repr(value)) for name, value in row.values.items()))
        return f"{row.key}{SEPARATOR}{self._hashed(said.encode()).hex()}"

    def vanished(self, stream: str, keys: Iterable[bytes]) -> list[bytes]:
        """Those of these keys that vanished indeed."""
        doubts = self._of(stream)
        if not doubts.unnamed:
            return list(keys)
        never = self._of_last(stream).unnamed
        return [key for key in keys if key in never]

    def losses(self, stream: str, gone: Iterable[bytes], known: int) -> tuple[int, int]:
        """How many of the keys that are no longer there vanished indeed, and how many were known, each without those
        under which nothing was ever said: whoever corrects rows that waited under such keys loses nothing."""
        unsaid = self.unsaid(stream)
        return sum(key not in unsaid for key in self.vanished(stream, gone)), max(0, known - len(unsaid))

    def unsaid(self, stream: str) -> Collection[bytes]:
        """Keys under which rows wait or waited that were none of their own: nothing was ever said under them."""
        query = "SELECT key FROM quarantine WHERE stream = ? AND reason = ?"
        twice = {row[0] for row in self._state.db.execute(query, (stream, TWICE))}
        return twice | self._of_last(stream).unnamed

    def _found(self, stream: str) -> _Doubts:
        return self._examined.setdefault(stream, _Doubts())

    def _of(self, stream: str) -> _Doubts:
        return self._examined.get(stream) or self._of_last(stream)

    def _of_last(self, stream: str) -> _Doubts:
        return _Doubts.loaded(self._state.meta(f"{META}{stream}"))


def _fault(column: str, places: Collection[str]) -> Fault:
    shown = ", ".join(list(places)[:SHOWN])
    at = f" ({shown})" if shown else ""
    remedy = f"several rows have the same key and say different things{at}: correct the source; none of them counts"
    return Fault(TWICE, column, remedy)
