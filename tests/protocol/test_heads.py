"""What a worker admitted it projects without decoding it again; what it does not remember it decodes."""

from collections.abc import Iterator

import pytest

from hub.domain.envelope import EnvelopeHeader
from hub.parts import CASES
from hub.sealed.decode import HeaderCache
from hub.stages import project
from tests.support.world import World


def _head(number: int) -> EnvelopeHeader:
    ref = number.to_bytes(16, "big")
    return EnvelopeHeader(ref, ref, 1, "HelpStarted", b"", "a", "SGB VIII", "p", "f", 1, 0, 0, None)


def test_a_head_is_given_out_once_and_the_oldest_leave_first() -> None:
    cache = HeaderCache(size=2100)
    cache.keep((b"%d" % number, _head(number)) for number in range(3))
    assert cache.take(b"0") is None
    assert cache.take(b"2") == _head(2)
    assert cache.take(b"2") is None
    assert cache.take(b"1") == _head(1)


def test_a_head_from_memory_is_the_head_in_the_bytes(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: list[tuple[bytes, EnvelopeHeader]] = []
    keep = HeaderCache.keep

    def kept(cache: HeaderCache, heads: Iterator[tuple[bytes, EnvelopeHeader]]) -> None:
        remembered.extend(heads)
        keep(cache, iter(remembered))

    monkeypatch.setattr(HeaderCache, "keep", kept)
    small.shared()
    records = {record.value: project.decode_case(record).head for record in small.records(CASES)}
    assert records
    assert dict(remembered) == records
