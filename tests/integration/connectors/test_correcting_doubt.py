"""Rows of which nobody could tell which record they are were never said: whoever corrects them loses nothing, and
nobody is asked whether it is true that they vanished."""

from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import pytest

from connectors.kit.bench import Bench, families
from tests.support.candidates import candidate

KINDS = ("snapshot_csv", "file_drop", "xml", "rest", "example")
TWICE = ("snapshot_csv", "file_drop", "xml", "example")
"""Whose trial holds two rows of one key."""


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(candidate(request.param), tmp_path / "bench")) as made:
        yield made


@pytest.mark.parametrize("bench", TWICE, indirect=True)
@pytest.mark.parametrize("earlier", [0, 1])
def test_rows_that_shared_a_key_are_corrected_without_a_question(bench: Bench, earlier: int) -> None:
    """`earlier`: how many deliveries were right before."""
    right = families(1)
    wrong = deepcopy(right)
    wrong["people"].append({**wrong["people"][0], "name": "Somebody Else"})
    for day, tables in enumerate([right] * earlier + [wrong, right]):
        bench.write(tables, day)
        bench.all(day)
        assert bench.waiting() == (["duplicate_key"] * 2 if tables is wrong else [])
    assert sum(kind == "PersonRegistered" for kind, _ in bench.newest().values()) == 1


@pytest.mark.parametrize("bench", KINDS, indirect=True)
def test_rows_get_the_keys_that_they_did_not_have(bench: Bench) -> None:
    right = families(2)
    wrong = deepcopy(right)
    for row in wrong["people"]:
        row["number"] = ""
    bench.write(wrong, 0)
    bench.all(0)
    assert set(bench.waiting()) == {"key_missing"}
    bench.write(right, 1)
    bench.all(1)
    assert bench.waiting() == []
