"""The HTTP client of connectors: it goes nowhere else, and writes no address and no header into any log."""

import logging
import ssl
from collections.abc import Iterator

import pytest

from connectors.http import Deadline, NotAnswered, failures_as_not_answered, make_client
from tests.integration.connectors.interface import TOKEN, Interface

CONTEXT = ssl.create_default_context()


@pytest.fixture
def interface() -> Iterator[Interface]:
    made = Interface()
    yield made
    made.close()


def test_no_address_and_no_header_stands_in_a_log(
    interface: Interface, caplog: pytest.LogCaptureFixture
) -> None:
    interface.special = [lambda: (200, {}, b"[]")]
    with caplog.at_level(logging.DEBUG), make_client(CONTEXT, 5.0, proxies=False) as client:
        client.get(f"{interface.url}/people/4711", headers={"Authorization": f"Bearer {TOKEN}"})
    assert interface.asked == ["/people/4711"]
    assert not [line for line in caplog.messages if "4711" in line or TOKEN in line]


def test_a_redirect_is_an_answer_and_not_followed(interface: Interface) -> None:
    interface.special = [lambda: (302, {"Location": f"{interface.url}/elsewhere"}, b"")]
    with make_client(CONTEXT, 5.0, proxies=False) as client:
        assert client.get(f"{interface.url}/people").status_code == 302
    assert interface.asked == ["/people"]


def test_a_proxy_of_the_environment_counts_only_where_it_may(
    interface: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", interface.url)
    interface.special = [lambda: (200, {}, b"[]")]
    with make_client(CONTEXT, 5.0, proxies=True) as client:
        client.get("http://amt.invalid/people")
    assert interface.asked == ["http://amt.invalid/people"]
    with (
        pytest.raises(NotAnswered),
        failures_as_not_answered(),
        make_client(CONTEXT, 5.0, proxies=False) as client,
    ):
        client.get("http://127.0.0.1:9/people")
    assert len(interface.asked) == 1


def test_the_cause_is_the_operating_systems_error() -> None:
    with (
        pytest.raises(NotAnswered) as caught,
        failures_as_not_answered(),
        make_client(CONTEXT, 5.0, proxies=False) as client,
    ):
        client.get("http://127.0.0.1:9/people")
    assert caught.value.cause == "ConnectionRefusedError"


def test_a_request_that_lasts_too_long_in_all_is_cut(interface: Interface) -> None:
    interface.special = [lambda: (200, {"Content-Length": "10"}, b"[")]
    with (
        pytest.raises(NotAnswered) as caught,
        failures_as_not_answered(),
        make_client(CONTEXT, 5.0, proxies=False) as client,
        Deadline(0.1).over() as extensions,
    ):
        client.get(f"{interface.url}/people", extensions=extensions)
    assert caught.value.cause == "TimeoutError"
