"""JSON over HTTP from a real server: every way of paging, whole states and changes, and all that may go wrong."""

import csv
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

import connectors.rest as kind
from connectors.looking.offline import offline
from connectors.rest import client, reading
from connectors.rest.config import rest_settings
from connectors.runtime.config import load_config
from connectors.runtime.judging import Judged
from connectors.runtime.kinds import load_kind
from connectors.runtime.ports import Incident, NothingKept, Row
from connectors.runtime.state import State
from hub.adapters.keys.certs import make_certificates
from hub.domain.identifiers import AgencyKey
from hub.errors import AccessRefused, ConfigurationError, DataError, ServiceUnavailable
from tests.integration.connectors.interface import TOKEN, Interface

KEY, NOW = AgencyKey(b"k" * 32), datetime(2026, 11, 20, 20, tzinfo=UTC)
PEOPLE = "/v1/personen"
HEAD = """
[agency]
id = "ja-a"
kind = "youth_welfare"
[connector]
kind = "rest"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[settings]
url = "{url}"
token_file = "token"
poll_minutes = 0
timeout_seconds = 5
"""
STREAM = """
[streams.people]
key = "nr"
gone = {{ column = "geloescht", in = ["true"] }}
[streams.people.request]
path = "/v1/personen"
rows = "/daten"
optional = "geloescht"
{more}
[[streams.people.events]]
type = "SubjectRecorded"
subject = "nr"
case = "/akte/nr"
occurred_at = "@version"
[streams.people.events.fields]
birth_date = "geboren"
"""
CHANGES = 'version = "stand"\nsince = "seit"\n'
PAGINGS = {
    "none": 'paging = { kind = "none" }\n',
    "link": 'paging = { kind = "link" }\n',
    "next": 'paging = { kind = "next", at = "/weiter" }\n',
    "cursor": 'paging = { kind = "cursor", at = "/cursor", parameter = "at" }\n',
    "page": 'paging = { kind = "page", parameter = "at" }\n',
    "offset": 'paging = { kind = "offset", parameter = "at" }\n',
}


def person(number: int, born: str = "2015-06-07", **more: Any) -> dict[str, Any]:
    """A row; `ort` and the case's name are mapped by nobody."""
    case = {"nr": f"A{number}", "name": "ZZCANARYZZ"}
    return {
        "nr": number,
        "geboren": born,
        "ort": "Seestadt",
        "akte": case,
        "stand": "2026-11-20T08:00:00Z",
    } | more


class House:
    """A source over the interface, as a connector's process would hold it."""

    def __init__(self, folder: Path, interface: Interface, settings: str = "", more: str = "") -> None:
        self.folder, self.interface, self.now = folder, interface, NOW
        (folder / "token").write_text(f"{TOKEN}\n", encoding="ascii")
        self.configure(settings, more)
        self.start()

    def configure(self, settings: str = "", more: str = "") -> None:
        text = HEAD.format(url=self.interface.url) + settings + STREAM.format(more=more)
        (self.folder / "source.toml").write_text(text, encoding="utf-8")

    def start(self) -> None:
        self.state = State(self.folder / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
        self.source = kind.build(load_config(self.folder / "source.toml"), self.state, KEY)

    def restart(self) -> None:
        """A new process on the same state."""
        self.state.close()
        self.start()

    def step(self, *, dies_after: int = 10_000) -> tuple[list[Row], list[Incident]]:
        """All rows of one delivery, confirmed; or a process that dies after so many batches."""
        self.now += timedelta(minutes=1)
        incidents = list(self.source.refresh(self.now))
        rows: list[Row] = []
        for number, batch in enumerate(self.source.read(["people"], 1)):
            rows += batch.rows
            if number >= dies_after:
                return rows, incidents
            with self.state.transaction():
                self.state.advance(batch.stream, batch.rows, batch.cursor, set())
        self.source.finished()
        return rows, incidents

    def reasons(self) -> list[str]:
        """What a step that passes nothing on says."""
        rows, incidents = self.step()
        assert not rows
        return [one.reason for one in incidents]


Build = Callable[..., House]


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interface]:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.0)
    made = Interface()
    made.lists[PEOPLE] = [person(n) for n in range(1, 6)]
    yield made
    made.close()


