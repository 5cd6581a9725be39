"""Record batches as no producer of the hub writes them, and a producer that sends them as they are."""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

import cramjam
import crc32c
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
Entry = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers
_HEADER = 61  # bytes before a batch's records


def batch(entries: Sequence[Entry], codec: int = NONE, *, base: int = 0, timestamp: int = 1) -> bytes:
    """One batch of the newest format."""
    builder = MemoryRecordsBuilder(2, codec, 1 << 30)
    for key, value, headers in entries:
        builder.append(timestamp=timestamp, key=key, value=value, headers=list(headers))
    builder.close()
    raw = bytearray(builder.buffer())
    struct.pack_into(">q", raw, 0, base)
    return bytes(raw)


def summed(raw: bytes) -> bytes:
    """The batch with the checksum of what it holds now."""
    changed = bytearray(raw)
    struct.pack_into(">I", changed, 17, crc32c.crc32c(bytes(changed[21:])))
    return bytes(changed)


def with_latin_header(raw: bytes, name: bytes) -> bytes:
    """A header's name in another encoding than Kafka's."""
    assert name in raw
    return summed(raw.replace(name, b"\xe4" * len(name)))


def with_codec(raw: bytes, codec: int) -> bytes:
    """The batch says that it was packed so."""
    changed = bytearray(raw)
    changed[22] = changed[22] & ~7 | codec
    return summed(bytes(changed))


def with_records(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The batch with other bytes as records."""
    records = change(raw[_HEADER:])
    length = struct.pack(">i", _HEADER - 12 + len(records))
    return summed(raw[:8] + length + raw[12:_HEADER] + records)


def bomb(megabytes: int) -> bytes:
    """One well-formed record of so many zeros, packed piece by piece to a few kilobytes."""
    size = megabytes * 1024 * 1024
    body = b"\x00\x00\x00\x01" + _varint(size)
    packer = cramjam.zstd.Compressor()
    packer.compress(_varint(len(body) + size + 1) + body)
    for _ in range(megabytes):
        packer.compress(bytes(1024 * 1024))
    packer.compress(b"\x00")
    return with_codec(with_records(batch([(b"k", b"v", [])]), lambda _: bytes(packer.finish())), ZSTD)


def _varint(number: int) -> bytes:
    """Of a number that is not negative, zigzag."""
    left, found = number << 1, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*found, left])


class _Raw(BatchBuilder):  # type: ignore[misc]
    def __init__(self, raw: bytes) -> None:
        super().__init__(1 << 20, 0)
        self._buffer, self._relative_offset = bytearray(raw), struct.unpack_from(">i", raw, 57)[0]

    def _set_producer_state(self, *_: Any) -> None:
        """It goes as it is."""


def send(bootstrap: str, topic: str, raw: Sequence[bytes], partition: int = 0) -> None:
    """Send these batches one by one."""
    asyncio.run(_send(bootstrap, topic, raw, partition))


async def _send(bootstrap: str, topic: str, batches: Sequence[bytes], partition: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for raw in batches:
            await (await producer.send_batch(_Raw(raw), topic, partition=partition))


def transaction(
    bootstrap: str, topic: str, entries: Sequence[Entry], *, commit: bool = True, partition: int = 0
) -> None:
    """A transaction of these records; its end takes an offset of its own."""
    asyncio.run(_transaction(bootstrap, topic, entries, commit, partition))


async def _transaction(
    bootstrap: str, topic: str, entries: Sequence[Entry], commit: bool, partition: int
) -> None:
    name = f"foreign-{topic}"
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name) as producer:
        await producer.begin_transaction()
        for key, value, headers in entries:
            await producer.send_and_wait(topic, value, key, partition, headers=list(headers))
        await (producer.commit_transaction() if commit else producer.abort_transaction())
