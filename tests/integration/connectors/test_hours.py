"""A local time that never comes holds its row; one that comes twice is read as the first of both, and told."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.kit.bench import Bench, evening, families
from connectors.tools.dry_run.checking import examine
from tests.support.candidates import candidate

NEVER, TWICE = "2026-03-29 02:30:00", "2026-10-25 02:30:00"


@pytest.mark.parametrize("kind", ["sql", "sql_outbox", "snapshot_csv", "xml", "rest"])
def test_both_hours_are_told(kind: str, tmp_path: Path) -> None:
    tables = families(6)
    tables["people"][0]["since"], tables["people"][2]["since"] = NEVER, TWICE
    with closing(Bench(candidate(kind), tmp_path / "bench")) as bench:
        bench.write(tables, 0)
        found = examine(bench.config(), bench.key, evening(0))
        first, *more = bench.all(0)
        assert dict(first.hours_twice) == {"people.since": 1}
        assert first.as_dict()["hours_twice"] == {"people.since": 1}
        assert not any(report.hours_twice for report in more)
        assert set(bench.waiting()) == {"no_such_hour"}
    assert {(one.reason, one.column, one.records) for one in found.faults} == {("no_such_hour", "since", 1)}
    assert {(one.column, one.records) for one in found.twice} == {("since", 1)}
    assert all(one.place for one in found.twice)


def test_a_version_that_comes_twice_is_told(tmp_path: Path) -> None:
    with closing(Bench(candidate("sql"), tmp_path / "bench")) as bench:
        for event in bench.raw["streams"]["people"]["events"]:
            event["occurred_at"] = "@version"
        bench.write(families(4), 0, stamped=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
        assert dict(bench.all(0)[0].hours_twice) == {"people.@version": 4}
