"""Numbers committed in any order: each is read once, and none that appears before its gap is given up is missed."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.outbox.gaps import Gap, Position


@given(st.lists(st.sets(st.integers(1, 40), max_size=12), max_size=12), st.integers(1, 8))
def test_every_number_is_read_once_whenever_it_appears(commits: list[set[int]], page: int) -> None:
    """Commits make numbers visible; after each, everything visible is read in pages and the position saved."""
    visible: set[int] = set()
    position, read = Position(), list[int]()
    for now, commit in enumerate(commits):
        visible |= commit
        while new := sorted(n for n in visible if position.open(n)):
            within = [n for n in new if position.last is not None and n < position.last]
            some = (within or new)[:page]
            read += some
            position = Position.loaded(position.seen(some, now).saved())
    assert sorted(read) == sorted(visible)
    assert all(not position.open(number) for number in visible)


def test_a_gap_is_waited_for_and_then_given_up() -> None:
    position = Position().seen([3], now=100).seen([7], now=200)
    assert position.gaps == (Gap(1, 2, 100), Gap(4, 6, 200))
    assert position.seen([5], now=300).gaps == (Gap(1, 2, 100), Gap(4, 4, 200), Gap(6, 6, 200))
    assert position.given_up(before=150).gaps == (Gap(4, 6, 200),)
    assert not position.given_up(before=150).open(2)
