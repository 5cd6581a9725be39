"""JSON over HTTP: processes that die and come back, mappings that change, certificates, and looking without a trace."""

import csv
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import NothingKept
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.state.quarantine import QuarantinedRow
from connectors.sources.rest.config import rest_settings
from connectors.tools.dry_run.offline import offline
from hub import failpoints
from hub.adapters.keys.certs import make_certificates
from hub.errors import ConfigurationError, ServiceUnavailable
from tests.integration.connectors.interface import TOKEN, Interface
from tests.integration.connectors.rest.house import (
    CHANGES,
    KEY,
    NOW,
    PAGINGS,
    PEOPLE,
    Build,
    House,
    keys,
    person,
)


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


def test_what_waits_in_quarantine_is_read_again_from_what_was_fetched_last(
    built: Build, interface: Interface
) -> None:
    interface.etags = True
    house = built()
    house.step()
    with house.state.transaction():
        hashed = house.state.key_hash("3")
        house.state.quarantine(
            [QuarantinedRow("people", hashed, "X", "unknown_code", "people/3", "x", "r", b"c")]
        )
        house.state.restart("people")
    house.restart()
    assert keys(house.step()[0]) == ["3"]
    assert keys(house.step()[0]) == []
    assert len(list(house.source.subjects({"3", "4"}))) == 2


def test_a_damaged_file_of_our_own_says_so(built: Build) -> None:
    house = built()
    house.step()
    (path,) = (house.folder / "state.sqlite.spool").iterdir()
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(NothingKept):
        list(house.source.subjects({"1"}))
    assert house.reasons() == ["spool_damaged"]
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
POINTS = (
    "rest.after_fetch",
    "rest.after_poll",
    "connector.before_publish",
    "connector.after_publish",
    "connector.after_save",
)


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

    patch.setattr(failpoints, "_observers", [reach])
