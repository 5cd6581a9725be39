"""The JSON of three well-known styles, read by pointers alone: OData, HAL, JSON:API."""

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.tools.dry_run.offline import offline
from hub.domain.identifiers import AgencyKey
from tests.integration.connectors.interface import TOKEN, Answer, Interface

NOW, KEY = datetime(2026, 11, 20, 20, tzinfo=UTC), AgencyKey(b"k" * 32)
CONFIG = """
[agency]
id = "so-a"
kind = "social_office"
[connector]
kind = "rest"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[settings]
url = "{url}"
token_file = "token"
paging = {{ kind = "next", at = "{next}" }}
[streams.people]
key = "{key}"
request = {{ path = "/people", rows = "{rows}" }}
[[streams.people.events]]
type = "SubjectRecorded"
subject = "{key}"
case = "{case}"
occurred_at = {{ column = "{entered}", pattern = '(-?[0-9]+)', timestamp = "epoch_milliseconds" }}
fields = {{ birth_date = "{born}" }}
"""
STYLES: dict[str, dict[str, Any]] = {
    "odata": {
        "next": "/@odata.nextLink",
        "rows": "/value",
        "key": "Nr",
        "case": "/Akte/Id",
        "born": "/Person/Geboren",
        "entered": "Eingang",
    },
    "hal": {
        "next": "/_links/next/href",
        "rows": "/_embedded/personen",
        "key": "nr",
        "case": "/_embedded/akte/nr",
        "born": "geboren",
        "entered": "erfasst",
    },
    "json_api": {
        "next": "/links/next",
        "rows": "/data",
        "key": "id",
        "case": "/relationships/akte/data/id",
        "born": "/attributes/geboren",
        "entered": "/attributes/erfasst",
    },
}


def page(style: str, number: str, further: str | None) -> dict[str, Any]:
    """One page with one person of case 77, as the style has it."""
    match style:
        case "odata":
            row: dict[str, Any] = {"Nr": number, "Person": {"Geboren": "2015-06-07"}, "Akte": {"Id": 77}}
            row["Eingang"] = "/Date(1763500000000+0100)/"
            return {"@odata.count": 2, "value": [row]} | ({"@odata.nextLink": further} if further else {})
        case "hal":
            row = {
                "nr": number,
                "geboren": "2015-06-07",
                "erfasst": 1763500000000,
                "_embedded": {"akte": {"nr": "77"}},
            }
            return {
                "_links": {"next": {"href": further}} if further else {},
                "_embedded": {"personen": [row]},
            }
        case _:
            row = {"id": number, "attributes": {"geboren": "2015-06-07", "erfasst": 1763500000000}}
            row["relationships"] = {"akte": {"data": {"type": "akten", "id": "77"}}}
            return {"data": [row], "links": {"next": further}}


@pytest.mark.parametrize("style", STYLES)
def test_it_is_read_by_pointers(
    tmp_path: Path, interface: Interface, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> Answer:
        last = request.path.endswith("seite=2")
        found = page(style, "2" if last else "1", None if last else f"{interface.url}/people?seite=2")
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    monkeypatch.setattr(interface, "answer", answer)
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "source.toml").write_text(CONFIG.format(url=interface.url, **STYLES[style]), encoding="utf-8")
    with offline(load_config(tmp_path / "source.toml"), KEY) as looking:
        found = list(looking.judged(NOW))
    events = [one.event for one in found if isinstance(one, Judged)]
    assert [event.subject_ref for event in events] == [KEY.person("1"), KEY.person("2")]
    assert {event.case_ref for event in events} == {KEY.case("77")}
    assert {event.occurred_at for event in events} == {1763500000000 * 1000}
    assert [event.payload["birth_date"].isoformat() for event in events] == ["2015-06-07"] * 2
