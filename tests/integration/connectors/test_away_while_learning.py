"""A source that is away for a moment while the gate learns who has consented: it learns all of it a step later."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.kit import example
from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.kit.example.trial import Trial as ExampleTrial
from connectors.pipeline.run.pipeline import Connector
from hub.errors import ServiceUnavailable
from tests.support.candidates import candidate

LOOKS = 16  # more than a step takes at anything


class Blinking:
    """Something that answers, but not the `nth` time that it is asked."""

    def __init__(self, real: Any, nth: int) -> None:
        self._real, self._left = real, nth

    def __call__(self, *args: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            raise ServiceUnavailable("is away", place="source", remedy="wait")
        return self._real(*args)


def steps(bench: Bench, connector: Connector, day: int) -> int:
    """Some steps; how many of them found the source away."""
    failed = 0
    for minute in range(4):
        try:
            bench.step(connector, evening(day) + timedelta(minutes=minute))
        except ServiceUnavailable:
            failed += 1
    return failed


def came(bench: Bench, sent: Any) -> list[Any]:
    """What of the person whose consent is gone left with content."""
    mine = bench.key.person("P0000000")
    return [
        e["boxes"]
        for e in bench._envelopes(sent)
        if e["subject_ref"] == mine and e["event_type"] == "PersonRegistered" and e["boxes"]
    ]


@pytest.mark.parametrize("nth", range(1, LOOKS))
def test_a_system_that_is_read_whole(nth: int, tmp_path: Path) -> None:
    with closing(
        Bench(Candidate("example", example.build, example.spec, ExampleTrial), tmp_path, batch=50)
    ) as bench:
        bench.write(families(4), 0)
        with bench.life() as connector:
            steps(bench, connector, 0)
            tables, sent = families(4), bench.sent()
            tables["consents"].pop(0)
            tables["people"][0]["name"] = "Neu"
            bench.write(tables, 1)
            system: Any = connector._source._system  # type: ignore[attr-defined]
            system.rows = Blinking(system.rows, nth)
            assert steps(bench, connector, 1) <= 1
        assert came(bench, sent) == []


@pytest.mark.parametrize("nth", range(1, LOOKS))
def test_a_database_in_which_a_consent_was_deleted(nth: int, tmp_path: Path) -> None:
    """That it is gone is found by comparing keys; what the gate knows is learnt anew after that."""
    with closing(Bench(candidate("sql"), tmp_path, batch=50)) as bench:
        tables = families(30)
        bench.write(tables, 0)
        with bench.life() as connector:
            steps(bench, connector, 0)
            gone = tables["consents"].pop(0)["number"]
            with closing(sqlite3.connect(tmp_path / "system" / "agency.sqlite")) as db, db:
                db.execute("DELETE FROM consents WHERE number = ?", (gone,))
            bench.step(connector, evening(2))
            sent = bench.sent()
            tables["people"][0]["name"] = "Neu"
            bench.write(tables, 3)
            database: Any = connector._source._database  # type: ignore[attr-defined]
            database.rows = Blinking(database.rows, nth)
            assert steps(bench, connector, 3) <= 1
        assert came(bench, sent) == []
