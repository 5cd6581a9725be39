"""How long the hub looked cannot be told from when it answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.web.app import BEAT, until_beat


@given(st.floats(0.001, 0.249), st.floats(0.001, 0.249))
def test_whatever_the_work_the_answer_leaves_at_the_same_moment(little: float, much: float) -> None:
    assert little + until_beat(little, BEAT) == pytest.approx(much + until_beat(much, BEAT))


def test_work_that_takes_longer_leaves_at_a_later_beat_and_0_waits_for_none() -> None:
    assert until_beat(0.3, 0.25) == pytest.approx(0.2)
    assert until_beat(0.3, 0.0) == 0.0
