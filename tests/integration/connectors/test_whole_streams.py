"""A system that is read whole: a row waits alone, and a stream that cannot be read holds up no other."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.kit.example import build, spec, waiting
from connectors.kit.example.trial import Trial
from connectors.pipeline.state.state import State

EXAMPLE = Candidate("example", build, spec, Trial)
RECORDED: dict[str, Any] = {
    "type": "SubjectRecorded",
    "subject": "person",
    "case": "family",
    "occurred_at": "granted",
    "fields": {"birth_date": {"constant": date(1990, 2, 28)}, "capable": {"constant": True}},
}
"""Who signs is known from another stream."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(EXAMPLE, tmp_path / "bench")) as made:
        yield made


def registered(bench: Bench) -> list[str]:
    """The names that the newest word on each record says."""
    said = (content for kind, content in bench.newest().values() if kind == "PersonRegistered")
    return sorted(content.split("'names', '")[1].split("'")[0].rpartition(" ")[2] for content in said)


def waits(bench: Bench) -> dict[str, int]:
    with closing(State(bench.config().state, lambda _: b"", alone=False)) as state:
        return {f"{stream} {reason}": count for stream, reason, count in state.quarantine_counts()}


def two_that_contradict() -> dict[str, list[dict[str, str]]]:
    tables = families(6)
    tables["people"][2]["name"] += " Neu"
    tables["people"].append({**tables["people"][2], "name": "Somebody Else"})
    return tables


def test_rows_with_one_key_and_other_content_wait_both_and_nobody_else(bench: Bench) -> None:
    bench.write(families(6), 0)
    bench.all(0)
    tables = two_that_contradict()
    tables["people"][0]["name"] += " Neu"
    bench.write(tables, 1)
    before = bench.sent()
    bench.all(1)
    assert len(bench.newest(before)) == 1, "the neighbour's change left, and nothing was taken back"
    assert waits(bench) == {"people duplicate_key": 2}
    assert sum(report.events for report in bench.all(1)) == 0
    tables["people"].pop()
    bench.write(tables, 2)
    bench.all(2)
    assert (waits(bench), registered(bench)) == ({}, ["4", "Neu", "Neu"])


def test_a_row_that_is_repeated_to_the_letter_says_nothing(bench: Bench) -> None:
    tables = families(3)
    tables["people"] += tables["people"][:1]
    bench.write(tables, 0)
    (report, *_) = bench.all(0)
    assert waits(bench) == {}
    assert (report.read, registered(bench)) == (5, ["0", "2"])


def test_a_row_without_a_key_waits_alone(bench: Bench) -> None:
    tables = families(4)
    tables["people"][2]["number"] = ""
    bench.write(tables, 0)
    bench.all(0)
    assert registered(bench) == ["0"]
    assert waits(bench) == {"people key_missing": 1}


def test_many_rows_with_one_key_are_the_systems_fault(bench: Bench) -> None:
    tables = families(40)
    for row in tables["people"][:20]:
        row["number"] = "P0000000"
    bench.write(tables, 0)
    bench.all(0)
    assert waits(bench) == {"people duplicate_key": 1}


@pytest.mark.parametrize("broken", ["people", "consents"])
def test_a_stream_that_cannot_be_read_holds_up_no_other(bench: Bench, broken: str) -> None:
    """Whoever was to be read again meanwhile is read again when it can be read."""
    bench.write(families(2), 0)
    bench.all(0)
    tables = families(4)
    bench.write(tables, 1)
    file = bench.folder / "system" / "export" / f"{broken}.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with bench.life() as connector:
        report = bench.step(connector, evening(1))
        assert (report.read, report.source_quarantined) == (
            {"people": 1, "consents": 2}[broken],
            {"truncated": 1},
        )
        file.write_bytes(whole)
        bench.step(connector, evening(1))
        bench.step(connector, evening(1))
    assert registered(bench) == ["0", "2"]
    assert waits(bench) == {}


def test_a_stream_that_was_emptied_waits_and_the_others_go_on(bench: Bench) -> None:
    bench.write(families(4), 0)
    bench.all(0)
    tables: dict[str, Any] = {"people": [], "consents": families(6)["consents"]}
    bench.write(tables, 1)
    with bench.life() as connector:
        assert bench.step(connector, evening(1)).read == 1
        assert bench.step(connector, evening(1)).read == 0
    with closing(State(bench.config().state, lambda _: b"", alone=False)) as state:
        held = waiting(bench.config(), state).held()
        assert held is not None
        assert held.stream == "people"
        waiting(bench.config(), state).accept()
    assert bench.all(1)[0].vanished == {"people": 4}
    assert waits(bench) == {}


def test_who_consented_while_the_stream_stood_still_is_read_when_it_can_be_read(bench: Bench) -> None:
    people, consents = (bench.raw["streams"][name] for name in ("people", "consents"))
    people["events"] = people["events"][1:]
    consents["events"].append(RECORDED)
    tables = families(2)
    bench.write({**tables, "consents": []}, 0)
    bench.all(0)
    assert registered(bench) == []
    bench.write(tables, 1)
    file = bench.folder / "system" / "export" / "people.jsonl"
    whole = file.read_bytes()
    file.write_bytes(b"{}\n" + whole)
    bench.all(1)
    assert registered(bench) == []
    file.write_bytes(whole)
    bench.all(1)
    assert registered(bench) == ["0"]