@pytest.fixture
def built(tmp_path: Path, interface: Interface) -> Iterator[Build]:
    """Builds a house and closes its state at the end."""
    houses: list[House] = []

    def build(settings: str = "", more: str = "", name: str = "house") -> House:
        (tmp_path / name).mkdir()
        houses.append(House(tmp_path / name, interface, settings, more))
        return houses[-1]

    yield build
    for house in houses:
        house.source.close()
        house.state.close()


def keys(rows: list[Row]) -> list[str]:
    return [row.key for row in rows if not row.gone]


def gone(rows: list[Row]) -> int:
    return sum(row.gone for row in rows)


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
    house = built()
    house.step()
    whole = interface.lists[PEOPLE]
    interface.lists[PEOPLE] = whole[:1]
    assert house.reasons() == ["snapshot_held"]
    assert house.reasons() == ["snapshot_held"]
    held = house.source.held()
    assert held is not None
    assert (held.stream, held.share) == ("*", 0.8)
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
    house = built()
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


def test_a_page_that_changes_under_the_reader_loses_nobody(built: Build, interface: Interface) -> None:
    interface.paging = "offset"
    house = built(PAGINGS["offset"])
    house.step()

    def slip(at: int) -> None:
        if at == 2:
            interface.lists[PEOPLE].append(interface.lists[PEOPLE].pop(0))
            interface.lists[PEOPLE].append(interface.lists[PEOPLE].pop(0))
            interface.before = lambda _: None

    interface.before = slip
    assert house.step() == ([], [])


def test_pages_that_never_fit_together_are_refused(built: Build, interface: Interface) -> None:
    interface.paging = "offset"
    house = built(PAGINGS["offset"])
    house.step()

    def churn(at: int) -> None:
        if at:
            interface.lists[PEOPLE].append(interface.lists[PEOPLE].pop(0))

    interface.before = churn
    assert house.reasons() == ["changed_while_reading"]
    interface.before = lambda _: None
    assert house.step()[1] == []


def test_a_list_that_is_cut_off_is_told_by_its_total(built: Build, interface: Interface) -> None:
    house = built("", 'total = "/gesamt"\n')
    assert len(house.step()[0]) == 5
    short = b'{"daten": [{"nr": 1, "geboren": "2015-06-07", "akte": {"nr": "A1"}}], "gesamt": 5}'
    interface.special = [lambda: (200, {}, short)] * reading.READINGS
    assert house.reasons() == ["changed_while_reading"]


BAD = {
    "unreadable_json": b'{"daten": [}',
    "truncated": b'{"daten": [{"nr": 1,',
    "wrong_encoding": b'{"daten": [], "x": "\xfc"}',
    "wrong_shape": b'{"daten": {"nr": 1}}',
    "too_deep": b"[" * 200_000,
    "column_missing": b'{"daten": [{"nr": 1, "akte": {"nr": 1}}]}',
    "unreadable_text": b'{"daten": [{"nr": "a\\u0000", "geboren": "", "akte": {"nr": 1}}]}',
    "duplicate_key": b'{"daten": [%b, %b]}' % ((b'{"nr": 1, "geboren": "", "akte": {"nr": 1}}',) * 2),
}


@pytest.mark.parametrize("reason", BAD)
def test_an_answer_that_cannot_be_read_is_refused_whole(
    built: Build, interface: Interface, reason: str
) -> None:
    house = built()
    interface.special = [lambda: (200, {}, BAD[reason])]
    assert house.reasons() == [reason]
    rows, incidents = house.step()
    assert (len(rows), incidents) == (5, [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"daten": [{"nr": 1, "nr": 2, "geboren": "", "akte": {"nr": 1}}]}',
        b'{"daten": [{"nr": NaN, "geboren": "", "akte": {"nr": 1}}]}',
        b"",
    ],
)
def test_what_json_leaves_open_is_not_guessed(built: Build, interface: Interface, body: bytes) -> None:
    house = built()
    interface.special = [lambda: (200, {}, body)]
    assert house.reasons() in (["unreadable_json"], ["truncated"])


