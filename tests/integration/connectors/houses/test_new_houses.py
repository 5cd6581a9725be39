"""Two houses that nobody planned for: what they say strangely comes out plainly; what cannot be read waits alone."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import Unmapped
from connectors.tools.dry_run.offline import Vanished, offline
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError
from tests.integration.connectors.houses import exports
from tests.integration.connectors.interface import Interface

NOW, KEY = datetime(2026, 11, 20, 20, tzinfo=UTC), AgencyKey(b"k" * 32)
Told = dict[tuple[str, str], list[Any]]


def told(folder: Path) -> tuple[Told, list[tuple[str, str, str]]]:
    """(Event type, person) → payloads, and what waits: event type, column, reason."""
    found: Told = {}
    faults = []
    with offline(load_config(folder / "source.toml"), KEY) as looking:
        for one in looking.judged(NOW):
            if isinstance(one, Judged):
                event = one.event
                found.setdefault((event.schema.event_type, event.subject_id), []).append(dict(event.payload))
            elif not isinstance(one, Vanished):
                assert isinstance(one, Unmapped)
                faults.append((one.event_type, one.column, one.reason))
    return found, faults


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Interface]:
    with closing(Interface()) as interface:
        exports.vendor(tmp_path, interface)
        yield interface


def test_a_register_from_oracle(database_url: str, tmp_path: Path) -> None:
    exports.registry(database_url)
    exports.configure(tmp_path, "registry", database_url)
    found, faults = told(tmp_path)
    mother, child, man = "0000047110", "0000047111", "0000000815"
    assert faults == [("BenefitGranted", "LART", "unknown_code")]
    assert found["PersonRegistered", mother] == [
        {
            "names": "von der Heide Brand Änne",
            "birth_date": date(1988, 2, 29),
            "sex": "f",
            "interpreter": False,
            "languages": ["DEU", "TUR"],
        }
    ]
    assert found["PersonRegistered", man] == [{"names": "Öztürk Uwe", "sex": "x", "interpreter": False}]
    assert found["SubjectRecorded", child] == [{"birth_date": date(2016, 3, 7)}]
    assert found["MemberJoined", man] == [
        {"role": "parent", "from": date(2020, 1, 1), "until": date(2026, 10, 31)}
    ]
    assert found["BenefitGranted", mother] == [
        {"kind": "regelbedarf", "amount": Decimal("563.00"), "month": "2026-11", "provisional": False},
        {"kind": "regelbedarf", "amount": Decimal("-12.50"), "month": "2026-10", "provisional": False},
    ]
    assert found["BenefitGranted", child] == [
        {"kind": "28(3)", "amount": Decimal("65.00"), "month": "2026-08", "provisional": True}
    ]
    (consent,) = found["ConsentGranted", man]
    assert (consent["categories"], consent["recipients"]) == (["ID"], ["ja-bergen", "jc-bergen"])
    assert (consent["notices"], consent["withdrawn_at"]) == (
        ["purpose", "withdrawal"],
        datetime(2026, 11, 9, 23, tzinfo=UTC),
    )
    assert {person for _, person in found} == {mother, child, man}


def test_a_vendors_interface(vendor: Interface, tmp_path: Path) -> None:
    found, faults = told(tmp_path)
    assert faults == []
    mother, child = KEY.person("4711"), KEY.person("4713")
    assert found["PersonRegistered", "4711"] == [
        {
            "names": "Öz, İpek, Lale",
            "birth_date": date(1990, 1, 2),
            "sex": "f",
            "interpreter": True,
            "languages": ["tr", "de"],
        }
    ]
    assert [one["custodians"] for one in found["CustodyChanged", "4712"]] == [[mother, child]]
    assert [one["granted_by"] for one in found["ConsentGranted", "4712"]] == [[mother, child]]
    assert found["HelpStarted", "4712"] == [
        {
            "paragraph": "31",
            "provider": "Haus am Deich gGmbH",
            "intensity": "7,5 h/Woche",
            "start": date(2026, 4, 15),
        },
        {
            "paragraph": "27(3)",
            "intensity": "2 h/Woche",
            "start": date(2025, 2, 1),
            "end": date(2025, 12, 31),
        },
    ]
    assert [one["amount"] for one in found["CostBooked", "4712"]] == [Decimal("1234.50"), Decimal("80.00")]
    (consent,) = found["ConsentGranted", "815"]
    assert consent["withdrawn_at"] == datetime(2026, 11, 10, 8, 30, 0, 250_000, tzinfo=UTC)
    assert {person for _, person in found} == {"4711", "4712", "4713", "815"}


def test_a_member_that_a_new_release_renames_stops_the_reading_and_is_named(
    vendor: Interface, tmp_path: Path
) -> None:
    cases = json.dumps(vendor.lists["/v2/vorgaenge"]).replace("beteiligte", "personen")
    vendor.lists["/v2/vorgaenge"] = json.loads(cases)
    looking = offline(load_config(tmp_path / "source.toml"), KEY)
    with pytest.raises(DataError, match="/beteiligte is no list of objects"), looking as house:
        list(house.judged(NOW))
