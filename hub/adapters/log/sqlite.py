"""The event log in one SQLite file, for the embedded hub: the same contract as Kafka's, without a broker.

One transaction per append, `synchronous=FULL`: what `append` returned from survives a power cut. Several threads and
several processes may share the file; writers wait for each other. Offsets are numbered per partition without gaps;
of topics that are compacted only the newest record of each key stays, whenever topics are created, as at a hub's start.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import orjson

from hub.adapters.clocks import SystemClock
from hub.adapters.log.partitioner import partition_of
from hub.adapters.log.problems import beyond_log, no_topic
from hub.domain.clock import micros
from hub.errors import ServiceUnavailable
from hub.ports import Clock, Outgoing, Record, TopicState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, topic_id TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS extent (
    topic INTEGER NOT NULL REFERENCES topic ON DELETE CASCADE, "partition" INTEGER NOT NULL,
    "first" INTEGER NOT NULL, "end" INTEGER NOT NULL, PRIMARY KEY (topic, "partition")) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    topic INTEGER NOT NULL REFERENCES topic ON DELETE CASCADE, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    "key" BLOB NOT NULL, value BLOB NOT NULL, timestamp INTEGER NOT NULL, headers BLOB,
    PRIMARY KEY (topic, "partition", "offset")) WITHOUT ROWID;
"""
_EXTENT = """SELECT t.id, e."partition", e."first", e."end" FROM topic t JOIN extent e ON e.topic = t.id
    WHERE t.name = ? ORDER BY e."partition" """
_STATE = """SELECT t.name, t.topic_id, e."partition", e."first", e."end" FROM topic t JOIN extent e ON e.topic = t.id
    WHERE t.name IN (SELECT value FROM json_each(?)) ORDER BY t.name, e."partition" """
_READ = """SELECT "offset", "key", value, timestamp, headers FROM record
    WHERE topic = ? AND "partition" = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?"""
_COMPACT = """WITH compacted AS
        (SELECT id FROM topic WHERE json_extract(config, '$."cleanup.policy"') = 'compact')
    DELETE FROM record WHERE topic IN compacted AND (topic, "partition", "offset") NOT IN
        (SELECT topic, "partition", max("offset") FROM record WHERE topic IN compacted
         GROUP BY topic, "partition", "key")
"""
_APPEND = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADVANCE = 'UPDATE extent SET "end" = ? WHERE topic = ? AND "partition" = ?'

Row = tuple[int, int, int, bytes, bytes, int, bytes | None]


class SqliteLog:
    """An `EventLog` in the file at `path`; timestamps are the `clock`'s time of the append."""

    def __init__(self, path: Path | str, clock: Clock | None = None) -> None:
        """Opens or creates the file; raises ServiceUnavailable when it cannot."""
        self._place = Path(path).name
        self._clock: Clock = clock or SystemClock()
        self._writing, self._reading = Lock(), Lock()
        try:
            self._writer, self._reader = _connect(path), _connect(path)
            self._writer.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._unavailable(error) from None

    def create(
        self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        with self._transaction(30.0) as cursor:
            for name, partitions in topics.items():
                settings = orjson.dumps(dict((config or {}).get(name, {}))).decode()
                cursor.execute(
                    "INSERT INTO topic (name, topic_id, partitions, config) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (name, uuid.uuid4().hex, partitions, settings),
                )
                if cursor.rowcount:
                    number = cursor.lastrowid
                    cursor.executemany(
                        "INSERT INTO extent VALUES (?, ?, 0, 0)", ((number, p) for p in range(partitions))
                    )
            cursor.execute(_COMPACT)

    def append(self, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        if not records:
            return
        now = micros(self._clock.now())
        with self._transaction(deadline) as cursor:
            extent = cursor.execute(_EXTENT, (topic,)).fetchall()
            if not extent:
                raise no_topic(topic)
            number, ends = extent[0][0], [end for _, _, _, end in extent]
            before = tuple(ends)
            cursor.executemany(_APPEND, _rows(number, ends, records, now))
            moved = [(end, number, p) for p, end in enumerate(ends) if end != before[p]]
            cursor.executemany(_ADVANCE, moved)

    def read(self, topic: str, positions: Mapping[int, int], limit: int = 1000) -> Sequence[Record]:
        with self._snapshot() as cursor:
            extent = {p: (number, first, end) for number, p, first, end in cursor.execute(_EXTENT, (topic,))}
            if not extent.keys() >= positions.keys():
                raise no_topic(topic)
            found: list[Record] = []
            for waiting, (partition, position) in zip(
                range(len(positions), 0, -1), positions.items(), strict=True
            ):
                number, first, end = extent[partition]
                if not first <= position <= end:
                    raise beyond_log(topic, partition, position, first)
                share = -(
                    -(limit - len(found)) // waiting
                )  # so that a long backlog starves no other partition
                if position < end and share:
                    rows = cursor.execute(_READ, (number, partition, position, share))
                    found += [_record(topic, partition, row) for row in rows]
            return found

    def state(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        with self._snapshot() as cursor:
            rows = cursor.execute(_STATE, (orjson.dumps(list(topics)).decode(),)).fetchall()
        states: dict[str, tuple[str, dict[int, int], dict[int, int]]] = {}
        for name, topic_id, partition, first, end in rows:
            _, firsts, ends = states.setdefault(name, (topic_id, {}, {}))
            firsts[partition], ends[partition] = first, end
        return {
            name: TopicState(name, topic_id, first, end) for name, (topic_id, first, end) in states.items()
        }

    def close(self) -> None:
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    @contextmanager
    def _transaction(self, deadline: float) -> Iterator[sqlite3.Cursor]:
        """One writer at a time: this process's threads wait at the lock, other processes' in SQLite."""
        if not self._writing.acquire(timeout=deadline):
            raise self._unavailable("another writer holds it")
        try:
            self._writer.execute(f"PRAGMA busy_timeout = {int(deadline * 1000)}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer.cursor()
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._unavailable(error) from None
        finally:
            self._writing.release()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Cursor]:
        """One moment of the log: offsets and records agree, whatever is appended meanwhile."""
        with self._reading:
            try:
                self._reader.execute("BEGIN")
                try:
                    yield self._reader.cursor()
                finally:
                    self._reader.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._unavailable(error) from None

    def _unavailable(self, cause: sqlite3.Error | str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"the event log cannot be used: {cause}",
            place=self._place,
            remedy="free the file or its disk; it is tried again",
        )


def _connect(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _rows(number: int, ends: list[int], records: Sequence[Outgoing], now: int) -> Iterator[Row]:
    """The rows to insert; moves `ends` on."""
    count = len(ends)
    for key, value, headers in records:
        partition = partition_of(key, count)
        offset = ends[partition]
        ends[partition] = offset + 1
        yield number, partition, offset, key, value, now, _pack(headers) if headers else None


def _pack(headers: Sequence[tuple[str, bytes]]) -> bytes:
    return orjson.dumps([(name, value.decode("latin-1")) for name, value in headers])


def _record(topic: str, partition: int, row: tuple[int, bytes, bytes, int, bytes | None]) -> Record:
    offset, key, value, timestamp, packed = row
    headers = tuple((name, text.encode("latin-1")) for name, text in orjson.loads(packed)) if packed else ()
    return Record(topic, partition, offset, key, value, timestamp, headers)