@pytest.mark.parametrize("cell", ["[1, [2]]", '{"a": 1}', '["a,b"]', '"\\ud800"'])
def test_a_cell_that_is_no_single_value_names_its_column(
    built: Build, interface: Interface, cell: str
) -> None:
    house = built()
    body = f'{{"daten": [{{"nr": 1, "geboren": {cell}, "akte": {{"nr": 1}}}}]}}'.encode()
    interface.special = [lambda: (200, {}, body)]
    _, incidents = house.step()
    assert [one.remedy.startswith("column geboren ") for one in incidents] == [True]


def test_numbers_stay_as_they_were_written(built: Build, interface: Interface) -> None:
    house = built()
    body = b'{"daten": [{"nr": 12.50, "geboren": 1, "akte": {"nr": 1}}]}'
    interface.special = [lambda: (200, {}, body)]
    assert keys(house.step()[0]) == ["12.50"]


@pytest.mark.parametrize("status", [204, 302, 400, 404, 410])
def test_a_request_that_is_refused_is_an_incident(built: Build, interface: Interface, status: int) -> None:
    house = built()
    elsewhere = {"Location": "http://127.0.0.1:9/"}
    interface.special = [lambda: (status, elsewhere, b"")]
    _, (incident,) = house.step()
    assert (incident.reason, f"HTTP {status}" in incident.remedy) == ("refused_request", True)


def test_a_wrong_token_is_told_apart_and_never_shown(built: Build) -> None:
    house = built()
    (house.folder / "token").write_text("ZZCANARYZZ", encoding="ascii")
    with pytest.raises(AccessRefused) as caught:
        house.step()
    assert "ZZCANARYZZ" not in str(caught.value)
    (house.folder / "token").write_text(TOKEN, encoding="ascii")
    assert len(house.step()[0]) == 5


@pytest.mark.parametrize("text", ["", "two\nlines", "ümlaut"])
def test_a_token_that_no_header_can_carry_is_named_by_its_setting(built: Build, text: str) -> None:
    house = built()
    (house.folder / "token").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="token_file"):
        house.step()


def test_a_server_that_stumbles_is_asked_again(built: Build, interface: Interface) -> None:
    house = built()
    interface.special = [lambda: (503, {}, b""), lambda: None]
    assert len(house.step()[0]) == 5
    assert len(interface.asked) == 3


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_a_server_that_asks_to_wait_is_left_alone_even_by_a_new_process(
    built: Build, interface: Interface, how: str
) -> None:
    house = built()
    wait = "120" if how == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=130))
    interface.special = [lambda: (429, {"Retry-After": wait}, b"")]
    with pytest.raises(ServiceUnavailable):
        house.step()
    house.restart()
    with pytest.raises(ServiceUnavailable, match="asked to wait"):
        house.step()
    assert len(interface.asked) == 1
    house.now += timedelta(minutes=3)
    assert len(house.step()[0]) == 5


def test_a_short_wait_is_waited(built: Build, interface: Interface) -> None:
    house = built()
    interface.special = [lambda: (503, {"Retry-After": "0"}, b"")]
    assert len(house.step()[0]) == 5


@pytest.mark.parametrize("cut", ["short", "chunked"])
def test_half_an_answer_is_none(built: Build, interface: Interface, cut: str) -> None:
    house = built("tries = 1\n")
    header = {"Content-Length": "500", "Connection": "close"}
    if cut == "chunked":
        header = {"Content-Length": "", "Transfer-Encoding": "chunked", "Connection": "close"}
    interface.special = [lambda: (200, header, b'20\r\n{"daten": []}')]
    with pytest.raises(ServiceUnavailable):
        house.step()


