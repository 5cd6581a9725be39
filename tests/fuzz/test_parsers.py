"""A few hundred mutated inputs for each parser; in CI the same ones every time (`make fuzz` tries others, for long)."""

import os
import random
import tracemalloc

import pytest

from connectors.pipeline.config.values import parsed
from connectors.pipeline.mapping.numbers import number_text
from schemas import code_list
from tests.fuzz.parsers import fuzz, parsers

SEED = 1 if os.environ.get("CI") else random.SystemRandom().randrange(1, 10**9)


@pytest.mark.parametrize("parser", parsers())
def test_a_strange_input_is_read_held_or_refused(parser: str) -> None:
    found = fuzz(parser, SEED, inputs=300)
    assert sum(found.became.values()) == 300
    assert len(found.became) > 1


def test_long_texts_are_not_remembered() -> None:
    """A file may hold thousands of cells of any length where days, numbers and codes are meant."""
    kinds = code_list("help_types")
    tracemalloc.start()
    for number in range(500):
        text = f"{number}ö{'x' * 20_000}"
        assert parsed(text, "%d.%m.%Y") is None
        assert not kinds.known(text)
        assert number_text(text, "c") == text
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000_000
