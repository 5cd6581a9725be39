"""Joint views as files and to an HTTP address: replaced whole, taken away whole, confirmed."""

import base64
import csv
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from connectors.sinks.webhook import target
from hub.errors import ConfigurationError, ServiceUnavailable
from tests.integration.connectors.views import CASE, JC, PERSON, Views

SECRET = b"s" * 32


def office(offices: Any, kind: str, settings: str) -> Views:
    """The jobcenter with a sink of this kind."""

    def change(toml: str) -> str:
        return (
            toml.replace('kind = "staging"', f'kind = "{kind}"').split("[settings]")[0]
            + f"[settings]\n{settings}"
        )

    offices.edit(JC, change, "sink.toml")
    (offices.root / "jobcenter" / "hook.key").write_text(base64.b64encode(SECRET).decode(), encoding="ascii")
    return Views(offices)


def folder(views: Views) -> list[Path]:
    return sorted((views.offices.root / "jobcenter" / "sichten").iterdir())


@pytest.fixture
def files(offices: Any) -> Views:
    return office(offices, "file_out", 'folder = "sichten"\nencoding = "cp1252"\n')


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="cp1252", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_a_view_is_one_file_in_the_agencys_own_numbers(files: Views) -> None:
    files.send(1, "Höhe Иван")
    assert files.step() == {"shown": 1}
    (path,) = folder(files)
    assert not {CASE, PERSON} & set(path.name.split("-"))
    place = next(row for row in read(path) if row["feld"] == "place")
    assert (place["fall"], place["person"], place["bestritten"]) == ("33107BG0000001", "331A055433", "J")
    assert place["wert"] == "Höhe &#1048;&#1074;&#1072;&#1085;"


def test_what_is_taken_away_leaves_a_file_without_rows(files: Views) -> None:
    files.send(1)
    files.step()
    files.send(2, removed=True)
    assert files.step() == {"deleted": 1}
    assert [read(path) for path in folder(files)] == [[]]
    files.send(1)
    assert files.step() == {"superseded": 1}
    assert [read(path) for path in folder(files)] == [[]]


def test_what_may_be_shown_no_longer_is_emptied_at_the_next_step(files: Views) -> None:
    files.send(1, minutes=5)
    files.step()
    files.now += timedelta(minutes=6)
    assert files.step() == {}
    assert [read(path) for path in folder(files)] == [[]]


def test_as_xml(offices: Any) -> None:
    views = office(offices, "file_out", 'folder = "sichten"\nformat = "xml"\n')
    views.send(1, "Hafen <&\x01>")
    views.step()
    (path,) = folder(views)
    entries = ET.parse(path).getroot().findall("angabe")  # noqa: S314  our own file
    assert {entry.findtext("feld"): entry.findtext("wert") for entry in entries}["place"] == "Hafen <&>"


