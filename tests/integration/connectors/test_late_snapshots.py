"""Folders of full snapshots: one that comes too late is held, and rejected on the command line."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

import connectors.sources.snapshot as kind
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.state.state import State
from connectors.sources.files.source import FilesSource
from hub.cli.app import app
from hub.domain.identifiers import AgencyKey
from hub.errors import Refused, UsageError
from tests.integration.connectors.file_drop.house import HEAD, STREAM
from tests.support.delivery import one_delivery

KEY, NOW = AgencyKey(b"k" * 32), datetime(2026, 11, 20, 20, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    stream = STREAM.replace("personen*.csv", "personen.csv")
    (tmp_path / "source.toml").write_text(
        HEAD.replace("file_drop", "snapshot_csv") + stream, encoding="utf-8"
    )
    made = State(tmp_path / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
    yield made
    made.close()


def export(folder: Path, day: str, *people: str) -> None:
    """A snapshot of that day."""
    data = (
        "nr;name;geboren;akte\n" + "".join(f"{n};N;01.02.1990;{who}\n" for n, who in enumerate(people))
    ).encode("cp1252")
    (folder / "drop" / day).mkdir(parents=True)
    (folder / "drop" / day / "personen.csv").write_bytes(data)
    told = {"file": "personen.csv", "rows": len(people), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = json.dumps({"as_of": day, "files": [told]})
    (folder / "drop" / day / "manifest.json").write_text(manifest, encoding="utf-8")


def read(source: FilesSource, state: State) -> tuple[list[str], list[str]]:
    """What is new, and the reasons of what is not read."""
    rows, incidents = one_delivery(source, state, NOW)
    return [str(row.values["akte"]) for row in rows], [one.reason for one in incidents]


def test_an_older_snapshot_is_held_until_it_is_rejected(tmp_path: Path, state: State) -> None:
    export(tmp_path, "2026-11-17", "Anna")
    export(tmp_path, "2026-11-19", "Änne")
    source = kind.build(load_config(tmp_path / "source.toml"), state, KEY)
    assert [read(source, state) for _ in range(3)] == [(["Anna"], []), (["Änne"], []), ([], [])]
    export(tmp_path, "2026-11-18", "Alt")
    assert [read(source, state) for _ in range(2)] == [([], ["as_of_not_newer"])] * 2
    export(tmp_path, "2026-11-20", "Anna")
    assert read(source, state) == (["Anna"], ["as_of_not_newer"])
    state.close()
    config = str(tmp_path / "source.toml")
    assert isinstance(CliRunner().invoke(app, ["connect", "accept", config]).exception, Refused)
    assert isinstance(
        CliRunner().invoke(app, ["connect", "reject", config, "2026-11-01"]).exception, UsageError
    )
    done = CliRunner().invoke(app, ["connect", "reject", config, "2026-11-18"])
    assert (done.exit_code, "Verworfen: 2026-11-18" in done.output) == (0, True)
    assert CliRunner().invoke(app, ["connect", "reject", config]).exit_code == 1
    again = State(tmp_path / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
    assert read(kind.build(load_config(tmp_path / "source.toml"), again, KEY), again) == ([], [])
    again.close()
