"""Record batches as foreign producers write them, read with bounded memory (protocol rule 14a).

Both Kafka clients end at a batch that they cannot read, and read it again for ever: a codec that is not installed, a
header whose name is no UTF-8, a wrong checksum; and they unpack a decompression bomb whole. `guarded` stands in for
their `MemoryRecords`. It unpacks every batch itself, up to `UNPACKED` bytes, and hands the client the plain bytes. Of
a batch that the client's own parser refuses, every record that can be read is read. Each place that cannot be read
comes as a record without value whose header `UNREADABLE` says why: the stage quarantines it.

Source of the format: Kafka's `DefaultRecordBatch` and `DefaultRecord`, magic 2; brokers since 4.0 store nothing older.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cramjam

from hub.ports import UNREADABLE

UNPACKED = 16 * 1024 * 1024  # bytes of one batch, unpacked; a sixteenth of that may come over the wire
_HEADER = struct.Struct(">qiibIhiqqqhii")
_CODEC, _APPEND_TIME = 0x07, 0x08
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16  # bytes: magic, version, compatible version
_FIRST_GUESS = 1024 * 1024


class UnreadableError(Exception):
    """A batch, or a record of it, cannot be read; `args[0]` is the reason code."""


class BatchEntry(NamedTuple):
    """A record as both clients' records look to their fetchers."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    size_in_bytes: int = 0
    timestamp_type: int = 0
    checksum: None = None

    def validate_crc(self) -> bool:
        """The checksum is the batch's."""
        return True


class _Head(NamedTuple):
    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta


def guarded(client: Any) -> type:
    """`client` is the `MemoryRecords` of kafka-python or aiokafka; the class returned takes its place."""

    class GuardedRecords:
        """The batches of one fetched partition."""

        def __init__(self, fetched: Any) -> None:
            self._raw, self._at = bytes(fetched or b""), 0
            self._records = client(self._raw)

        def size_in_bytes(self) -> int:
            return len(self._raw)

        def has_next(self) -> bool:
            return bool(self._records.has_next())

        def next_batch(self) -> Any:
            batch = self._records.next_batch()
            if batch is None:
                return None
            (length,) = struct.unpack_from(">i", self._raw, self._at + 8)
            raw = memoryview(self._raw)[self._at : self._at + 12 + length]
            self._at += len(raw)
            return (
                GuardedBatch(batch, raw, lambda plain: client(plain).next_batch()) if raw[16] == 2 else batch
            )

    return GuardedRecords


class GuardedBatch:
    """A client's batch whose records all come, in order, or whose place says what is wrong with it."""

    def __init__(self, batch: Any, raw: memoryview, parse: Callable[[bytes], Any]) -> None:
        self._batch, self._raw, self._parse = batch, raw, parse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def validate_crc(self) -> bool:
        """A wrong checksum is said by the record that stands for the batch."""
        return True

    def __iter__(self) -> Iterator[Any]:
        head = _Head._make(_HEADER.unpack_from(self._raw))
        try:
            plain = self._plain(head)
        except UnreadableError as error:
            yield _stand_in(head.last_offset, head.max_timestamp, error.args[0])
            return
        yield from self._entries(head, plain)

    def _plain(self, head: _Head) -> memoryview:
        if not self._batch.validate_crc():
            raise UnreadableError("corrupt_batch")
        return unpack(head.attributes & _CODEC, self._raw[_HEADER.size :])

    def _entries(self, head: _Head, plain: memoryview) -> Iterator[Any]:
        """The client's own records as far as it can read them; from there on what can be read."""
        reached = head.base_offset - 1
        try:
            for record in self._parse(_plain_batch(head, plain)):
                yield record
                reached = record.offset
        except Exception:  # noqa: BLE001 - whatever the client's parser cannot do is tried without it
            yield from (entry for entry in entries(head, plain) if entry.offset > reached)


def _plain_batch(head: _Head, plain: memoryview) -> bytes:
    attributes, length = head.attributes & ~_CODEC, _HEADER.size - 12 + len(plain)
    return _HEADER.pack(*head._replace(attributes=attributes, length=length)) + plain


def _stand_in(offset: int, timestamp: int, reason: str, key: bytes | None = None) -> BatchEntry:
    return BatchEntry(offset, timestamp, key, None, [(UNREADABLE, reason.encode())])


def unpack(codec: int, data: memoryview) -> memoryview:
    """The records of a batch; raises UnreadableError for more than `UNPACKED` bytes, an unknown codec, rubbish."""
    if codec == 0:
        return data
    if codec == 2:
        return _unpack_snappy(bytes(data))
    unpacker = {1: cramjam.gzip, 3: cramjam.lz4, 4: cramjam.zstd}.get(codec)
    if unpacker is None:
        raise UnreadableError("unknown_codec")
    for size in (_FIRST_GUESS, UNPACKED):
        room = bytearray(size)
        try:
            return memoryview(room)[: unpacker.decompress_into(bytes(data), room)]
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise UnreadableError("corrupt_batch") from None
    raise UnreadableError("unpacked_too_large")


def _unpack_snappy(data: bytes) -> memoryview:
    """One raw block, or the blocks of a stream as Java's library writes them."""
    blocks = _xerial_blocks(data) if data.startswith(_XERIAL) else [data]
    room = bytearray()
    try:
        for block in blocks:
            if len(room) + cramjam.snappy.decompress_raw_len(block) > UNPACKED:
                raise UnreadableError("unpacked_too_large")
            room += bytes(cramjam.snappy.decompress_raw(block))
    except (cramjam.DecompressionError, struct.error):
        raise UnreadableError("corrupt_batch") from None
    return memoryview(room)


def _xerial_blocks(data: bytes) -> Iterator[bytes]:
    at = _XERIAL_HEADER
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        if length < 0:
            raise UnreadableError("corrupt_batch")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def entries(head: _Head, plain: memoryview) -> Iterator[BatchEntry]:
    """Every record of a batch; one that cannot be parsed as an entry that says so. Where a length makes no sense, the
    rest of the batch is one such entry."""
    at, offset = 0, head.base_offset - 1
    for _ in range(head.records):
        try:
            start, at = _body(plain, at)
        except UnreadableError:
            yield _stand_in(head.last_offset, head.max_timestamp, "corrupt_batch")
            return
        try:
            entry = _entry(head, plain[start:at])
        except UnreadableError:
            entry = _stand_in(offset + 1, head.max_timestamp, "corrupt_record")
        offset = entry.offset
        yield entry


def _body(plain: memoryview, at: int) -> tuple[int, int]:
    """Where the record whose length stands at `at` begins and ends."""
    length, start = _varint(plain, at)
    if length < 0 or start + length > len(plain):
        raise UnreadableError("corrupt_record")
    return start, start + length


def _entry(head: _Head, body: memoryview) -> BatchEntry:
    since, at = _varint(body, 1)
    delta, at = _varint(body, at)
    key, at = _bytes(body, at)
    value, at = _bytes(body, at)
    count, at = _varint(body, at)
    headers = []
    for _ in range(count):
        name, at = _bytes(body, at)
        content, at = _bytes(body, at)
        headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
    appended = bool(head.attributes & _APPEND_TIME)
    timestamp = head.max_timestamp if appended else head.first_timestamp + since
    return BatchEntry(head.base_offset + delta, timestamp, key, value, headers, len(body), int(appended))


def _bytes(body: memoryview, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise UnreadableError("corrupt_record")
    return bytes(body[at : at + length]), at + length


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """A zigzag number of up to ten bytes, and where the next thing begins."""
    number = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
    raise UnreadableError("corrupt_record")
