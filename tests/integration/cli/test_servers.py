"""The operating verbs on a real broker and a real PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import build_parts
from hub.cli.app import app
from hub.cli.opened import close_parts
from hub.config import load_settings
from hub.dev.servers import LocalKafka, create_database, drop_database


@pytest.fixture
def agency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An agency's id of this test's own, so that its topics are too."""
    name = f"jc-{uuid4().hex[:8]}"
    entry = f'[[agency]]\nid = "{name}"\nkind = "jobcenter"\n'
    (tmp_path / "agencies.toml").write_text(entry, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


@pytest.fixture
def configured(
    own_kafka: LocalKafka, postgres: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    keys = f"keys_{uuid4().hex[:8]}"
    monkeypatch.setenv("HUB_HOST", "kafka")
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", own_kafka.bootstrap)
    monkeypatch.setenv("HUB_LEDGER_FILE", str(tmp_path / "ledger"))
    monkeypatch.setenv("HUB_DATABASE_URL", _driver(database_url))
    monkeypatch.setenv("HUB_KEY_DATABASE_URL", _driver(create_database(postgres, keys)))
    monkeypatch.setenv("HUB_KEK", as_text(new_master()))
    yield
    drop_database(postgres, keys)


def _driver(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_from_nothing_to_a_hub_in_order(configured: None, agency: str) -> None:
    failing = [check["name"] for check in _answer("doctor", code=1)["checks"] if not check["ok"]]
    assert failing[:2] == ["key_database", "store"]

    assert f"agency.{agency}.events" in _answer("topics", "apply")["created"]
    shown = _answer("topics", "show")["topics"]
    views = next(one for one in shown if one["topic"] == f"agency.{agency}.views")
    assert views["settings"]["retention.ms"] == {"declared": "604800000", "found": "604800000"}
    assert views["settings"]["message.timestamp.type"]["found"] == "LogAppendTime"

    close_parts(build_parts(load_settings()))
    found = _answer("doctor")
    assert found["ok"] is True
    clock = next(check["found"] for check in found["checks"] if check["name"] == "clock")
    assert clock.endswith("between this machine and the database")
    assert _answer("quarantine", "list") == {"quarantined": [], "parked": 0}
    assert _answer("rebuild", "joint_case")["divergence"] == 0
