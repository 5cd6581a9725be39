"""`hub connect check` proves that a connector can write where it must, and leaves nothing behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from typer.testing import CliRunner

from connectors.pipeline.config.connector import ConnectorConfig, parse_config
from connectors.pipeline.config.kinds import load_kind
from connectors.pipeline.state.sqlite_files import prove_writable
from hub.cli.connect import app
from hub.errors import AccessRefused, ConfigurationError

SETTINGS = {
    "file_drop": {"complete": "rename", "encoding": "utf-8", "delimiter": ";"},
    "xml": {"complete": "rename", "encoding": "utf-8"},
    "file_out": {},
}
KINDS = tuple(SETTINGS)


def configured(where: Path, kind: str, **settings: str) -> ConnectorConfig:
    raw: dict[str, Any] = {
        "agency": {"id": "jc-x", "kind": "jobcenter"},
        "connector": {"kind": kind, "state": "s", "pseudonyms": "p"},
        "settings": {**SETTINGS.get(kind, {}), **settings},
    }
    return parse_config(raw, where)


def try_writing(config: ConnectorConfig) -> None:
    load_kind(config.kind).try_writing(config)


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", KINDS)
def test_folders_are_tried_and_left_as_they_are(kind: str, tmp_path: Path) -> None:
    (tmp_path / "there" / "inbox").mkdir(parents=True)
    before = everything(tmp_path)
    try_writing(configured(tmp_path, kind, folder="there"))
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_cannot_be_written_is_named(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="ascii")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        try_writing(configured(tmp_path, kind, folder="file/there"))


def test_not_even_the_almighty_account_writes_everywhere() -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        prove_writable(Path("/proc/fallbruecke/state.sqlite"), "config.connector.state")


@pytest.fixture(params=["sqlite", "postgres"])
def staging_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("database_url"))
    url = f"sqlite:///{tmp_path}/staging.sqlite"
    create_engine(url).connect().close()
    return url


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()}
    finally:
        engine.dispose()


def test_staging_tables_are_tried_and_taken_back(staging_url: str, tmp_path: Path) -> None:
    try_writing(configured(tmp_path, "staging", url=staging_url))
    assert tables(staging_url) == set()


def test_a_staging_file_is_not_made(tmp_path: Path) -> None:
    try_writing(configured(tmp_path, "staging", url="sqlite:///new.sqlite"))
    assert everything(tmp_path) == []


@pytest.fixture
def stranger(database_url: str) -> Iterator[str]:
    """An account that may look at the database and make nothing in it."""
    name, engine = f"leser_{uuid4().hex[:8]}", create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'"))
    url = make_url(database_url).set(username=name, password=name)
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def test_an_account_that_may_only_read_is_refused(stranger: str, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused):
        try_writing(configured(tmp_path, "staging", url=stranger))


def test_the_check_says_so(house: Path, offices: Any) -> None:
    sink = house.with_name("sink.toml")
    told = json.loads(CliRunner().invoke(app, ["check", str(sink), "--json"]).stdout)["checks"]
    assert {line["name"]: line["ok"] for line in told}["writing"]
    offices.edit(
        "jc-seestadt", lambda toml: toml.replace('url = "sqlite:///', 'url = "sqlite:////proc/'), "sink.toml"
    )
    told = json.loads(CliRunner().invoke(app, ["check", str(sink), "--json", "--lang", "en"]).stdout)[
        "checks"
    ]
    (line,) = (line for line in told if line["name"] == "writing")
    assert (line["ok"], "cannot be written" in line["found"]) == (False, True)
