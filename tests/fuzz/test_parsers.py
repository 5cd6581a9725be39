"""A few hundred mutated inputs for each parser; in CI the same ones every time (`make fuzz` tries others, for long)."""

import os
import random

import pytest

from tests.fuzz.parsers import fuzz, parsers

SEED = 1 if os.environ.get("CI") else random.SystemRandom().randrange(1, 10**9)


@pytest.mark.parametrize("parser", parsers())
def test_a_strange_input_is_read_held_or_refused(parser: str) -> None:
    found = fuzz(parser, SEED, inputs=300)
    assert sum(found.became.values()) == 300
    assert len(found.became) > 1
