"""`hub init`: from an empty folder to an embedded hub that runs, with nothing written over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.pipeline.config.connector import load_config
from hub.errors import NoInput, UsageError
from tests.unit.cli.conftest import answer, hub

PAIR = ("--agency", "jc-a:jobcenter:Jobcenter A", "--agency", "ja-a:youth_welfare")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ.keys() & {"HUB_DATA", "HUB_KEK", "HUB_KEK_FILE", "HUB_AGENCIES", "HUB_HOST"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "first-hub"


def test_an_embedded_hub_runs_from_what_init_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer("init", str(folder), *PAIR)
    assert set(found["files"]) == {
        *(".env", "master.key", "agencies.toml"),
        *(
            f"{agency}/{name}"
            for agency in ("jc-a", "ja-a")
            for name in ("controller.kek", "agency.key", "sink.toml")
        ),
    }
    monkeypatch.chdir(folder)
    assert answer("up", "--once")["seconds"] >= 0
    checks = answer("doctor")["checks"]
    assert {one["name"] for one in checks} >= {"agencies", "kek", "ledger", "store", "log", "topics"}
    assert answer("connect", "run", "jc-a/sink.toml", "--once")["answers"] == {}


def test_a_proposed_source_finds_the_hubs_keys_and_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer("init", str(folder), *PAIR)
    monkeypatch.chdir(folder)
    answer("up", "--once")
    (folder / "export").mkdir()
    (folder / "export" / "personen.csv").write_text(
        "PersNr;FallNr;GebDat\n1;7;01.02.1990\n", encoding="utf-8"
    )
    asks = (
        "--agency",
        "jc-a",
        "--agency-kind",
        "jobcenter",
        "--recipient",
        "ja-a:youth_welfare",
        "--hub",
        ".",
    )
    where = ("--folder", "export", "--encoding", "utf-8", "--delimiter", ";")
    answer("connect", "init", "jc-a/source.toml", *asks, *where)
    config = load_config(folder / "jc-a" / "source.toml")
    assert config.log.path == folder / "jc-a" / ".." / "var" / "log.sqlite"
    assert config.keys.kek_file == folder / "jc-a" / "controller.kek"
    assert answer("connect", "run", "jc-a/source.toml", "--once")["events"] == 1


def test_what_it_writes_is_for_its_owner_alone(folder: Path) -> None:
    answer("init", str(folder))
    assert [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077] == []


def test_whatever_a_command_writes_is_its_accounts_alone(folder: Path) -> None:
    """In a process of its own, under the usual umask: databases, logs, ledger, state."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    hub = [sys.executable, "-m", "hub"]
    for call, where in (
        (["init", str(folder)], folder.parent),
        (["up", "--once"], folder),
        (["connect", "run", "jobcenter/sink.toml", "--once"], folder),
    ):
        done = subprocess.run(
            [*hub, *call], cwd=where, env=kept, umask=0o022, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert {"store.sqlite", "keys.sqlite", "log.sqlite", "hub.lock"} <= {path.name for path in found}
    assert [str(path) for path in found if path.stat().st_mode & 0o077] == []


def test_it_writes_all_or_nothing(folder: Path) -> None:
    (folder / "jobcenter").mkdir(parents=True)
    (folder / "jobcenter" / "controller.kek").write_text("a key", encoding="ascii")
    refused = hub("init", str(folder)).exception
    assert isinstance(refused, UsageError)
    assert str(refused) == "jobcenter/controller.kek: file already exists → choose another path"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["controller.kek"]


def test_it_ends_with_the_next_commands(folder: Path) -> None:
    said = hub("init", str(folder)).stdout
    commands = [line for line in said.splitlines() if line.startswith(f"  cd {folder} && ")]
    wanted = (
        "hub up --once",
        "hub doctor",
        "hub connect init jobcenter/source.toml --hub . --agency jobcenter",
    )
    assert len(commands) == len(wanted)
    assert all(one in command for one, command in zip(wanted, commands, strict=True))


@pytest.mark.parametrize(
    "agency", ["jc-a", "jc-a:no_kind", "../up:jobcenter", ":jobcenter", 'a:jobcenter:"x']
)
def test_an_agency_that_is_none_is_refused(folder: Path, agency: str) -> None:
    refused = hub("init", str(folder), "--agency", agency).exception
    assert isinstance(refused, UsageError)
    assert not folder.exists()


def test_a_place_that_is_no_folder_is_refused(folder: Path) -> None:
    folder.write_text("", encoding="ascii")
    assert isinstance(hub("init", str(folder)).exception, NoInput)
