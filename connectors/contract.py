"""What a connector of any kind must offer; mapping, gate, pseudonyms, sealing and publishing are not its business."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from hub.errors import DataError
from hub.file_models import FileTable, keys_of

Hour = Literal["", "never", "twice"]
"""Whether a local time never comes on its clock, comes twice, or neither."""

LOOKUP_MISSING, LOOKUP_AMBIGUOUS = "lookup_missing", "lookup_ambiguous"
"""Why a cell of another stream cannot be told: no row is there, or several say different things."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that could not be read: why (never its content) and what to do."""

    why: str
    remedy: str
    reason: str = "unreadable_value"

    def error(self, column: str) -> DataError:
        return DataError(self.why, reason=self.reason, place=column, remedy=f"it {self.why}: {self.remedy}")


def is_nothing_found(cell: object) -> bool:
    """Whether another stream has no row for this cell."""
    return isinstance(cell, Unreadable) and cell.reason == LOOKUP_MISSING


class OutOfRange(str):
    """A date or time that no calendar of ours has (`infinity`, before Christ, the year 20200), as the database writes
    it. It stays text, so that a statement can compare with it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"OutOfRange({str(self)!r})"

    @property
    def is_open_end(self) -> bool:
        return self == "infinity"


def exact(text: str) -> Decimal | Unreadable:
    """A number of a JSON document with all its digits; no Decimal has an exponent of twenty digits."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Unreadable("is no number of usual size", "correct the record")


class Single(float):
    """A number of single precision: whole numbers beyond 2^24 have lost digits."""

    __slots__ = ()


class Fault(NamedTuple):
    """Why a row as a whole cannot be read; `column` is empty where it is no single one's fault."""

    reason: str
    column: str
    remedy: str


def fault_of(error: DataError) -> Fault:
    """The fault that a DataError with a column as its place tells of."""
    return Fault(error.reason, error.place, error.remedy)


@dataclass(frozen=True, slots=True)
class Spec:
    """What `hub connect` must know before it builds one.

    `settings`: the model of the table of that name, or its keys in one text. `secrets`: those of them whose value is
    nobody's business (passwords, addresses with one in them): never shown.
    """

    kind: str
    role: Literal["source", "sink"]
    settings: type[FileTable] | str
    secrets: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of `[settings]`."""
        named = self.settings
        return frozenset(re.findall(r"\w+", named) if isinstance(named, str) else keys_of(named))


class Row(NamedTuple):
    """One row of the agency's system.

    `key` is the row's own key as text, `place` is file/line or stream/row for quarantine, `version` orders the row's
    versions (microseconds, protocol rule 1), `content` is a keyed hash of it (empty: the row is there no longer).
    `gone`: deleted or no longer exported. `fault`: why the row as a whole cannot be read; it is held. `changed`: when
    the row itself says that it was changed, where its version is another time; `timeless`: its version says no time.
    `unsaid`: it is gone, and nothing was ever said of it, for it waited under a key that was none of its own.
    `hour`: whether the local time that it says so never comes on its clock, or comes twice.
    `before`: of a row that names a person with several numbers its key by the first of them, until it is settled under
    which of both it counts.
    """

    stream: str
    key: str
    place: str
    values: Mapping[str, object]
    version: int
    content: bytes = b""
    gone: bool = False
    fault: Fault | None = None
    changed: int | None = None
    timeless: bool = False
    unsaid: bool = False
    hour: Hour = ""
    before: str = ""

    @property
    def said_at(self) -> int | None:
        """The time for which `@version` stands: the row's own, where it says one; microseconds since 1970 UTC."""
        if self.timeless:
            return None
        return self.version if self.changed is None else self.changed

    def __repr__(self) -> str:
        return f"Row({self.place})"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one stream, and where reading goes on once the broker has confirmed all of them."""

    stream: str
    rows: Sequence[Row]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Input that cannot be taken at all; the stream (or the whole snapshot) stands still until somebody looks."""

    stream: str
    reason: str
    place: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Control:
    """Rows that say who may be spoken of; `complete`: all there are, else those that changed since the last call."""

    rows: Iterator[Row]
    complete: bool


class NothingKept(Exception):
    """The source cannot read anybody again now (its last snapshot is gone); the runtime asks again in a later step."""


class Source(Protocol):
    """Reads one agency system; never changes it."""

    def check(self) -> None:
        """Raises ConfigurationError or ServiceUnavailable when reading cannot work."""
        ...

    def discover(self) -> Mapping[str, Sequence[str]]:
        """Stream → columns found that hold data; a version, or what only makes other columns, need not be told."""
        ...

    def refresh(self, now: datetime) -> Sequence[Incident]:
        """Look for something new and examine it; what cannot be read is an incident and is not read."""
        ...

    def control(self, streams: Collection[str]) -> Control:
        """Rows of these streams for the gate's knowledge; reads nothing away from `read`."""
        ...

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        """What is new or changed since the saved state, in batches of at most `limit` rows."""
        ...

    def finished(self) -> None:
        """Everything of this round was read to its end and is confirmed."""
        ...

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        """All rows about these persons or cases as they are now (protocol rule 12); raises NothingKept."""
        ...

    def close(self) -> None: ...


class Held(NamedTuple):
    """A snapshot in which too many keys vanished; it waits for a person."""

    name: str
    stream: str
    share: float


class Holding(Protocol):
    """A source whose input may be held until somebody confirms it."""

    def held(self) -> Held | None: ...

    def accept(self) -> Held | None:
        """Confirm what is held; it is read in the next step."""
        ...


@runtime_checkable
class Choosing(Holding, Protocol):
    """Such a source where several deliveries may be held, and one may be rejected instead."""

    def all_held(self) -> Sequence[Held]: ...

    def accept(self, name: str = "") -> Held | None:
        """Confirm the delivery of this name, or the one that is held; raises UsageError and Refused."""
        ...

    def reject(self, name: str = "") -> Held | None:
        """Never read it; raises UsageError."""
        ...


@runtime_checkable
class Referring(Protocol):
    """A source that can give the rows again that name a row of another stream."""

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        """The rows of a stream of which `wanted` is true of what stands in the column, as they are now: each under the
        version under which it was read if it says the same, those that wait in quarantine too. A row that changed
        meanwhile may be left out, for the next reading brings it. Raises NothingKept when that cannot be done now."""
        ...


@runtime_checkable
class Rereading(Protocol):
    """A source that can give every row of a stream once more, page by page, while it goes on reading what changes."""

    def rereadable(self) -> Collection[str]:
        """The streams of which it can."""
        ...

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        """At most `limit` rows beyond `after` in a fixed order of keys, as they are now, each under the version under
        which it was read if it says the same. The batch's cursor is the next page's `after`, None at the end; it names
        nobody. Raises NothingKept when that cannot be done now."""
        ...


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What became of the views that were read (answer → count), and how many cannot be applied (reason → count)."""

    answers: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


class Sink(Protocol):
    """Puts joint views where the agency's people look."""

    def check(self) -> None: ...

    def step(self, now: datetime) -> SinkReport:
        """Apply what is new, confirm it, and remember the position."""
        ...

    def close(self) -> None: ...
