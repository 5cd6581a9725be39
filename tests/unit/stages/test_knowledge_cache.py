"""What is known of a person is kept no longer than a key may be, and not under another epoch."""

from datetime import UTC, datetime

from hub.policy.gate import Verdict
from hub.subjects.knowledge import LONGEST, Knowledge, KnowledgeCache, size_of


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_forgotten_when_its_life_is_over_asked_for_or_not() -> None:
    clock = Seconds()
    cache = KnowledgeCache(monotonic=clock)
    cache.put("jc-a:p_1", Knowledge("jc-a:p_1", 1))
    clock.now = LONGEST - 1
    assert cache.get("jc-a:p_1", 1)
    clock.now = LONGEST
    cache.put("jc-a:p_2", Knowledge("jc-a:p_2", 1))
    assert list(cache._kept) == ["jc-a:p_2"]


def test_another_epoch_and_an_erasure_forget_at_once() -> None:
    cache = KnowledgeCache(size=size_of(Knowledge("a", 1)) * 5 // 2)
    for name in ("a", "b", "c"):
        cache.put(name, Knowledge(name, 1))
    assert [cache.get(name, 1) is None for name in ("a", "b", "c")] == [True, False, False]
    assert cache.get("b", 2) is None
    cache.forget(["c", "unknown"])
    assert not cache._kept


def test_what_is_judged_of_a_person_counts_too_and_does_not_grow_for_ever() -> None:
    """Of a thousand kinds of events of one person most verdicts leave, and another's state makes room for the rest."""
    own = size_of(Knowledge("judged", 1))
    cache = KnowledgeCache(size=own * 5 // 2 + 64 * 1200)
    for name in ("other", "judged"):
        cache.put(name, Knowledge(name, 1))
    judged, now = cache.get("judged", 1), datetime(2026, 9, 1, tzinfo=UTC)
    assert judged
    verdict = Verdict(frozenset(), {}, "R01", held=False, waiting=frozenset())
    for number in range(1024):
        judged.verdict(number, now, lambda: verdict)
        assert len(judged.verdicts) <= 64
    assert cache.get("judged", 1) is judged
    assert cache.get("other", 1)
    assert cache._kept.currsize > 64 * 1000
    cache.put("third", Knowledge("third", 1))
    assert cache._kept.currsize <= cache._kept.maxsize
    assert len(cache._kept) == 2


def test_a_state_that_is_larger_than_the_cache_is_not_kept() -> None:
    cache = KnowledgeCache(size=5000)
    cache.put("small", Knowledge("small", 1))
    cache.put("large", Knowledge("large", 1, recorded_at={f"c_{number}": "jc-a" for number in range(1000)}))
    assert cache.get("large", 1) is None
    assert cache.get("small", 1)
