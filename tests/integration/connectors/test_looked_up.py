"""A field or a part of a key may stand in another stream: what is not found there holds its row alone, and what changes
there is said again."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Fact, evening, families
from connectors.tools.dry_run.checking import examine
from hub.failpoints import observed
from tests.support.candidates import candidate

KINDS = ("sql", "sql_outbox", "snapshot_csv", "file_drop", "xml", "rest", "example")
SIZE = 24
Tables = dict[str, list[dict[str, str]]]
OFFICES = {"stream": "people", "key": "number", "columns": ["name", "remark", "family"]}
SAYS = {"lookup": "offices", "by": "family", "column": "name"}
"""The row of an office stands among the people; nobody has consented that anything of it leaves."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with closing(Bench(candidate(request.param), tmp_path / "bench")) as made:
        made.raw["lookups"] = {"offices": OFFICES}
        yield made


def changed(**event: Any) -> dict[str, Any]:
    """The event of a consent's row that says what its office is called."""
    return {
        "type": "PersonChanged",
        "subject": "person",
        "case": "family",
        "occurred_at": "granted",
        "fields": {"names": SAYS},
        **event,
    }


def tables(**names: str) -> Tables:
    """Families, and their offices by these names."""
    found: Tables = families(SIZE)
    names = {f"F{n:07d}": f"Office {n}" for n in range(0, SIZE, 2)} | names
    offices = [
        {**found["people"][0], "number": family, "family": f"Z{family}", "name": name, "remark": "x"}
        for family, name in names.items()
    ]
    found["people"] += [row for row in offices if row["name"]]
    return found


def said(bench: Bench, after: Any) -> list[str]:
    """The offices' names that left."""
    return sorted(f"{content}" for kind, content in bench.newest(after).values() if kind == "PersonChanged")


def names(*numbers: int) -> list[str]:
    return sorted(f"[('names', 'Office {n}')]" for n in numbers)


def test_what_stands_in_another_stream_is_said_and_said_again(bench: Bench) -> None:
    bench.raw["streams"]["consents"]["events"].append(changed())
    there = [n for n in range(0, SIZE, 2) if n != 4]
    bench.write(tables(F0000004=""), 0)
    before = bench.sent()
    bench.all(0)
    assert said(bench, before) == names(*there), "a row for which nothing is found waits alone"
    assert bench.waiting() == ["lookup_missing"]
    before = bench.sent()
    assert sum(report.events for report in bench.all(0)) == 0
    bench.write(tables(F0000000="Other", F0000004="Late"), 1)
    bench.all(1)
    assert said(bench, before) == ["[('names', 'Late')]", "[('names', 'Other')]"]
    assert bench.waiting() == []
    assert sum(report.events for report in bench.all(1)) == 0
    before = bench.sent()
    bench.write(tables(F0000000="Other", F0000004=""), 2)
    bench.all(2)
    bench.all(2)
    assert said(bench, before) == [], "what was said stays while its row waits"
    assert bench.waiting() == ["lookup_missing"]
    assert sum(report.events for report in bench.all(2)) == 0
    bench.write(tables(F0000000="Other", F0000004="Back"), 3)
    bench.all(3)
    assert said(bench, before) == ["[('names', 'Back')]"]
    assert bench.waiting() == []


def test_it_is_said_again_within_one_life(bench: Bench) -> None:
    bench.raw["streams"]["consents"]["events"].append(changed())
    with bench.life() as connector:
        for day, name in enumerate(("A", "", "C", "C", "D")):
            bench.write(tables(F0000000=name), day)
            before = bench.sent()
            while bench.step(connector, evening(day)).more:
                pass
            bench.step(connector, evening(day))
            new = said(bench, before)
            assert bench.waiting() == ([] if name else ["lookup_missing"])
            if day:
                assert new == ([f"[('names', '{name}')]"] if name and day != 3 else [])


def test_a_default_stands_in_place_of_what_is_not_there(bench: Bench) -> None:
    event = changed(fields={"names": {**SAYS, "default": "nobody"}})
    bench.raw["streams"]["consents"]["events"].append(event)
    bench.write(tables(F0000004=""), 0)
    before = bench.sent()
    bench.all(0)
    assert "[('names', 'nobody')]" in said(bench, before)
    assert bench.waiting() == []
    before = bench.sent()
    bench.write(tables(), 1)
    bench.all(1)
    assert said(bench, before) == names(4)


