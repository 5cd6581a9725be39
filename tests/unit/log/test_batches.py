"""Batches of foreign producers through both clients' parsers: read, or named by place, in bounded memory."""

import resource
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from aiokafka.record.memory_records import MemoryRecords as OfAiokafka
from kafka.record.memory_records import MemoryRecords as OfKafkaPython

from hub.adapters.log.batches import UNPACKED, guarded
from hub.ports import UNREADABLE
from tests.support import foreign
from tests.support.foreign import Entry

CLIENTS: dict[str, Any] = {"kafka-python": OfKafkaPython, "aiokafka": OfAiokafka}
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACK: dict[int, Callable[[bytes], bytes]] = {
    1: lambda records: bytes(cramjam.gzip.compress(records)),
    2: lambda records: bytes(cramjam.snappy.compress_raw(records)),
    3: lambda records: bytes(cramjam.lz4.compress(records)),
    4: lambda records: bytes(cramjam.zstd.compress(records)),
}
ENTRIES: list[Entry] = [(b"k%d" % n, b"value " * 40, [("a", b"x"), ("b", None)]) for n in range(20)]
ENTRIES += [(None, None, []), (b"", b"", [("", b"")])]


@pytest.fixture(params=CLIENTS.values(), ids=[*CLIENTS])
def client(request: pytest.FixtureRequest) -> Any:
    return guarded(request.param)


def read(client: Any, raw: bytes) -> list[Any]:
    """What a fetcher takes from these bytes."""
    records, found = client(raw), []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += list(batch)
    return found


def unread(client: Any, raw: bytes) -> list[tuple[int, str]]:
    """Places that came without what they hold, and why."""
    return [
        (one.offset, dict(one.headers)[UNREADABLE].decode())
        for one in read(client, raw)
        if UNREADABLE in dict(one.headers)
    ]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_every_codec_is_read(client: Any, codec: int) -> None:
    raw = foreign.batch(ENTRIES, codec, base=7) + foreign.batch(ENTRIES, codec, base=50)
    found = read(client, raw)
    assert [one.offset for one in found] == [*range(7, 29), *range(50, 72)]
    assert [(one.key, one.value, [*one.headers]) for one in found] == 2 * [
        (key, value, [*headers]) for key, value, headers in ENTRIES
    ]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_header_name_that_is_no_utf8_hides_no_record(client: Any, codec: int) -> None:
    odd = [(b"k", b"before", []), (b"k", b"odd", [("zzzz", b"x")]), (b"k", b"behind", [])]
    plain = foreign.with_latin_header(foreign.batch(odd), b"zzzz")
    raw = foreign.with_codec(foreign.with_records(plain, PACK[codec]), codec) if codec else plain
    assert [one.value for one in read(client, raw)] == [b"before", b"odd", b"behind"]


def test_a_record_that_makes_no_sense_stands_alone(client: Any) -> None:
    raw = foreign.batch([(b"a", b"before", []), (b"key", b"value", []), (b"c", b"behind", [])])
    broken = foreign.with_records(raw, lambda records: records.replace(b"\x06key", b"\x7ekey"))
    assert unread(client, broken) == [(1, "corrupt_record")]
    assert [one.value for one in read(client, broken)] == [b"before", None, b"behind"]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "wrong checksum": (lambda raw: raw[:-1] + b"!", "corrupt_batch"),
    "codec of nobody": (lambda raw: foreign.with_codec(raw, 6), "unknown_codec"),
    "no gzip": (lambda raw: foreign.with_codec(raw, 1), "corrupt_batch"),
    "no snappy": (lambda raw: foreign.with_codec(raw, 2), "corrupt_batch"),
    "no lz4": (lambda raw: foreign.with_codec(raw, 3), "corrupt_batch"),
    "no zstd": (lambda raw: foreign.with_codec(raw, 4), "corrupt_batch"),
    "length of nothing": (lambda raw: foreign.with_records(raw, lambda _: b"\xff" * 40), "corrupt_batch"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_batch_that_cannot_be_read_is_one_place_and_the_next_is_read(client: Any, name: str) -> None:
    spoil, reason = BROKEN[name]
    raw = spoil(foreign.batch(ENTRIES, base=10)) + foreign.batch([(b"k", b"behind", [])], base=32)
    assert unread(client, raw) == [(31, reason)]
    assert read(client, raw)[-1].value == b"behind"


MEGABYTES = 400


def _bomb(codec: int) -> bytes:
    """Packed piece by piece, so that it is never whole in this process either."""
    if codec == foreign.SNAPPY:
        return b"\x80\x80\x80\xc8\x01" + bytes(50)  # 400 MiB, its header says
    packer = {1: cramjam.gzip, 3: cramjam.lz4, 4: cramjam.zstd}[codec].Compressor()
    for _ in range(MEGABYTES):
        packer.compress(bytes(1024 * 1024))
    return bytes(packer.finish())


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=[*CODECS][1:])
def test_a_bomb_is_not_unpacked(client: Any, codec: int) -> None:
    bomb = _bomb(codec)
    raw = foreign.with_codec(foreign.with_records(foreign.batch(ENTRIES), lambda _: bomb), codec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert unread(client, raw) == [(21, "unpacked_too_large")]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4 * UNPACKED // 1024
