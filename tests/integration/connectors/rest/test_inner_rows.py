"""Rows that stand in rows (the persons of a case): each with what stands around it, however the interface pages."""

from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.sources.rest.config import rest_settings
from hub.errors import ConfigurationError
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.rest.house import HEAD, PAGINGS, PEOPLE, Build

STREAM = """
[streams.people]
key = ["../nr", "id"]
gone = {{ column = "../zu", in = ["true"] }}
[streams.people.request]
path = "/v1/personen"
rows = "{rows}"
total = "/gesamt"
{more}
[[streams.people.events]]
type = "CustodyChanged"
subject = "id"
case = "../nr"
occurred_at = "@version"
[streams.people.events.fields]
custodians = {{ column = "/sorge/*/id", person = true }}
"""


def case(number: int, *persons: Any, **more: Any) -> dict[str, Any]:
    found = [{"id": f"P{each}", "sorge": [{"id": "M1"}, {"id": "V1"}]} for each in persons]
    return {"nr": f"A{number}", "zu": False, "personen": found} | more


@pytest.fixture
def inner(monkeypatch: pytest.MonkeyPatch, built: Build) -> Build:
    def build(settings: str = "", more: str = "", rows: str = "/daten/*/personen") -> Any:
        text = STREAM.replace("{rows}", rows)
        monkeypatch.setattr("tests.integration.connectors.rest.house.STREAM", text)
        return built(settings, more)

    return build


@pytest.mark.parametrize("paging", PAGINGS)
def test_every_inner_row_arrives_whatever_leads_to_the_next_page(
    inner: Build, interface: Interface, paging: str
) -> None:
    interface.paging = paging
    interface.lists[PEOPLE] = [case(1), case(2), case(3, 1, 2), case(4, 3, zu=True), case(5, 1)]
    house = inner(PAGINGS[paging])
    rows, incidents = house.step()
    there = [row.values for row in rows if not row.gone]
    found = {(row["../nr"], row["id"]): row["/sorge/*/id"] for row in there}
    assert incidents == []
    assert found == {key: ["M1", "V1"] for key in (("A3", "P1"), ("A3", "P2"), ("A5", "P1"))}
    assert house.step() == ([], [])


def test_what_leaves_its_case_is_gone(inner: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [case(1, *range(40))]
    house = inner()
    house.step()
    interface.lists[PEOPLE] = [case(1, *(n for n in range(40) if n != 2))]
    rows, _ = house.step()
    assert [(row.gone, row.values.get("id")) for row in rows] == [(True, None)]


def test_a_list_that_is_not_there_is_no_empty_list_unless_agreed(inner: Build, interface: Interface) -> None:
    without = {"nr": "A2", "zu": False}
    interface.lists[PEOPLE] = [case(1, 1), without, case(3, personen=None), case(4, "x", personen=[None])]
    rows, incidents = inner().step()
    told = [(row.key if row.fault is None else row.fault.reason, row.place) for row in rows]
    assert (told, incidents) == (
        [("A1\x1fP1", "people:1"), ("bad_row", "people:2"), ("bad_row", "people:3")],
        [],
    )


def test_no_inner_row_vanishes_with_the_list_around_it(inner: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [case(1, 1), case(2, 2)]
    house = inner()
    house.step()
    interface.lists[PEOPLE] = [case(1, 1), {"nr": "A2", "zu": False}]
    rows, incidents = house.step()
    assert ([row.fault and row.fault.reason for row in rows], incidents) == (["bad_row"], [])
    interface.lists[PEOPLE] = [case(1, 1), case(2, 3)]
    rows, incidents = house.step()
    assert sorted((row.gone, row.values.get("id", "")) for row in rows) == [
        (False, "P3"),
        (True, ""),
        (True, ""),
    ]


def test_a_list_may_be_left_out_where_that_is_agreed(inner: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [case(1, 1), {"nr": "A2", "zu": False}]
    rows, incidents = inner(more='optional = "personen"').step()
    assert ([row.values["id"] for row in rows], incidents) == (["P1"], [])


def test_what_stands_around_keeps_its_other_members(inner: Build, interface: Interface) -> None:
    persons = case(1, 1)["personen"]
    interface.lists[PEOPLE] = [{"nr": "A1", "zu": False, "haus": {"art": "x", "personen": persons}}]
    rows, _ = inner(rows="/daten/*/haus/personen").step()
    assert [row.values["../nr"] for row in rows] == ["A1"]


@pytest.mark.parametrize("rows", ["/daten", "/daten/*"])
def test_rows_in_nothing_have_nothing_around_them(tmp_path: Path, rows: str) -> None:
    text = HEAD.format(url="https://fach.example") + STREAM.replace("{rows}", rows).format(more="")
    (tmp_path / "source.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        rest_settings(load_config(tmp_path / "source.toml"))
