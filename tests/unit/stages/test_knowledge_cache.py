"""What is known of a person is kept no longer than a key may be, and not under another epoch."""

from hub.stages.knowledge import LONGEST, Knowledge, KnowledgeCache


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
    cache = KnowledgeCache(size=2)
    for name in ("a", "b", "c"):
        cache.put(name, Knowledge(name, 1))
    assert [cache.get(name, 1) is None for name in ("a", "b", "c")] == [True, False, False]
    assert cache.get("b", 2) is None
    cache.forget(["c", "unknown"])
    assert not cache._kept