def test_a_gate_learns_what_another_stream_says_of_a_signer(bench: Bench) -> None:
    """The birth date of whoever signs stands elsewhere: while it is unknown, nothing is signed."""
    recorded = {
        "type": "SubjectRecorded",
        "subject": "person",
        "case": "family",
        "occurred_at": "granted",
        "fields": {"birth_date": {**SAYS, "column": "born"}},
    }
    people, consents = (bench.raw["streams"][name]["events"] for name in ("people", "consents"))
    bench.raw["lookups"] = {"offices": {**OFFICES, "columns": ["born"]}}
    del people[0]
    consents.append(recorded)
    young = tables()
    for row in young["people"]:
        row["born"] = "2020-02-28" if row["number"] == "F0000002" else row["born"]
    bench.write(young, 0)
    before = bench.sent()
    bench.all(0)
    registered = [content for kind, content in bench.newest(before).values() if kind == "PersonRegistered"]
    assert len(registered) == SIZE // 2 - 1, "a child cannot sign alone"
    before = bench.sent()
    with bench.life() as connector:
        bench.step(connector, evening(0))
        bench.write(tables(), 1)
        bench.step(connector, evening(1))
        bench.step(connector, evening(1))
    kinds = sorted(kind for kind, _ in bench.newest(before).values())
    assert kinds == ["PersonRegistered", "SubjectRecorded"]


def test_a_part_of_the_key_stands_in_another_stream(bench: Bench) -> None:
    """A record is called by what stands there; two rows that come to one name are not both said."""
    consents = bench.raw["streams"]["consents"]
    consents["events"].append(changed(fields={"names": {"constant": "there"}}))
    consents["key"] = ["number", {**SAYS, "column": "remark"}]
    with_file = deepcopy(tables(F0000004=""))
    bench.write(with_file, 0)
    bench.all(0)
    assert bench.waiting() == ["lookup_missing"] * 2, "of each event"
    first = bench.newest()
    assert sum(kind == "PersonChanged" for kind, _ in first.values()) == SIZE // 2 - 1
    assert sum(report.events for report in bench.all(0)) == 0
    bench.write(tables(), 1)
    bench.all(1)
    assert bench.waiting() == []
    assert bench.newest().keys() > first.keys(), "what was said keeps its name"
    again = tables()
    for row in again["people"]:
        row["remark"] = "y" if row["number"] == "F0000000" else row["remark"]
    bench.write(again, 2)
    before = bench.sent()
    bench.all(2)
    said = sorted(content for kind, content in bench.newest(before).values() if kind == "PersonChanged")
    assert said == ["[('names', 'there')]", "[]"], "under its new name, and taken back under the old one"
    assert sum(report.events for report in bench.all(2)) == 0


def test_two_rows_that_come_to_one_name_are_not_both_said(bench: Bench) -> None:
    consents = bench.raw["streams"]["consents"]
    consents["events"].append(changed(fields={"names": {"constant": "there"}}))
    consents["key"] = [{**SAYS, "column": "remark"}, {**SAYS, "column": "name"}]
    twice = tables()
    for row in twice["consents"]:
        row["person"], row["granted"] = "P0000000", "2026-10-02 09:00:00"
    for row in twice["people"]:
        row["name"] = "one" if row["number"] in {"F0000002", "F0000006"} else row["name"]
    bench.write(twice, 0)
    installed = bench.candidate.name != "example"
    faults = examine(bench.config(), bench.key, evening(0)).faults if installed else []
    bench.all(0)
    waiting = bench.waiting()
    assert set(waiting) == {"duplicate_key"}
    assert not installed or [one.records for one in faults if one.reason == "duplicate_key"]
    assert sum(kind == "PersonChanged" for kind, _ in bench.newest().values()) in (
        SIZE // 2 - 1,
        SIZE // 2 - 2,
    )
    assert sum(report.events for report in bench.all(0)) == 0
    bench.write({**twice, "people": tables()["people"]}, 1)
    bench.all(1)
    assert bench.waiting() == []


def swapping(bench: Bench, *, alike: bool = False) -> Callable[..., Tables]:
    """Of two rows of one person, another stream says which is which record; they say who has custody, both `alike` or
    each somebody else."""
    consents = bench.raw["streams"]["consents"]
    who = {"column": "person" if alike else "number", "person": True}
    consents["key"] = ["person", {**SAYS, "column": "remark"}]
    consents["events"] = [
        {
            "type": "CustodyChanged",
            "subject": "person",
            "case": "family",
            "occurred_at": "granted",
            "fields": {"custodians": who},
        },
        changed(fields={"names": "number"}, case={"by": "person", "lookup": "case", "column": "family"}),
        *consents["events"],
    ]
    consents["events"][0]["case"] = consents["events"][1]["case"]
    bench.raw["lookups"]["case"] = {"stream": "people", "key": "number", "columns": ["family"]}

    def written(**remarks: str) -> Tables:
        found = tables()
        for row in found["people"]:
            row["remark"] = remarks.get(row["number"], row["number"])
        for row in found["consents"][:2]:
            row["person"], row["granted"] = "P0000000", "2026-10-02 09:00:00"
        return found

    return written


@pytest.mark.parametrize("alike", [False, True])
def test_rows_that_change_places_say_each_others_records(bench: Bench, *, alike: bool) -> None:
    """What one row says no longer, the other one says now: nothing is taken back, until that row is gone, too."""
    written = swapping(bench, alike=alike)
    bench.write(written(), 0)
    bench.all(0)
    before = bench.newest()
    bench.write(written(F0000000="F0000002", F0000002="F0000000"), 1)
    bench.all(1)
    assert bench.waiting() == []
    after = bench.newest()
    assert after.keys() == before.keys()
    assert sorted(after.values()) == sorted(before.values())
    assert sum(report.events for report in bench.all(1)) == 0


