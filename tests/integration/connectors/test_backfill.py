"""Given once more beside what changes: live first, nothing withheld leaks, and in the end as read afresh (ADR 0018)."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, create_engine

from connectors.kit.bench import CANARY, Bench, Candidate, evening, families
from connectors.kit.trial import COLUMNS
from connectors.pipeline.state.backfill_requests import Backfills
from connectors.pipeline.state.state import State
from connectors.sources.sql import build, spec
from connectors.sources.sql.trial import Trial
from hub.domain.clock import BERLIN, micros
from hub.failpoints import observed
from tests.support.candidates import candidate

START = evening(1)
BATCH, PEOPLE = 50, 1333  # with half as many consents: 2,000 rows
JC = "jc-seestadt"
WITHDRAWN = {
    "type": "ConsentWithdrawn",
    "subject": "person",
    "case": "family",
    "occurred_at": "withdrawn",
    "when": [{"column": "withdrawn", "filled": True}],
    "fields": {"consent_id": "number"},
}


class Office:
    """An agency's PostgreSQL, written to while it is read; rows are changed, removed and added one by one."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        data = MetaData()
        self.tables = {name: self._table(name, data) for name in COLUMNS}
        data.create_all(self.engine)
        self.trial = self._trial(url)
        self.put(families(PEOPLE), evening(0))

    def put(self, rows: Mapping[str, Any], at: datetime) -> None:
        with self.engine.begin() as connection:
            for name, each in rows.items():
                stamped = [{"withdrawn": None, "changed": local(at), **row} for row in each]
                known = self.tables[name].c.keys()
                connection.execute(
                    self.tables[name].insert(), [{k: row[k] for k in known if k in row} for row in stamped]
                )

    def change(self, table: str, number: str, at: datetime, **values: str) -> None:
        it = self.tables[table]
        with self.engine.begin() as connection:
            connection.execute(it.update().where(it.c.number == number).values(changed=local(at), **values))

    def remove(self, number: str) -> None:
        people = self.tables["people"]
        with self.engine.begin() as connection:
            connection.execute(people.delete().where(people.c.number == number))

    def bench(self, folder: Path) -> Bench:
        bench = Bench(Candidate("office", build, spec, self.trial), folder, batch=BATCH)
        bench.raw["connector"].update(interval_seconds=1, backfill_rows_per_second=BATCH)
        bench.raw["streams"]["consents"]["events"].append(WITHDRAWN)
        return bench

    @staticmethod
    def _table(name: str, data: MetaData) -> Table:
        texts = [Column(column, String(60), primary_key=column == "number") for column in COLUMNS[name]]
        return Table(name, data, *texts, Column("withdrawn", String(20)), Column("changed", DateTime()))

    @staticmethod
    def _trial(url: str) -> Any:
        class OfficeTrial(Trial):
            settings: Mapping[str, Any] = {
                "url": url,
                "reconcile_minutes": 0.15,
                "overlap_seconds": 60,
                "vanish_rows": 1000,
                "vanish_limit": 1.0,
            }
            streams: Mapping[str, Any] = {name: {"table": name, "version": "changed"} for name in COLUMNS}

        return OfficeTrial


def local(at: datetime) -> datetime:
    """As a database without zones writes it."""
    return at.astimezone(BERLIN).replace(tzinfo=None)


@pytest.fixture
def office(database_url: str) -> Iterator[Office]:
    made = Office(database_url)
    yield made
    made.engine.dispose()


def person(bench: Bench, number: int) -> str:
    return bench.key.person(f"P{number:07d}")


class Story:
    """Every second something happens; what it is must leave in that same second."""

    def __init__(self, office: Office, bench: Bench) -> None:
        self.office, self.bench = office, bench
        self.silent: set[str] = set()  # who withdrew or was removed

    def happen(self, second: int, at: datetime) -> set[tuple[str, str]]:
        """Something else every time; the events that it must bring."""
        number = 8 * second  # of those who consented
        match second % 4:
            case 0:
                self.office.change("people", f"P{number:07d}", at, name=f"Neu {second}")
                return {(person(self.bench, number), "PersonRegistered")}
            case 1:
                new = {name: rows[-1:] for name, rows in families(PEOPLE + 2 * second + 2).items()}
                new["consents"][0].update(
                    person=new["people"][0]["number"], family=new["people"][0]["family"]
                )
                self.office.put(new, at)
                who = self.bench.key.person(new["people"][0]["number"])
                return {(who, kind) for kind in ("SubjectRecorded", "ConsentGranted", "PersonRegistered")}
            case 2:
                self.office.remove(f"P{number:07d}")
                self.silent.add(person(self.bench, number))
                return set()
        self.office.change("consents", f"C{number:07d}", at, withdrawn=f"{local(at):%Y-%m-%d %H:%M:%S}")
        self.silent.add(person(self.bench, number))
        return {(person(self.bench, number), "ConsentWithdrawn")}


