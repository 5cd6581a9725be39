"""JSON over HTTP: every answer that may be wrong, cut, slow or meant for somebody else."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors.sources.rest import reading
from hub.errors import AccessRefused, ConfigurationError, ServiceUnavailable
from tests.integration.connectors.interface import TOKEN, Interface
from tests.integration.connectors.rest.house import PAGINGS, PEOPLE, Build, keys


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
    "column_missing": b'{"daten": [{"nr": 1, "akte": {"nr": 1}}, {"nr": 2, "akte": {"nr": 1}}]}',
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


def test_objects_that_say_the_same_count_once_and_others_wait(built: Build, interface: Interface) -> None:
    house = built()
    one, other = (b'{"nr": 1, "geboren": "%b", "akte": {"nr": 1}}' % day for day in (b"2015-06-07", b""))
    interface.special = [lambda: (200, {}, b'{"daten": [%b, %b]}' % (one, one))]
    assert keys(house.step()[0]) == ["1"]
    interface.special = [lambda: (200, {}, b'{"daten": [%b, %b]}' % (one, other))]
    rows, incidents = house.step()
    assert ([row.fault and row.fault.reason for row in rows], incidents) == (["duplicate_key"] * 2, [])


def test_a_list_is_told_as_a_list_and_its_members_keep_their_signs(
    built: Build, interface: Interface
) -> None:
    house = built()
    body = b'{"daten": [{"nr": ["4711", "4712"], "geboren": ["a,b", "c"], "akte": {"nr": []}}]}'
    interface.special = [lambda: (200, {}, body)]
    ((row,), incidents) = house.step()
    assert (row.values["geboren"], row.values["/akte/nr"], incidents) == (["a,b", "c"], "", [])
    assert row.fault is not None


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


@pytest.mark.parametrize(
    "drip", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n[" + b" " * 9]
)
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


@pytest.mark.parametrize(
    ("paging", "link", "reason"),
    [
        ("none", '</v1/personen?at=1>; rel="next"', "not_whole"),
        ("next", '</v1/personen?at=1>; title="a, b"; rel = next', "not_whole"),
        ("cursor", "</v1/personen?at=1>; rel=next", "not_whole"),
        ("link", "/v1/personen?at=1; rel=next", "wrong_shape"),
        ("none", "</v1/personen?at=1; rel=next", "wrong_shape"),
    ],
)
def test_a_link_that_is_not_followed_says_that_reading_is_not_whole(
    built: Build, interface: Interface, paging: str, link: str, reason: str
) -> None:
    house = built(PAGINGS[paging])
    interface.special = [lambda: (200, {"Link": link}, b'{"daten": []}')]
    assert house.reasons() == [reason]


def test_a_server_that_repeats_its_last_page_ends_nothing(built: Build, interface: Interface) -> None:
    house = built('paging = { kind = "page", parameter = "at" }\n')
    interface.paging = "none"
    assert house.reasons() == ["endless_pages"]
