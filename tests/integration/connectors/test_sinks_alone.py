"""A view that a recipient's database or file cannot take waits alone; every other view and deletion is applied."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest
from sqlalchemy import create_engine, text

from connectors.sinks.folder.config import OutSettings
from connectors.sinks.folder.target import FolderTarget
from connectors.sinks.sink import ViewSink
from hub.domain.clock import micros
from hub.domain.seal import place, seal
from hub.parts import Parts
from hub.ports import KeyRef, Outgoing
from schemas import encode_single, record_schema, topics
from tests.support.sinks import NoNames, Staging
from tests.support.world import JA, JC, World

VIEW = record_schema("view")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path / "hub")
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An agency's own database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/uebergabe.sqlite"
    if request.param == "postgres":
        return str(request.getfixturevalue("store_url"))
    return str(request.getfixturevalue("mariadb").url(request.getfixturevalue("mariadb_database")))


def _send(
    world: World, case: str, value: str, *, worker: str = "", removed: bool = False, version: int = 1
) -> None:
    parts = world.parts
    view_id, ref = version.to_bytes(16, "big"), KeyRef("view", JA, f"p_{case}", JC)
    key = parts.keys.sealing([ref])[ref]
    content = orjson.dumps(
        {
            "entries": [
                {
                    "type": "MeasureStarted",
                    "id": "r",
                    "occurred_at": "2026-09-01",
                    "fields": {"provider": value},
                }
            ],
            "withheld": [],
        }
    )
    bound = place("view", VIEW.fingerprint, view_id, ref.subject, JC, key.version)
    box = {"subject_ref": ref.subject, "sender": JC, "box": seal(key.cipher, key.version, content, bound)}
    now = micros(world.clock.now())
    view = {
        "view_id": view_id,
        "recipient": JA,
        "role": "ja_asd",
        "worker": worker or None,
        "case_ref": case,
        "generation": 1,
        "version": version,
        "as_of": now,
        "not_after": now + 3_600_000_000,
        "removed": removed,
        "parts": [] if removed else [box],
        "policy_version": "x",
    }
    parts.log.append(topics()["views"].of(JA), [Outgoing(case.encode(), encode_single(VIEW, view))])


def _shown(staging: Staging) -> set[str]:
    return {str(row["fall_ref"]) for row in staging.rows()}


def test_a_value_that_no_column_takes_holds_up_nobody(world: World, database: str) -> None:
    """NUL on PostgreSQL, a worker's name of 78 characters where a column has 64."""
    staging = Staging(world.parts, JA, database)
    _send(world, "f_gone", "healthy")
    _send(world, "f_bad", "healthy")
    assert staging.step() == {"shown": 2}
    _send(world, "f_bad", "Tr\0äger", version=2)
    _send(world, "f_named", "healthy", worker="Koordination " * 6)
    _send(world, "f_gone", "", removed=True, version=2)
    _send(world, "f_other", "healthy")
    answers = staging.step()
    assert answers["deleted"] == 1
    shown = _shown(staging)
    assert "f_other" in shown
    assert "f_gone" not in shown
    waiting = sum(staging.waiting.values())
    assert waiting == answers.get("waiting", 0)
    if waiting:
        assert set(staging.waiting) == {"not_writable"}
    _send(world, "f_bad", "", removed=True, version=3)
    _send(world, "f_named", "", removed=True, version=3, worker="Koordination " * 6)
    assert staging.step() == {"deleted": 2}
    assert _shown(staging) == {"f_other"}
    assert staging.waiting == {}


def test_what_a_view_that_waits_would_have_replaced_is_taken_away(world: World, store_url: str) -> None:
    staging = Staging(world.parts, JA, store_url)
    _send(world, "f_bad", "more than may be shown now")
    staging.step()
    _send(world, "f_bad", "less\0", version=2)
    assert staging.step() == {"waiting": 1}
    assert staging.rows() == []
    _send(world, "f_bad", "an older one", version=1)
    assert staging.step() == {"superseded": 1}
    assert staging.rows() == []


def test_the_vendors_view_filters_by_lease_on_every_database(world: World, database: str) -> None:
    staging = Staging(world.parts, JA, database)
    _send(world, "f_one", "healthy")
    staging.step()
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE fallbruecke_sicht SET gilt_bis = 9000000000000000"))
    assert len(staging.rows("fallbruecke_aktuell")) == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE fallbruecke_sicht SET gilt_bis = 1000000000000"))
    assert staging.rows("fallbruecke_aktuell") == []
    engine.dispose()


STRANGE = (
    '=HYPERLINK("http://evil";"Klick")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    " =1",
    "a\uffffb",
    "a\x00\x0bb",
)


@pytest.mark.parametrize("kind", ["xml", "csv"])
def test_files_are_well_formed_and_hold_no_formula(world: World, tmp_path: Path, kind: str) -> None:
    for number, value in enumerate((*STRANGE, "-12,50")):
        _send(world, f"f_{number}", value)
    folder = tmp_path / "out"
    settings = OutSettings(folder=folder, format=kind, encoding="utf-8", delimiter=";")
    _step(world.parts, world, tmp_path, settings)
    files = sorted(folder.glob(f"*.{kind}"))
    assert len(files) == len(STRANGE) + 1
    values = {value for path in files for value in _values(path, kind)}
    if kind == "csv":
        assert not {value for value in values if value.lstrip()[:1] in set("=+@") or value[:1] == "\t"}
        assert "-12,50" in values
        assert "'-2+3" in values


def _step(parts: Parts, world: World, tmp_path: Path, settings: OutSettings) -> None:
    names: Any = NoNames()
    book = create_engine(f"sqlite:///{tmp_path}/book.sqlite")
    sink = ViewSink(JA, book, FolderTarget(settings), parts.keys, parts.log, names, 100)
    assert set(sink.step(world.clock.now()).answers) == {"shown"}
    sink.close()


def _values(path: Path, kind: str) -> list[str]:
    if kind == "xml":
        return [str(one.text) for one in ET.parse(path).iter("wert")]  # noqa: S314  our own file
    with path.open(encoding="utf-8", newline="") as file:
        return [row["wert"] for row in csv.DictReader(file, delimiter=";")]
