"""JSON over HTTP from a real server: every way of paging, whole states and what changed."""

from datetime import UTC, datetime, timedelta

import pytest

import connectors.sources.rest as kind
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.config.kinds import load_kind
from hub.domain.clock import micros
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.rest.house import CHANGES, PAGINGS, PEOPLE, Build, gone, keys, person


def test_the_kind_is_found_by_its_name() -> None:
    assert load_kind("rest").spec == kind.spec


@pytest.mark.parametrize("paging", PAGINGS)
def test_every_way_of_paging_reads_all_rows_once(built: Build, interface: Interface, paging: str) -> None:
    interface.paging = paging
    house = built(PAGINGS[paging])
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["1", "2", "3", "4", "5"], [])
    assert rows[0].values == {"nr": "1", "geboren": "2015-06-07", "/akte/nr": "A1", "geloescht": ""}
    assert house.step() == ([], [])
    assert house.source.discover() == {"people": ("/akte/name", "/akte/nr", "geboren", "nr", "ort", "stand")}


def test_what_changed_and_what_vanished(built: Build, interface: Interface) -> None:
    house = built("vanish_rows = 10\nvanish_limit = 0.5\n")
    house.step()
    interface.lists[PEOPLE] = [person(1, "2016-01-01"), *interface.lists[PEOPLE][2:], person(6)]
    rows, _ = house.step()
    assert (keys(rows), gone(rows)) == (["1", "6"], 1)
    interface.lists[PEOPLE].append(person(2))
    assert keys(house.step()[0]) == ["2"]


def test_nothing_of_a_person_stands_readable_on_the_disk(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [person(7654321, "2015-06-07")]
    house = built()
    house.step()
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".spool" for path in files)
    for path in files:
        content = path.read_bytes()
        assert b"7654321" not in content
        assert b"ZZCANARYZZ" not in content


def test_too_many_that_vanished_wait_for_a_person(built: Build, interface: Interface) -> None:
    house = built("vanish_rows = 3\n")
    house.step()
    whole = interface.lists[PEOPLE]
    interface.lists[PEOPLE] = whole[:1]
    assert house.reasons() == ["snapshot_held"]
    assert house.reasons() == ["snapshot_held"]
    held = house.source.held()
    assert held is not None
    assert (held.stream, held.share) == ("people", 0.8)
    waiting = kind.waiting(load_config(house.folder / "source.toml"), house.state)
    assert waiting.accept() == held
    house.restart()
    rows, incidents = house.step()
    assert (keys(rows), gone(rows), incidents) == ([], 4, [])
    assert house.source.held() is None
    assert house.step() == ([], [])


def test_what_was_held_is_forgotten_when_the_rows_are_back(built: Build, interface: Interface) -> None:
    house = built()
    house.step()
    whole = interface.lists[PEOPLE]
    interface.lists[PEOPLE] = []
    assert house.reasons() == ["snapshot_held"]
    interface.lists[PEOPLE] = whole
    assert house.step() == ([], [])
    assert house.source.held() is None


def test_what_was_accepted_covers_nothing_that_came_later(built: Build, interface: Interface) -> None:
    house = built("vanish_rows = 0\n")
    house.step()
    interface.lists[PEOPLE] = interface.lists[PEOPLE][:2]
    assert house.reasons() == ["snapshot_held"]
    interface.lists[PEOPLE] = interface.lists[PEOPLE][:1]
    assert house.reasons() == ["snapshot_held"]
    house.source.accept()
    assert gone(house.step()[0]) == 4


@pytest.mark.parametrize("paging", ["next", "page"])
def test_only_what_changed_is_asked_for(built: Build, interface: Interface, paging: str) -> None:
    interface.paging = paging
    house = built(PAGINGS[paging], CHANGES)
    house.step()
    interface.asked.clear()
    assert house.step() == ([], [])
    assert all("seit=2026-11-20T07%3A00%3A00Z" in target for target in interface.asked)
    interface.lists[PEOPLE][1] = person(2, "2016-01-01", stand="2026-11-20T19:00:00Z")
    interface.lists[PEOPLE][2] = person(3, geloescht=True, stand="2026-11-20T19:00:00Z")
    rows, _ = house.step()
    assert sorted((row.key, row.gone) for row in rows) == [("2", False), ("3", True)]
    late = person(9, stand="2026-11-20T18:30:00Z")
    interface.lists[PEOPLE].append(late)
    assert keys(house.step()[0]) == ["9"]
    assert len(list(house.source.subjects({"2", "9", "4"}))) == 3


def test_what_no_change_tells_is_found_by_a_whole_reading(built: Build, interface: Interface) -> None:
    house = built("reconcile_minutes = 5\nvanish_limit = 0.5\n", CHANGES)
    house.step()
    del interface.lists[PEOPLE][0]
    interface.lists[PEOPLE].append(person(9, stand="2026-11-01T00:00:00Z"))
    assert house.step() == ([], [])
    house.now += timedelta(minutes=5)
    rows, _ = house.step()
    assert (keys(rows), gone(rows)) == (["9"], 1)