class Receiver:
    """An HTTP address that a test may break: `codes` are answered first."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.codes: list[int] = []
        self.says = b"{}"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = f"{self.headers['Fallbruecke-Time']}.".encode() + body
                signed = hmac.new(SECRET, told, hashlib.sha256).hexdigest()
                assert self.headers["Fallbruecke-Signature"] == f"sha256={signed}"
                code = receiver.codes.pop(0) if receiver.codes else 200
                receiver.got.append((dict(self.headers), json.loads(body)))
                self.send_response(code)
                if code == 307:
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(receiver.says)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/sichten"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(target, "FIRST_WAIT", 0.0)
    made = Receiver()
    yield made
    made.close()


def hooked(offices: Any, receiver: Receiver) -> Views:
    return office(offices, "webhook", f'url = "{receiver.url}"\nkey_file = "hook.key"\ntries = 2\n')


def test_views_and_deletions_travel_signed_and_the_answer_is_the_receipt(
    offices: Any, receiver: Receiver
) -> None:
    views = hooked(offices, receiver)
    views.send(1)
    assert views.step() == {"shown": 1}
    receiver.says = '{"answer": "kept", "norm": "§ 84 SGB X"}'.encode()
    views.send(2, removed=True)
    assert views.step() == {"kept": 1}
    assert views.receipts() == ["shown", "kept"]
    (_, shown), (_, removed) = receiver.got
    assert [row["wert"] for row in shown["angaben"] if row["feld"] == "place"] == ["Hafen"]
    assert (removed["angaben"], removed["entfernt"]) == ([], True)


def test_a_receiver_that_stumbles_is_asked_again_with_the_same_key(offices: Any, receiver: Receiver) -> None:
    views = hooked(offices, receiver)
    receiver.codes = [503]
    views.send(1)
    assert views.step() == {"shown": 1}
    receiver.codes = [429]
    views.send(2)
    assert views.step() == {"shown": 1}
    receiver.codes = [500]
    views.send(3)
    assert views.step() == {"shown": 1}
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert keys == [key for key in dict.fromkeys(keys) for _ in range(2)]


def test_a_removal_is_another_request_than_the_view_of_its_version(offices: Any, receiver: Receiver) -> None:
    """It goes before a long view in parts, for sinks of an earlier release."""
    views = hooked(offices, receiver)
    views.send(1, removed=True)
    views.send(1)
    assert views.step() == {"deleted": 1, "shown": 1}
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.got}) == 2


def test_a_view_over_which_the_receiver_stumbles_each_time_waits_alone(
    offices: Any, receiver: Receiver
) -> None:
    views = hooked(offices, receiver)
    receiver.codes = [500] * 4  # twice together with the others, twice alone
    views.send(1)
    views.send(3, removed=True, role="other")
    assert views.step() == {"waiting": 1, "deleted": 1}
    views.now += timedelta(minutes=6)
    assert views.step() == {"shown": 1}


@pytest.mark.parametrize("code", [401, 307])
def test_a_sink_that_is_refused_itself_confirms_nothing_and_tries_again(
    offices: Any, receiver: Receiver, code: int
) -> None:
    views = hooked(offices, receiver)
    receiver.codes = [code]
    views.send(1)
    with pytest.raises(ServiceUnavailable) as caught:
        views.step()
    assert "Hafen" not in str(caught.value)
    assert views.receipts() == []
    assert views.step() == {"shown": 1}


@pytest.mark.parametrize("code", [400, 403, 413, 422])
def test_a_view_that_the_receiver_refuses_waits_and_holds_nobody_up(
    offices: Any, receiver: Receiver, code: int
) -> None:
    """What it would have replaced is taken away; the views and deletions behind it are told."""
    views = hooked(offices, receiver)
    receiver.codes = [code, code]  # together with the others, and alone
    views.send(1)
    views.send(2, role="jc_benefits")
    views.send(3, removed=True, role="other")
    report = views.sink.step(views.now)
    assert dict(report.answers) == {"waiting": 1, "shown": 1, "deleted": 1}
    assert dict(report.waiting) == {f"http_{code}": 1}
    assert sorted(views.receipts()) == ["deleted", "shown", "waiting"]
    told = [(body["rolle"], body["entfernt"]) for _, body in receiver.got]
    assert ("jc_case_manager", True) in told
    views.now += timedelta(minutes=6)
    assert views.step() == {"shown": 1}
    assert views.sink.step(views.now).waiting == {}
    keys = [
        headers["Idempotency-Key"] for headers, body in receiver.got if body["rolle"] == "jc_case_manager"
    ]
    assert len(set(keys)) == 2
    assert keys[0] == keys[-1]


@pytest.mark.parametrize("says", [b"", b"\xff", b"[]", b'{"answer": "<script>"}'])
def test_an_answer_that_is_none_is_no_answer(offices: Any, receiver: Receiver, says: bytes) -> None:
    views = hooked(offices, receiver)
    receiver.says = says
    views.send(1)
    assert views.step() == {"shown": 1}


def test_plain_http_to_another_machine_is_refused(offices: Any) -> None:
    with pytest.raises(ConfigurationError, match="in clear"):
        office(offices, "webhook", 'url = "http://amt.example/sichten"\nkey_file = "hook.key"\n')