def test_beside_a_living_table(office: Office, tmp_path: Path) -> None:
    with closing(office.bench(tmp_path / "one")) as bench, closing(office.bench(tmp_path / "two")) as fresh:
        bench.all(0)
        first = bench.sent()
        assert bench.ask_again(START)
        story, steps = Story(office, bench), 0
        with bench.life() as connector:
            while bench.under_way():
                at = START + timedelta(seconds=steps)
                expected, before = story.happen(steps, at), bench.sent()
                assert bench.step(connector, at).backfilled <= BATCH
                left = list(bench._envelopes(before))
                told = {
                    (e["subject_ref"], e["event_type"]) for e in left if e["source_version"] == micros(at)
                }
                assert told >= expected, f"what happened in second {steps} did not leave in it"
                assert not [
                    e for e in left if e["boxes"] and is_content(e) and e["subject_ref"] in story.silent
                ]
                steps += 1
        fresh.all(1)
        again, afresh = bench.newest(first), fresh.newest()
        assert {record: again.get(record) for record in afresh} == afresh
        others = {e["subject_ref"] for e in bench._envelopes(first) if e["record_ref"] not in afresh}
        assert others <= story.silent, "of whom nothing may leave, nothing does"
    assert steps >= 2 * PEOPLE * 3 // 4 // BATCH
    assert len(story.silent) > 10


def is_content(envelope: Mapping[str, Any]) -> bool:
    return bool(envelope["event_type"] == "PersonRegistered")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def live(bench: Bench, at: datetime, point: str, count: int) -> int:
    """One life, until the point comes for the `count`th time or nothing is under way; its steps."""
    left, steps = count, 0

    def fail(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Killed

    with ExitStack() as stack:
        stack.enter_context(observed(fail))
        try:
            with bench.life() as connector:
                while bench.under_way():
                    steps += 1
                    bench.step(connector, at + timedelta(seconds=steps))
        except Killed:
            assert left == 0
    return steps


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    "point",
    [
        "connector.before_publish",
        "connector.after_publish",
        "connector.before_backfill_save",
        "connector.after_save",
    ],
)
def test_killed_and_gone_on_with_it_is_the_same(point: str, count: int, tmp_path: Path) -> None:
    found = []
    for name, deaths in (("whole", 0), ("killed", 2)):
        bench = Bench(Candidate("sql", build, spec, Trial), tmp_path / name, batch=3)
        bench.raw["connector"].update(interval_seconds=1, backfill_rows_per_second=3)
        with closing(bench):
            bench.write(families(12), 0)
            bench.all(0)
            before, sent = bench.facts(), bench.sent()
            assert bench.ask_again(START)
            for life in range(deaths):
                live(bench, START + timedelta(minutes=life), point, count)
                assert bench.under_way(), f"was done before it came to {point}"
            live(bench, START + timedelta(hours=1), "", 1)
            with closing(State(bench.config().state, lambda _: b"", alone=False)) as state:
                rows = {one.stream: one.rows for one in Backfills(state.db).all()}
            assert bench.facts(sent) == before
            found.append((bench.facts(sent), rows))
    assert found[0] == found[1]
    assert found[0][1] == {"people": 12, "consents": 6}