def test_who_was_told_gone_and_then_leaves_the_list_is_gone_once(built: Build, interface: Interface) -> None:
    vanish = '[streams.people.on_vanish]\ntype = "SubjectRecorded"\nsubject = "nr"\ncase = "/akte/nr"\n'
    house = built("reconcile_minutes = 5\nvanish_limit = 0.5\n", CHANGES)
    with (house.folder / "source.toml").open("a", encoding="utf-8") as file:
        file.write(f'{vanish}occurred_at = "@version"\n')
    house.restart()
    house.step()
    interface.lists[PEOPLE][0] = person(1, geloescht=True, stand="2026-11-20T19:00:00Z")
    assert gone(house.step()[0]) == 1
    del interface.lists[PEOPLE][:2]
    house.now += timedelta(minutes=5)
    rows, incidents = house.step()
    assert ([(row.key, row.gone) for row in rows], incidents) == ([("2", True)], [])
    assert house.state.seen("people", ["1", "2", "3"]).keys() == {house.state.key_hash("3")}


def test_a_clock_that_runs_ahead_hides_nothing(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE][0] = person(1, stand="2030-01-01T00:00:00Z")
    house = built("", CHANGES)
    house.step()
    interface.lists[PEOPLE].append(person(9, stand="2026-11-20T20:00:30Z"))
    assert keys(house.step()[0]) == ["9"]


def test_rising_numbers_are_versions_too(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [person(1, stand="700")]
    house = built("overlap_numbers = 100\n", CHANGES)
    house.step()
    house.step()
    assert interface.asked[-1].endswith("?seit=600")


def test_an_unchanged_list_is_not_sent_again(built: Build, interface: Interface) -> None:
    interface.etags = True
    house = built()
    house.step()
    assert house.step() == ([], [])
    assert "If-None-Match" in interface.headers[-1]
    interface.lists[PEOPLE].append(person(6))
    assert keys(house.step()[0]) == ["6"]
    assert len(list(house.source.subjects({"6"}))) == 1


def test_the_first_page_s_etag_stands_for_all_only_if_somebody_says_so(
    built: Build, interface: Interface
) -> None:
    interface.etags, interface.paging = True, "offset"
    house, other = built(PAGINGS["offset"]), built(PAGINGS["offset"], "etag_whole = true\n", "other")
    for one in (house, other):
        one.step()
        interface.asked.clear()
        interface.headers.clear()
        assert one.step() == ([], [])
        assert ("If-None-Match" in interface.headers[0]) is (one is other)
        assert len(interface.asked) == (1 if one is other else 4)


def test_nobody_is_asked_more_often_than_configured(built: Build, interface: Interface) -> None:
    house = built()
    house.configure()
    toml = (house.folder / "source.toml").read_text(encoding="utf-8")
    (house.folder / "source.toml").write_text(
        toml.replace("poll_minutes = 0", "poll_minutes = 15"), encoding="utf-8"
    )
    house.restart()
    house.step()
    interface.lists[PEOPLE].append(person(6))
    assert house.step() == ([], [])
    house.restart()
    assert house.step() == ([], [])
    house.now += timedelta(minutes=15)
    assert keys(house.step()[0]) == ["6"]


def test_the_version_of_a_row_is_its_own_time_of_change(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE][0] = person(1, stand="2026-03-05T10:00:00Z")
    interface.lists[PEOPLE][1] = person(2, stand="2026-03-05T11:00:00+01:00")
    house = built("", CHANGES)
    told = {row.key: row.said_at for row in house.step()[0]}
    assert told["1"] == told["2"] == micros(datetime(2026, 3, 5, 10, tzinfo=UTC))
    interface.lists[PEOPLE][0] = person(1, stand="2026-11-20T09:00:00Z")
    assert [row.said_at for row in house.step()[0]] == [micros(datetime(2026, 11, 20, 9, tzinfo=UTC))]


def test_a_version_that_is_a_number_says_no_time(built: Build, interface: Interface) -> None:
    interface.lists[PEOPLE] = [person(1, stand="17")]
    house = built("", CHANGES)
    assert [row.said_at for row in house.step()[0]] == [None]


def test_without_a_version_the_poll_that_found_it_is_its_time(built: Build) -> None:
    house = built()
    assert {row.said_at for row in house.step()[0]} == {micros(house.now)}


def test_a_damaged_file_of_a_list_of_changes_is_fetched_anew(built: Build, interface: Interface) -> None:
    house = built("", CHANGES)
    house.step()
    (path,) = (house.folder / "state.sqlite.spool").iterdir()
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    interface.lists[PEOPLE].append(person(6))
    rows, incidents = house.step()
    assert (keys(rows), incidents) == (["6"], [])
    assert len(list(house.source.subjects({"1", "6"}))) == 2