def test_an_answer_without_end_is_cut_by_size(built: Build, interface: Interface) -> None:
    house = built("page_bytes = 100\n")
    assert house.reasons() == ["answer_too_large"]


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n[" + b" " * 9])
def test_a_line_that_hangs_or_drips_is_cut(built: Build, drip: bytes) -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(drip)
                while not ended.wait(0.05):
                    try:
                        line.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        house = built("tries = 1\n")
        toml = (
            (house.folder / "source.toml")
            .read_text(encoding="utf-8")
            .replace("timeout_seconds = 5", "timeout_seconds = 0.3")
        )
        port = server.getsockname()[1]
        toml = toml.replace(house.interface.url, f"http://127.0.0.1:{port}")
        (house.folder / "source.toml").write_text(toml, encoding="utf-8")
        house.restart()
        with pytest.raises(ServiceUnavailable, match="TimeoutError"):
            house.step()
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("http://127.0.0.1:9/v1/personen?at=2", "next_elsewhere"),
        ("//example.org/", "next_elsewhere"),
        ("/v1/personen", "endless_pages"),
        ("/v1/personen?at=\r\nX: y", "wrong_shape"),
        ({}, "wrong_shape"),
    ],
)
def test_a_next_page_leads_nowhere_else_and_not_in_circles(
    built: Build, interface: Interface, link: Any, reason: str
) -> None:
    house = built(PAGINGS["next"])
    body = json.dumps({"daten": [], "weiter": link}).encode()
    interface.special = [lambda: (200, {}, body)]
    assert house.reasons() == [reason]
    assert len(interface.asked) == 1


def test_a_server_that_repeats_its_last_page_ends_nothing(built: Build, interface: Interface) -> None:
    house = built('paging = { kind = "page", parameter = "at" }\n')
    interface.paging = "none"
    assert house.reasons() == ["endless_pages"]


@pytest.mark.parametrize("more", ["", CHANGES])
def test_killed_after_any_batch_it_ends_like_one_reading(
    built: Build, interface: Interface, more: str
) -> None:
    whole, broken = (
        built("vanish_limit = 0.5\n", more, "whole"),
        built("vanish_limit = 0.5\n", more, "broken"),
    )
    found: list[set[tuple[str, int, bool, bytes]]] = []
    for house in (whole, broken):
        interface.lists[PEOPLE] = [person(n) for n in range(1, 6)]
        seen: set[tuple[str, int, bool, bytes]] = set()
        for day in range(2):
            for dies in (0, 1, 3) if house is broken else ():
                rows, _ = house.step(dies_after=dies)
                seen |= {(row.key, row.version if not day else 0, row.gone, row.content) for row in rows}
                house.restart()
            rows, _ = house.step()
            seen |= {(row.key, row.version if not day else 0, row.gone, row.content) for row in rows}
            interface.lists[PEOPLE][2] = person(3, "2017-01-01", stand="2026-11-20T19:00:00Z")
            interface.lists[PEOPLE][3] = person(4, geloescht=True, stand="2026-11-20T19:00:00Z")
        found.append(seen)
    assert found[0] == found[1]


def test_a_process_that_comes_back_goes_on_with_what_it_began(built: Build, interface: Interface) -> None:
    house = built()
    first, _ = house.step(dies_after=1)
    house.restart()
    interface.lists[PEOPLE] = []
    interface.asked.clear()
    rest, _ = house.step()
    assert {row.version for row in first + rest} == {first[0].version}
    assert keys(rest) == ["2", "3", "4", "5"]
    assert interface.asked == []


