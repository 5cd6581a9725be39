"""A connector of kind `rest` as its process would hold it, over the real HTTP server of the tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import connectors.sources.rest as kind
from connectors.contract import Incident, Row
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.state.state import State
from hub.domain.identifiers import AgencyKey
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


def keys(rows: list[Row]) -> list[str]:
    return [row.key for row in rows if not row.gone]


def gone(rows: list[Row]) -> int:
    return sum(row.gone for row in rows)