@pytest.mark.parametrize("kind", ["sql", "snapshot_csv"])
def test_rows_that_are_read_one_by_one_change_places_all_the_same(kind: str, tmp_path: Path) -> None:
    with closing(Bench(candidate(kind), tmp_path / "bench", batch=1)) as bench:
        bench.raw["lookups"] = {"offices": OFFICES}
        written = swapping(bench)
        bench.write(written(), 0)
        bench.all(0)
        before = bench.newest()
        for day in (1, 2):  # a file is read once: what waits there is looked at with the next one
            tables = written(F0000000="F0000002", F0000002="F0000000")
            tables["people"][1]["born"] = f"1990-02-0{day}"
            bench.write(tables, day)
            bench.all(day)
        assert bench.waiting() == []
        after = bench.newest()
        assert after.keys() == before.keys()
        assert sorted(after.values()) == sorted(before.values())


def test_whoever_is_read_again_says_no_record_that_two_rows_claim(tmp_path: Path) -> None:
    """Their custody is news to the gate, so the person is read again; the rows wait all the same."""
    with closing(Bench(candidate("sql"), tmp_path / "bench")) as bench:
        bench.raw["lookups"] = {"offices": OFFICES}
        written = swapping(bench)
        fewer, both = written(), written(F0000000="one", F0000002="one")
        fewer["consents"] = fewer["consents"][2:]
        for day, tables in enumerate((fewer, both)):
            bench.write(tables, day)
            before = bench.sent()
            bench.all(day)
        assert set(bench.waiting()) == {"duplicate_key"}
        assert not [kind for kind, _ in bench.newest(before).values() if kind == "PersonChanged"]


def one_office(name: str) -> Tables:
    """All consents name one office."""
    found = tables(F0000000=name)
    for row in found["consents"]:
        row["family"] = "F0000000"
    return found


def after_a_change(folder: Path, point: str = "", count: int = 0) -> list[Fact]:
    """What is said when the office of many rows gets another name; `point`: where the first life of that day ends when
    it comes there for the `count`th time."""

    def fail(name: str) -> None:
        nonlocal count
        count -= name == point
        if name == point and count == 0:
            raise Killed

    with closing(Bench(candidate("sql"), folder)) as bench:
        bench.raw["lookups"] = {"offices": OFFICES}
        bench.raw["streams"]["consents"]["events"].append(changed())
        bench.write(one_office("Old"), 0)
        bench.all(0)
        bench.write(one_office("New"), 1)
        before = bench.sent()
        if point:
            with ExitStack() as stack:
                stack.enter_context(observed(fail))
                connector = stack.enter_context(bench.life())
                with pytest.raises(Killed):
                    bench.step(connector, evening(1))
        bench.all(1)
        assert sum(report.events for report in bench.all(1)) == 0
        return bench.facts(before)


def test_killed_at_every_point_it_is_said_again_all_the_same(tmp_path: Path) -> None:
    expected = after_a_change(tmp_path / "whole")
    assert sum(fact.content == "[('names', 'New')]" for fact in expected) == SIZE // 2
    points = ("connector.before_publish", "connector.after_publish", "connector.after_save")
    for point in (*points, "connector.after_saying_again"):
        for count in (1, 2, 4):
            assert after_a_change(tmp_path / f"{point}-{count}", point, count) == expected


def test_nothing_that_is_found_stands_in_the_state(tmp_path: Path) -> None:
    with closing(Bench(candidate("snapshot_csv"), tmp_path / "bench")) as bench:
        bench.raw["lookups"] = {"offices": OFFICES}
        bench.raw["streams"]["consents"]["events"].append(changed())
        bench.raw["streams"]["consents"]["key"] = ["number", {**SAYS, "column": "remark"}]
        bench.write(tables(F0000004=""), 0)
        bench.all(0)
        content = b"".join(path.read_bytes() for path in bench.folder.glob("state.sqlite*"))
    assert b"looked" in content
    assert not [word for word in (b"Office", b"F0000000", b"C0000000") if word in content]


def test_nothing_is_concluded_from_a_stream_that_cannot_be_read(tmp_path: Path) -> None:
    with closing(Bench(candidate("sql"), tmp_path / "bench")) as bench:
        trial: Any = bench.trial
        bench.raw["lookups"] = {"offices": OFFICES}
        bench.raw["streams"]["consents"]["events"].append(changed())
        bench.write(tables(), 0)
        bench.all(0)
        before = bench.sent()
        with trial.database() as db:
            db.execute("ALTER TABLE people RENAME TO elsewhere")
        bench.all(0)
        assert len(bench.waiting()) == 1, "the stream stands still, and no row of another one waits for it"
        with trial.database() as db:
            db.execute("ALTER TABLE elsewhere RENAME TO people")
        bench.all(0)
        assert bench.waiting() == []
        assert said(bench, before) == []
