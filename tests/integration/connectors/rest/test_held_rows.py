"""JSON over HTTP: one row that cannot be read is held alone; the others go on, and its next good version is read."""

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import Row
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.mapping.lookups import RowTranslator
from connectors.sources.rest.shelf import LAST
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.rest.house import CHANGES, KEY, PEOPLE, Build, House, gone, person

Held = tuple[str, str, str]
BARE = object()


def told(house: House, rows: list[Row]) -> tuple[list[str], list[Held]]:
    """Keys of the rows that are said, and reason, column and place of those that are held."""
    there = [row for row in rows if not row.gone]
    events, held = RowTranslator(load_config(house.folder / "source.toml"), KEY).events(there)
    assert all(one.remedy for one in held)
    return [event.row_key for event in events], sorted({(one.reason, one.column, one.place) for one in held})


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


BAD: dict[str, tuple[Any, str, str]] = {
    "nothing": (None, "bad_row", ""),
    "text": ("P3", "bad_row", ""),
    "list": ([1, 2], "bad_row", ""),
    "member missing": (without(person(3), "geboren"), "column_missing", "geboren"),
    "inner member missing": (person(3) | {"akte": {"name": "x"}}, "column_missing", "/akte/nr"),
    "inner object of another kind": (person(3) | {"akte": "A3"}, "column_missing", "/akte/nr"),
    "key missing": (without(person(3), "nr"), "column_missing", "nr"),
    "key of another kind": (person(3) | {"nr": {"id": 3}}, "wrong_shape", "nr"),
    "object": (person(3, {"tag": 1}), "wrong_shape", "geboren"),  # type: ignore[arg-type]
    "list in a list": (person(3, [1, [2]]), "wrong_shape", "geboren"),  # type: ignore[arg-type]
    "nothing in a list": (person(3, ["2015-06-07", None]), "wrong_shape", "geboren"),  # type: ignore[arg-type]
    "half a surrogate": (person(3, "\ud800"), "unreadable_text", "geboren"),
    "control character": (person(3) | {"nr": "3\0"}, "unreadable_text", "nr"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_one_bad_row_waits_alone_until_it_is_good(
    built: Build, interface: Interface, kind: str, *, before: bool
) -> None:
    bad, reason, column = BAD[kind]
    house = built()
    if before:
        house.step()
    interface.lists[PEOPLE][2:3] = [bad]
    interface.lists[PEOPLE].append(person(6))
    rows, incidents = house.step()
    said, held = told(house, rows)
    others = ["6"] if before else ["1", "2", "4", "5", "6"]
    assert (sorted(said), held, gone(rows), incidents) == (others, [(reason, column, "people:3")], 0, [])
    interface.lists[PEOPLE][2] = person(3, "2016-01-01")
    rows, incidents = house.step()
    assert (told(house, rows), incidents) == ((["3"], []), [])


@pytest.mark.parametrize("kind", BAD)
def test_one_bad_row_among_changes_waits_alone(built: Build, interface: Interface, kind: str) -> None:
    house = built("", CHANGES)
    house.step()
    bad, reason, column = BAD[kind]
    good, later = interface.lists[PEOPLE][2], {"stand": "2026-11-20T19:00:00Z"}
    changed = [person(2, "2016-02-02", **later), bad | later if isinstance(bad, dict) else bad]
    interface.special = [lambda: (200, {}, json.dumps({"daten": changed}).encode())]
    rows, incidents = house.step()
    said, held = told(house, rows)
    assert (said, [one[:2] for one in held], gone(rows), incidents) == (["2"], [(reason, column)], 0, [])
    interface.lists[PEOPLE][1] = changed[0]
    interface.lists[PEOPLE][2] = person(3, "2016-03-03", **later)
    rows, incidents = house.step()
    assert (told(house, rows), incidents) == ((["3"], []), [])
    assert good["nr"] == 3
    assert house.step() == ([], [])


def test_a_row_without_a_key_asks_for_a_whole_reading_next(built: Build, interface: Interface) -> None:
    house = built("reconcile_minutes = 0\n", CHANGES)
    house.step()
    interface.special = [lambda: (200, {}, b'{"daten": [null]}')]
    house.step()
    interface.asked.clear()
    house.step()
    assert not interface.asked[-1].endswith("Z")
    house.step()
    assert "seit=" in interface.asked[-1]


@pytest.mark.parametrize("stand", ["gestern", {"am": 1}, BARE])
def test_a_version_that_cannot_be_read_holds_its_row(built: Build, interface: Interface, stand: Any) -> None:
    house = built("", CHANGES)
    house.step()
    row = person(3, "2016-03-03", stand=stand)
    interface.lists[PEOPLE][2] = without(row, "stand") if stand is BARE else row
    house.now += timedelta(days=2)
    rows, incidents = house.step()
    assert (told(house, rows), gone(rows), incidents) == (
        ([], [("unreadable_version", "stand", "people:3")]),
        0,
        [],
    )
    interface.lists[PEOPLE][2] = person(3, "2016-03-03", stand="2026-11-20T19:00:00Z")
    house.now += timedelta(days=2)
    assert told(house, house.step()[0]) == (["3"], [])


def test_too_many_bad_rows_are_the_interface_s_matter(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [person(n) for n in range(1, 100)]
    house = built()
    house.step()
    good = list(interface.lists[PEOPLE])
    interface.lists[PEOPLE][40:60] = [None] * 20
    assert house.reasons() == ["bad_row"]
    interface.lists[PEOPLE] = good
    assert house.step() == ([], [])


def test_a_held_row_is_read_again_from_what_was_fetched(built: Build, interface: Interface) -> None:
    """A new process knows from its own file why each row is held."""
    interface.lists[PEOPLE][1:3] = [None, without(person(3), "geboren")]
    house = built()
    house.step(dies_after=0)
    house.restart()
    assert house.state.meta(LAST) is None
    said, held = told(house, house.step()[0])
    assert (said, held) == (
        ["1", "4", "5"],
        [("bad_row", "", "people:2"), ("column_missing", "geboren", "people:3")],
    )
