"""Where a person's number is part of a row's key, the row with the newer number continues the record of the older one;
where both rows stand in the source, they stay two."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, families
from connectors.pipeline.config.connector import parse_config
from tests.support.candidates import candidate

KINDS = ("sql", "sql_outbox", "snapshot_csv", "file_drop", "xml", "rest", "example")
KEYS: tuple[Any, ...] = ("number", ["family", "number"])
OLD, NEW, NEWER = "P0000000", "NEU-0", "NEU-1"


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(candidate(request.param), tmp_path / "bench")) as made:
        made.raw["connector"]["aliases"] = "aliases.csv"
        if request.param in ("snapshot_csv", "file_drop", "xml", "rest"):
            made.raw["settings"]["vanish_limit"] = 1.0
        say(made)
        yield made


def say(bench: Bench, *lines: str) -> None:
    (bench.folder / "system" / "aliases.csv").write_text("\n".join(["neu;alt", *lines, ""]), encoding="utf-8")


def people(*numbers: str, name: str = "") -> dict[str, Any]:
    """Four families; the first person's rows stand under these numbers."""
    tables: dict[str, Any] = families(8)
    first = tables["people"].pop(0)
    tables["people"] += [{**first, "number": number, "name": name or f"Anna {number}"} for number in numbers]
    tables["consents"][0]["person"] = numbers[0]
    return tables


def registered(bench: Bench) -> dict[str, bytes]:
    """Name → the record that says it now, of the first person."""
    mine = {e["record_ref"] for e in bench._envelopes() if e["subject_ref"] == bench.key.person(OLD)}
    said = {ref: content for ref, (kind, content) in bench.newest().items() if kind == "PersonRegistered"}
    return {content.split("'names', '")[1].split("'")[0]: ref for ref, content in said.items() if ref in mine}


def vanished(bench: Bench, day: int) -> int:
    """All that there is is read; how many rows were taken for gone."""
    return sum(sum(report.vanished.values()) for report in bench.all(day))


@pytest.mark.parametrize("key", KEYS, ids=["alone", "composite"])
def test_a_newer_number_continues_the_record(bench: Bench, key: Any) -> None:
    bench.raw["streams"]["people"]["key"] = key
    bench.write(people(OLD, name="Anna"), 0)
    bench.all(0)
    before, sent = registered(bench), bench.sent()
    say(bench, f"{NEWER};{NEW}", f"{NEW};{OLD}")
    bench.write(people(NEWER, name="Anna"), 1)
    assert vanished(bench, 1) == 0
    assert bench.sent() == sent, "nothing is said twice"
    bench.write(people(NEWER, name="Anna Neu"), 2)
    assert vanished(bench, 2) == 0
    assert registered(bench) == {"Anna Neu": before["Anna"]}
    assert sum(report.events for report in bench.all(3)) == 0
    assert bench.waiting() == []
    bench.write(people("P0000099", name="Bea"), 4)
    assert vanished(bench, 4) == 1, "it is known under which key it counted"


@pytest.mark.parametrize("key", KEYS, ids=["alone", "composite"])
def test_two_rows_that_stand_stay_two(bench: Bench, key: Any) -> None:
    bench.raw["streams"]["people"]["key"] = key
    bench.write(people(OLD), 0)
    bench.all(0)
    say(bench, f"{NEW};{OLD}")
    bench.write(people(OLD, NEW), 1)
    assert vanished(bench, 1) == 0
    both = registered(bench)
    assert both.keys() == {f"Anna {OLD}", f"Anna {NEW}"}
    assert len(set(both.values())) == 2
    assert bench.waiting() == []
    bench.write(people(NEW), 2)
    assert vanished(bench, 2) == 1, "the older one is gone, and the newer one goes on as itself"
    bench.write(people(NEW, name="Anna Neu"), 3)
    assert vanished(bench, 3) == 0
    assert registered(bench)["Anna Neu"] == both[f"Anna {NEW}"]


def test_an_older_row_that_is_spelt_otherwise_stands_too(bench: Bench) -> None:
    """A blank that does not break stands behind the older number in the source."""
    bench.write(people(f"{OLD}\u00a0", name=f"Anna {OLD}"), 0)
    bench.all(0)
    say(bench, f"{NEW};{OLD}")
    tables = people(f"{OLD}\u00a0", NEW)
    tables["people"] = [
        row if row["number"] == NEW else {**row, "name": row["name"].replace("\u00a0", "")}
        for row in tables["people"]
    ]
    bench.write(tables, 1)
    assert vanished(bench, 1) == 0
    both = registered(bench)
    assert both.keys() == {f"Anna {OLD}", f"Anna {NEW}"}
    assert len(set(both.values())) == 2
    assert bench.waiting() == []


def test_the_older_row_may_come_back_beside_the_newer_one(bench: Bench) -> None:
    bench.write(people(OLD), 0)
    bench.all(0)
    (first,) = registered(bench).values()
    say(bench, f"{NEW};{OLD}")
    bench.write(people(NEW), 1)
    bench.all(1)
    bench.write(people(OLD, NEW), 2)
    for day in (2, 3):
        assert vanished(bench, day) == 0
    both = registered(bench)
    assert both[f"Anna {OLD}"] == first
    assert both[f"Anna {NEW}"] != first


