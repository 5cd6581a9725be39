"""What the stages, connectors and views need of the world outside, and nothing more of it.

Each port has one contract suite in tests/contract that every adapter passes.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from sqlalchemy import Connection, Table

from hub.domain.envelope import Envelope, EnvelopeHeader
from hub.domain.seal import Cipher


class Clock(Protocol):
    """The time. Stages take it once per batch; policy and projections never see a clock."""

    def now(self) -> datetime:
        """An aware datetime."""
        ...


class RecordPosition(NamedTuple):
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


UNREADABLE = "hub-unreadable"
"""Header of a record that stands for what could not be read at its place; its value is one of `UNREADABLE_REASONS`."""
UNREADABLE_REASONS = frozenset({"corrupt_batch", "corrupt_record", "unknown_codec", "unpacked_too_large"})


class Record(NamedTuple):
    """One record as it came; without key or value it has empty ones. `timestamp` is the append time in microseconds
    since 1970 UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: int
    headers: Sequence[tuple[str, bytes]] = ()

    @property
    def place(self) -> RecordPosition:
        return RecordPosition(self.topic, self.partition, self.offset)

    def __repr__(self) -> str:
        return f"Record({self.place})"


class Outgoing(NamedTuple):
    """One record to append; the key chooses the partition, so one case stays in order."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()

    def __repr__(self) -> str:
        return "Outgoing()"


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is now: another `topic_id` under the same name is another topic."""

    name: str
    topic_id: str
    first: Mapping[int, int]  # partition → first offset still held
    end: Mapping[int, int]  # partition → next offset to be written