def test_another_mapping_asks_for_everything_anew(built: Build, interface: Interface) -> None:
    house = built("", CHANGES)
    house.step()
    toml = (house.folder / "source.toml").read_text(encoding="utf-8")
    (house.folder / "source.toml").write_text(
        toml.replace('birth_date = "geboren"', 'birth_date = "stand"'), encoding="utf-8"
    )
    house.restart()
    with pytest.raises(NothingKept):
        list(house.source.subjects({"1"}))
    interface.asked.clear()
    rows, _ = house.step()
    assert len(rows) == 5
    assert interface.asked == [PEOPLE]


def test_what_waits_in_quarantine_is_fetched_again_when_the_mapping_is_corrected(
    built: Build, interface: Interface
) -> None:
    interface.etags = True
    house = built()
    house.step()
    with house.state.transaction():
        house.state.db.execute("DELETE FROM seen WHERE key = ?", (house.state.key_hash("3"),))
        house.state.restart("people")
    house.restart()
    assert keys(house.step()[0]) == ["3"]
    assert "If-None-Match" not in interface.headers[-1]
    assert len(list(house.source.subjects({"3", "4"}))) == 2


def test_a_damaged_file_of_our_own_says_so(built: Build) -> None:
    house = built()
    house.step()
    (path,) = (house.folder / "state.sqlite.spool").iterdir()
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="not as it was written"):
        list(house.source.subjects({"1"}))
    path.unlink()
    assert house.step() == ([], [])
    assert len(list(house.source.subjects({"1"}))) == 1


def test_to_look_leaves_the_connector_s_memory_as_it_is(built: Build, interface: Interface) -> None:
    house = built()
    house.step()
    interface.lists[PEOPLE].append(person(6))
    before = {path: path.read_bytes() for path in house.folder.rglob("*.spool/*")}
    with offline(load_config(house.folder / "source.toml"), KEY) as looking:
        found = [one for one in looking.judged(NOW) if isinstance(one, Judged)]
    assert len(found) == 6
    assert {path: path.read_bytes() for path in house.folder.rglob("*.spool/*")} == before
    assert keys(house.step()[0]) == ["6"]


