"""What waits in quarantine is read again from what was read last, and from nothing older."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.pipeline.state.quarantine import Decisions
from connectors.pipeline.state.state import State
from tests.support.candidates import candidate

KINDS = ("snapshot_csv", "file_drop", "xml", "rest")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Candidate:
    return candidate(request.param)


@pytest.fixture
def bench(kind: Candidate, tmp_path: Path) -> Iterator[Bench]:
    """The sex of the first person is written as a code of no table; a day later the second has another name."""
    with closing(made(kind, tmp_path / "waiting", known=False)) as bench:
        two_days(bench)
        yield bench


def made(kind: Candidate, folder: Path, *, known: bool) -> Bench:
    bench = Bench(kind, folder)
    fields = bench.raw["streams"]["people"]["events"][1]["fields"]
    fields["sex"] = {"column": "remark", "codes": "sex"}
    bench.raw["codes"] = {"sex": {"w": "f"} | ({"m": "m"} if known else {})}
    return bench


def two_days(bench: Bench) -> None:
    tables: dict[str, Any] = families(6)
    for row in tables["people"]:
        row["remark"] = "w"
    tables["people"][0]["remark"] = "m"
    bench.write(tables, 0)
    bench.all(0)
    tables["people"][2]["name"] = "Neu"
    bench.write(tables, 1)
    bench.all(1)


def test_when_somebody_asks(bench: Bench) -> None:
    before = bench.facts()
    assert bench.waiting() == ["unknown_code"]
    with closing(State(bench.config().state, lambda _: b"", alone=False)) as state, state.transaction():
        Decisions(state.db).ask_again(["people"])
    assert [report.read for report in bench.all(1)] == [1]
    assert bench.waiting() == ["unknown_code"]
    assert bench.facts() == before
    with bench.life() as connector:
        assert bench.step(connector, evening(1)).read == 0


def test_when_the_mapping_can_read_it_now(bench: Bench, kind: Candidate, tmp_path: Path) -> None:
    bench.raw["codes"]["sex"]["m"] = "m"
    assert sum(report.read for report in bench.all(1)) == 1
    assert bench.waiting() == []
    with closing(made(kind, tmp_path / "sound", known=True)) as sound:
        two_days(sound)
        assert bench.newest() == sound.newest()