class EventLog(Protocol):
    """An append-only log of topics with partitions fixed at creation."""

    def create(
        self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Create the topics (name → partitions) that do not exist; existing ones stay as they are."""
        ...

    def append(self, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        """Return when every record is durable, in order per key; raises ServiceUnavailable after `deadline` seconds.

        After an error some may have been written: callers send again, readers discard by id and version.
        """
        ...

    def read(self, topic: str, positions: Mapping[int, int], limit: int = 1000) -> Sequence[Record]:
        """Up to `limit` records from these positions (partition → next offset), in order per partition; [] at the end,
        and only there: fewer than `limit` says nothing."""
        ...

    def state(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        """The topics as they are now; a topic that does not exist is absent."""
        ...

    def close(self) -> None: ...


class KeyRef(NamedTuple):
    """Whose key: `box` and `proof` are per person × controller, `view` per person × sender × recipient (rule 4).

    `proof` seals consents, capacity and custody, and outlives the boxes; only the retention of proofs destroys it.
    `hub` is the hub's own secret, nobody's data.
    """

    kind: Literal["box", "view", "proof", "hub"]
    controller: (
        str  # box, proof: the agency whose data it is; view: the recipient, who must be able to open it
    )
    subject: str
    sender: str = ""  # view only


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used; `cipher` never shows its bytes."""

    ref: KeyRef
    version: int
    cipher: Cipher = field(repr=False)


class Erased(NamedTuple):
    """The key is destroyed: what it sealed is gone. A value, not an error."""

    ref: KeyRef
    version: int


class FencedKey(NamedTuple):
    """The key is about to be destroyed: nothing is sealed with it any more."""

    ref: KeyRef
    version: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Proof that a key was destroyed: which, when, and the fingerprint it had.

    `remains`: where a wrapped copy may stand in the key database's own files until it is purged, as known at the
    destruction: `table_file`, `write_ahead_log`.
    """

    ref: KeyRef
    versions: tuple[int, ...]
    fingerprints: tuple[str, ...]
    at: datetime
    remains: tuple[str, ...] = ()


class KeyStore(Protocol):
    """Keys by person and controller. Raises KeyServiceUnavailable when it cannot answer: callers fail closed."""

    def sealing(
        self, refs: Iterable[KeyRef], at_least: Mapping[KeyRef, int] = MappingProxyType({})
    ) -> Mapping[KeyRef, Key]:
        """The newest usable key of each, provisioned once; after a fence or a destruction a new version. `at_least`:
        versions that somebody has seen; a memory of keys gives no older one without asking."""
        ...

    def opening(
        self, wanted: Iterable[tuple[KeyRef, int]]
    ) -> Mapping[tuple[KeyRef, int], Key | Erased | FencedKey]:
        """The key of each version; unknown versions answer Erased, like destroyed ones."""
        ...

    def fence(self, ref: KeyRef) -> None:
        """From now on no version that exists seals anything, in any process within the cache life."""
        ...

    def destroy(self, ref: KeyRef) -> Certificate:
        """Fence → destroy → evict; idempotent; the ledger entry stays."""
        ...


class RestoreNumbers(NamedTuple):
    """How far store and keys have come, so that neither can be put back unnoticed; both numbers only rise."""

    reached: int  # the highest number that the store has told the keys
    destroyed: int  # how many key versions were ever destroyed


class HubKeyStore(KeyStore, Protocol):
    """What only the hub's own processes may ask besides. Raises KeysAreOlder once an older key database is back."""

    def secret(self) -> bytes:
        """32 bytes that key the hub's own hashes: the same for ever."""
        ...

    def ledger(self) -> Sequence[Certificate]:
        """Every destruction there was, one certificate per key: to be kept apart from the backups of keys and data."""
        ...

    def replay(self, ledger: Iterable[Certificate]) -> int:
        """Destroy again what a restored key database brought back; how many versions lived."""
        ...

    def standing(self, reached: int = 0) -> RestoreNumbers:
        """Remember that the store has come to `reached`, and answer how far both ever came."""
        ...

    def close(self) -> None: ...


class ProjectedEvent(NamedTuple):
    """One event on its way into the read models.

    `head` is what its envelope says in clear (of the consents topics the whole envelope), `value` the sealed record as
    it may be kept. `received_at` is when the hub received it, in microseconds since 1970 UTC: from the log, so that a
    rebuild finds the same.
    """

    record: Record
    head: EnvelopeHeader | Envelope
    value: bytes
    received_at: int

    @property
    def subject(self) -> str:
        """The subject's key, `controller:subject_ref`."""
        return f"{self.head.controller_id}:{self.head.subject_ref}"

    @property
    def case_key(self) -> str:
        """The case's key, `controller:case_ref`."""
        return f"{self.head.controller_id}:{self.head.case_ref}"

    def __repr__(self) -> str:
        return f"ProjectedEvent({self.record.place})"


class RecordVersion(NamedTuple):
    """One version of one record of an agency; `record_ref` in hex."""

    controller: str
    record_ref: str
    source_version: int
    publication: int


class Forgotten(NamedTuple):
    """What is kept no more, in any generation of a read model.

    `record`: this record of the event store, up to this version. Where it is None, everything that the consents topics
    say about the subject (`controller:subject_ref`).
    """

    subject: str
    record: RecordVersion | None = None


E = TypeVar("E")


@runtime_checkable
class Projection(Protocol[E]):
    """A read model: rows that are made of events alone, and can be made again from the log (promise 4).

    Found by the entry point group `hub.projections`: each names a module whose `projection` is one of these. The stage
    that it hangs on gives it every event that it takes, in the transaction that stores the stage's position; a rebuild
    gives it the same events again under another generation, and compares (rule 21). How people read the rows (its
    queries) is its own business.

    Traps:

    - Events come more than once, and an older version may come after a newer one: the highest (source version,
      publication) of a record must stand. So keep one row a record and count when you read; a counter in a row counts
      twice. Rows must depend on the events alone: no clock, no environment, no other table.
    - Rows hold nothing in clear but what the envelope says in clear: a backup of the store would outlive an erasure.
    - Never commit, roll back or begin: the transaction is the stage's.
    - What raises with anything but an outage is halved until one event stands alone. That one is quarantined for this
      read model alone, under `<stage>.<name>`; the hub's own read models, and all others, take it. `hub rebuild NAME`
      takes it again.
    """

    name: str
    """As its entry point is called: in `hub rebuild NAME`, in the table of generations."""
    stage: str
    """`project` (admitted events) or `consents` (what the consents topics say), of `hub.topology`."""
    tables: Sequence[Table]
    """Created when the hub starts. Each has the columns `generation` (Integer, in the primary key) and `subject`
    (String): by the one a rebuild tells two sets of rows apart, by the other the hub removes rows where `forget` fails.
    No name of the hub's own tables, or of another read model's."""

    def decode(self, event: ProjectedEvent) -> E | None:
        """What `apply` needs of one event; None for one that makes no row. Pure."""
        ...

    def apply(self, connection: Connection, generation: int, events: Sequence[E]) -> None:
        """Write the rows of these events into this generation."""
        ...

    def forget(self, connection: Connection, gone: Sequence[Forgotten]) -> int:
        """Remove the rows of these, in every generation; how many. Called by an erasure, by retention and when a
        person's last ground has ended, after the keys are destroyed. If it fails, the hub removes all rows of these
        subjects itself: nothing that should be forgotten stays because of a fault."""
        ...


class SealedRecord(NamedTuple):
    """A record as `agency` published it, to be given back to a log that lost it; `received_at` as in `ProjectedEvent`,
    0 where nobody asks for it."""

    agency: str
    key: bytes
    value: bytes
    received_at: int

    def __repr__(self) -> str:
        return "SealedRecord()"


@runtime_checkable
class KeepsRecords(Protocol):
    """A read model that keeps every record of its topic as it came: a log that was put back is repaired from it."""

    name: str

    def records(
        self, connection: Connection, generation: int, agencies: AbstractSet[str] | None
    ) -> Iterable[SealedRecord]:
        """What it keeps of these agencies' records, of all where it is None, in a fixed order."""
        ...