def test_check_asks_one_page_and_remembers_nothing(built: Build, interface: Interface) -> None:
    interface.paging = "next"
    house = built(PAGINGS["next"])
    house.source.check()
    assert interface.asked == [PEOPLE]
    assert not (house.folder / "state.sqlite.spool").exists()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('token_file = "token"', 'token_file = "token"\nuser = "amt"', "settings"),
        ("http://127.0.0.1", "http://amt.example", "settings.url"),
        ("http://", "https://amt:geheim@", "settings.url"),
        ("http://", "ftp://", "settings.url"),
        ("http://", "https://[", "settings.url"),
        ("http://127.0.0.1:", "https://127.0.0.1:9", "settings.url"),
        ('path = "/v1/personen"', 'path = "/v1/jugend amt"', "request.path"),
        ("poll_minutes = 0", "poll_minutes = -1", "settings"),
        ("timeout_seconds = 5", "timeout_seconds = 0", "settings"),
        ("timeout_seconds = 5", 'cert_file = "a.pem"', "cert_file"),
        ("timeout_seconds = 5", 'header_name = "X Key"', "header_name"),
        ("timeout_seconds = 5", 'paging = { kind = "seiten" }', "paging.kind"),
        ("timeout_seconds = 5", 'paging = { kind = "next" }', "paging.at"),
        ("timeout_seconds = 5", 'paging = { kind = "page" }', "paging.parameter"),
        ("timeout_seconds = 5", "seiten = 1", "unknown key"),
        ('rows = "/daten"', 'rows = "daten"', "request.rows"),
        ('rows = "/daten"', 'version = "stand"', "request.version"),
        ('path = "/v1/personen"', 'path = "v1?x=1"', "request.path"),
    ],
)
def test_a_wrong_configuration_names_its_place(built: Build, old: str, new: str, place: str) -> None:
    house = built()
    toml = (house.folder / "source.toml").read_text(encoding="utf-8")
    assert old in toml
    (house.folder / "source.toml").write_text(toml.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        rest_settings(load_config(house.folder / "source.toml"))
    assert place in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_both_sides_show_their_certificates(tmp_path: Path, interface: Interface) -> None:
    files = make_certificates(tmp_path / "certs", ["ja-a"])
    server, own = files["service"], files["connector-ja-a"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.ca)
    context.load_cert_chain(server.cert, server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    secure = Interface(context)
    secure.lists = interface.lists
    shown = f'ca_file = "{own.ca}"\n'
    try:
        for name, settings, passes in (
            ("known", f'{shown}cert_file = "{own.cert}"\nkey_file = "{own.key}"\n', True),
            ("stranger", f"{shown}tries = 1\n", False),
            ("trusts_nobody", "tries = 1\n", False),
        ):
            (tmp_path / name).mkdir()
            house = House(tmp_path / name, secure, settings)
            if passes:
                assert len(house.step()[0]) == 5
            else:
                with pytest.raises(ServiceUnavailable):
                    house.step()
            house.state.close()
    finally:
        secure.close()


JA = "ja-seestadt"
POINTS = ("rest.after_fetch", "rest.after_poll", "connector.before_publish", "connector.after_publish",
          "connector.after_save")  # fmt: skip


class Killed(Exception):
    """In place of SIGKILL."""


def over_http(offices: Any, interface: Interface) -> None:
    """The youth office's export, asked for over HTTP in pages."""

    def change(toml: str) -> str:
        before, _, rest = toml.partition("[settings]")
        _, _, rest = rest.partition("[[recipients]]")
        paging = 'paging = { kind = "offset", parameter = "at" }'
        settings = (
            f'[settings]\nurl = "{interface.url}"\ntoken_file = "token"\npoll_minutes = 0\n{paging}\n\n'
        )
        text = before.replace("snapshot_csv", "rest") + settings + "[[recipients]]" + rest
        text = text.replace("[connector]\n", "[connector]\nbatch = 9\n")
        return re.sub(
            r'^file = "(.*)"$', r'request = { path = "/\1", rows = "/daten" }', text, flags=re.MULTILINE
        )

    offices.edit(JA, change)
    (offices.root / "youth_office" / "token").write_text(TOKEN, encoding="ascii")
    interface.paging, interface.size = "offset", 40


def show(offices: Any, interface: Interface) -> None:
    """The interface says what the newest export says."""
    newest = max(path for path in offices.export.iterdir() if path.is_dir())
    for path in newest.glob("*.csv"):
        with path.open(encoding="cp1252", newline="") as file:
            interface.lists[f"/{path.name}"] = list(csv.DictReader(file, delimiter=";"))


def told(facts: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """What was said of whom, whatever the number of its version."""
    return {(event_type, subject, content) for _, _, event_type, subject, _, _, content in facts}


def test_killed_at_any_point_over_http_it_ends_like_one_run_and_like_the_files(
    make_offices: Callable[..., Any], tools: Any, interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, whole, broken = make_offices("files"), make_offices("whole"), make_offices("broken")
    for offices in (whole, broken):
        over_http(offices, interface)
    for offices in (files, whole, broken):
        for day in range(2):
            offices.write_day(day)
            show(offices, interface)
            for point in POINTS if offices is broken else ():
                connector = offices.source(JA)
                with monkeypatch.context() as patch:
                    die_at(patch, point)
                    with pytest.raises(Killed):
                        offices.step(connector, tools.evening(day))
                connector.close()
            connector = offices.source(JA)
            offices.step(connector, tools.evening(day))
            connector.close()
    assert whole.facts(JA)
    assert broken.facts(JA) == whole.facts(JA)
    assert told(whole.facts(JA)) == told(files.facts(JA))


def die_at(patch: pytest.MonkeyPatch, point: str) -> None:
    def reach(name: str) -> None:
        if name == point:
            raise Killed

    for module in ("rest.shelf", "runtime.publish", "runtime.settling", "runtime.republishing"):
        patch.setattr(f"connectors.{module}.fail_point", reach)