def test_a_killed_process_goes_on_where_it_was(house: Path, offices: Any) -> None:
    config = str(house)
    offices.edit(JC, lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 5\n"))
    run = [sys.executable, "-m", "hub", "connect"]
    for verb in (["run", config, "--once"], ["backfill", config, "--rows-per-second", "500"]):
        subprocess.run([*run, *verb], check=True, capture_output=True)
    facts, once = offices.facts(JC), numbers(offices)
    armed = os.environ | {"HUB_FAILPOINT": "connector.before_backfill_save:4"}
    died = subprocess.run([*run, "run", config, "--once"], env=armed, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert numbers(offices) != once
    subprocess.run([*run, "run", config, "--once"], check=True, capture_output=True)
    assert offices.facts(JC) == facts
    assert all(2 <= times <= 3 for times in numbers(offices).values())


def numbers(offices: Any) -> Counter[tuple[bytes, int]]:
    return Counter((e["event_id"], e["publication"]) for e in offices.envelopes(JC))


def test_a_correction_that_took_something_back_is_repeated(tmp_path: Path) -> None:
    """The hub may hold the older version: without the correction it would show what counts no longer."""
    bench = Bench(Candidate("sql", build, spec, Trial), tmp_path, batch=3)
    tables = families(30)
    with closing(bench):
        bench.write(tables, 0)
        bench.all(0)
        tables["consents"].pop(0)
        tables["people"][0]["name"] = "Anders"
        bench.write(tables, 1)
        bench.all(1)
        sent = bench.sent()
        assert bench.ask_again(evening(2))
        live(bench, evening(2), "", 1)
        mine = [e for e in bench._envelopes(sent) if e["subject_ref"] == person(bench, 0)]
    assert [(e["event_type"], e["boxes"], e["fields"]) for e in mine] == [("PersonRegistered", {}, {})]


def test_what_rests_on_less_than_before_says_so_under_the_next_number(tmp_path: Path) -> None:
    """The same number is never used for another content (protocol rule 2)."""
    bench = Bench(Candidate("sql", build, spec, Trial), tmp_path, batch=3)
    tables = families(30)
    twice = [*tables["consents"], {**tables["consents"][0], "number": "D0000000"}]
    with closing(bench):
        bench.write({**tables, "consents": twice}, 0)
        bench.all(0)
        first, sent = told_of(bench, {}), bench.sent()
        bench.write(tables, 1)
        bench.all(1)
        assert told_of(bench, sent) == []
        assert bench.ask_again(evening(2))
        live(bench, evening(2), "", 1)
        again = told_of(bench, sent)
    ((number, both),), ((following, left),) = first, again
    assert (number, len(both), following, len(left)) == (1, 2, 2, 1)
    assert set(left) < set(both)


@pytest.mark.parametrize("kind", ["sql", "snapshot_csv", "file_drop"])
def test_a_field_mapped_late_leaves_for_rows_that_nobody_touches(kind: str, tmp_path: Path) -> None:
    bench = Bench(candidate(kind), tmp_path, batch=3)
    with closing(bench):
        bench.write(families(4), 0)
        bench.all(0)
        old = {record for record, (type_, _) in bench.newest().items() if type_ == "PersonRegistered"}
        bench.write(families(6), 1)
        bench.all(1)
        sent = bench.sent()
        registered = bench.raw["streams"]["people"]["events"][1]["fields"]
        registered["contact"] = "remark"
        bench.all(2)
        assert not [fact for fact in bench.facts(sent) if fact.record in old]
        assert bench.ask_again(evening(2))
        live(bench, evening(2), "", 1)
        told = [fact for fact in bench.facts(sent) if fact.record in old]
    assert {fact.record for fact in told} == old
    assert len(told) == len(old) == 2
    assert all(fact.publication == 2 and f"{CANARY} says" in fact.content for fact in told)


def told_of(bench: Bench, after: Mapping[str, int]) -> list[tuple[int, list[str]]]:
    """Number and ground of what was said of the first person."""
    return [
        (e["publication"], sorted(e["consents"]))
        for e in bench._envelopes(after)
        if e["subject_ref"] == person(bench, 0) and e["event_type"] == "PersonRegistered"
    ]


@pytest.mark.parametrize(("kind", "key"), [("snapshot_csv", "number"), ("sql", ["family", "number"])])
def test_a_mapping_that_changes_on_the_way_counts_for_all_rows(kind: str, key: Any, tmp_path: Path) -> None:
    bench = Bench(candidate(kind), tmp_path, batch=3)
    bench.raw["connector"].update(interval_seconds=1, backfill_rows_per_second=3)
    with closing(bench):
        bench.write(families(12), 0)
        bench.all(0)
        assert bench.ask_again(START)
        with bench.life() as connector:
            given = sum(bench.step(connector, START + timedelta(seconds=n)).backfilled for n in range(3))
            assert given == 9
        sent = bench.sent()
        bench.raw["streams"]["people"]["key"] = key
        bench.raw["streams"]["people"]["events"][1]["fields"].pop("birth_date")
        live(bench, START + timedelta(minutes=1), "", 1)
        told = [fact for fact in bench.facts(sent) if fact.type == "PersonRegistered"]
    assert len(told) == 6
    assert not any("1990" in fact.content for fact in told)
