"""Who may be whom of two offices' lists of custodians (R06): every name another one, in bounded work."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.subjects.knowledge import MOST_HOLDERS, each_may_be_one

NAMES, SPARE = "abcd", "wxyz"
PAIRS = st.frozensets(st.tuples(st.sampled_from(NAMES), st.sampled_from(SPARE)))


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_it_is_what_trying_every_order_finds(
    pairs: frozenset[tuple[str, str]], most: int, least: int
) -> None:
    names, spare = NAMES[:most], SPARE[:least]
    tried = (zip(names, order, strict=True) for order in permutations(spare, len(names)))
    found = any(all(pair in pairs for pair in order) for order in tried)
    assert each_may_be_one(names, spare, lambda one, other: (one, other) in pairs) is found


@pytest.mark.parametrize("count", [MOST_HOLDERS, MOST_HOLDERS + 1, 1000])
def test_a_long_list_in_which_one_fits_nobody_takes_bounded_work(count: int) -> None:
    names, spare = [f"b{number}" for number in range(count)], [f"a{number}" for number in range(count)]
    asked: list[str] = []

    def same(one: str, _: str) -> bool:
        asked.append(one)
        assert len(asked) <= MOST_HOLDERS**3
        return one != names[-1]

    assert not each_may_be_one(names, spare, same)