def test_of_two_newer_numbers_nobody_can_tell_which_continues(bench: Bench) -> None:
    bench.write(people(OLD), 0)
    bench.all(0)
    (first,) = registered(bench).values()
    say(bench, f"{NEW};{OLD}", f"{NEWER};{OLD}")
    bench.write(people(NEW, NEWER), 1)
    bench.all(1)
    both = registered(bench)
    assert {both[f"Anna {NEW}"], both[f"Anna {NEWER}"]}.isdisjoint({first})
    assert bench.waiting() == []


@pytest.mark.parametrize("bench", [kind for kind in KINDS if kind != "sql_outbox"], indirect=True)
def test_a_row_that_says_that_it_is_gone_stands_no_longer(bench: Bench) -> None:
    """As a system marks it that renumbers a person by a new row. An outbox says it in every test."""
    bench.raw["streams"]["people"]["gone"] = {"column": "remark", "in": ["weg"]}
    bench.write(people(OLD, name="Anna"), 0)
    bench.all(0)
    before, sent = registered(bench), bench.sent()
    say(bench, f"{NEW};{OLD}")
    tables = people(OLD, NEW, name="Anna")
    tables["people"][-2]["remark"] = "weg"
    tables["consents"][0]["person"] = NEW
    bench.write(tables, 1)
    assert vanished(bench, 1) == 0
    assert bench.sent() == sent
    assert registered(bench) == before


def test_which_columns_hold_persons_is_read_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("neu;alt\nN;A\n", encoding="utf-8")
    event = {
        "type": "PersonRegistered",
        "subject": "p",
        "case": {"by": "p", "lookup": "faelle", "column": "fall"},
        "occurred_at": "ab",
        "fields": {"names": "name"},
    }
    custody = {
        "type": "CustodyChanged",
        "subject": "kind",
        "case": "fall",
        "occurred_at": "ab",
        "fields": {"custodians": {"column": "sorge", "person": True}, "part": "teil"},
    }
    raw = {
        "agency": {"id": "jc-x", "kind": "jobcenter"},
        "connector": {"kind": "sql", "state": "s", "pseudonyms": "p", "aliases": "a.csv"},
        "lookups": {"faelle": {"stream": "mitglieder", "key": "nr", "columns": ["fall"]}},
        "streams": {
            "personen": {"key": ["p", "ab"], "events": [event]},
            "mitglieder": {"key": ["fall", "nr"], "events": []},
            "sorge": {"key": ["kind", "sorge", "fall"], "events": [custody]},
        },
    }
    found = {name: stream.persons for name, stream in parse_config(raw, tmp_path).streams.items()}
    assert found == {"personen": {"p"}, "mitglieder": {"nr"}, "sorge": {"kind", "sorge"}}


@pytest.mark.parametrize("bench", ["rest"], indirect=True)
def test_an_interface_that_tells_what_changed_need_not_tell_what_is_gone(bench: Bench) -> None:
    bench.raw["settings"]["reconcile_minutes"] = 100_000
    bench.write(people(OLD, name="Anna"), 0)
    bench.all(0)
    before, sent = registered(bench), bench.sent()
    say(bench, f"{NEW};{OLD}")
    bench.write(people(NEW, name="Anna"), 1)
    bench.all(1)
    assert bench.sent() == sent
    bench.write(people(NEW, name="Anna Neu"), 2)
    bench.all(2)
    assert registered(bench) == {"Anna Neu": before["Anna"]}


@pytest.mark.parametrize("bench", ["file_drop", "xml"], indirect=True)
@pytest.mark.parametrize("marked", [False, True])
def test_files_of_changes(bench: Bench, *, marked: bool) -> None:
    """What is not said to be gone stands, where a mark would say it; else the last word counts."""
    bench.raw["streams"]["people"]["changes"] = True
    if marked:
        bench.raw["streams"]["people"]["gone"] = {"column": "remark", "in": ["weg"]}
    bench.write(people(OLD, name="Anna"), 0)
    bench.all(0)
    sent = bench.sent()
    say(bench, f"{NEW};{OLD}")
    tables = people(NEW, name="Anna")
    tables["people"] = tables["people"][-1:]
    bench.write(tables, 1)
    bench.all(1)
    assert (bench.sent() == sent) is not marked
    assert bench.waiting() == []


@pytest.mark.parametrize("bench", ["file_drop", "xml"], indirect=True)
def test_a_row_that_comes_again_in_a_file_of_changes_sets_the_newer_one_apart(bench: Bench) -> None:
    bench.raw["streams"]["people"]["changes"] = True
    say(bench, f"{NEW};{OLD}")
    for day, number in enumerate((OLD, NEW, OLD)):
        bench.write(people(number, name=f"Anna {day}"), day)
        bench.all(day)
    assert registered(bench).keys() == {"Anna 1", "Anna 2"}
    assert sum(report.events for report in bench.all(3)) == 0
