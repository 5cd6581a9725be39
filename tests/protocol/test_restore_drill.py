"""Restore drills (abuse cases 9 and 10, faults 31 and 32): whatever was put back, nothing is served before the ledger
has been replayed, and whoever was dark stays dark."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.adapters.keys.wrapping import as_text, new_master
from hub.cli.app import app
from hub.ports import Erased, KeyRef
from tests.support.world import JA, JC, MASTER, MOTHER, World

ROLE = "ja_asd"
_AGENCIES = f"""
[[agency]]
id = "{JC}"
kind = "jobcenter"

[[agency]]
id = "{JA}"
kind = "youth_welfare"
"""


class Drill:
    """A hub that was backed up while it showed a measure; then the consent was withdrawn, and the key destroyed."""

    def __init__(self, folder: Path, end: Callable[[World], object] | None = None) -> None:
        self.folder, self.data, self.ledger = folder, folder / "var", folder / "export"
        self.now = datetime.fromisoformat("2026-09-01T08:00:00+00:00")
        world = self.world()
        world.know_family()
        world.jc.grants("c1", MOTHER, ["EG"])
        world.measure()
        world.run()
        assert world.seen(JA, ROLE) == ["MeasureStarted"]
        self.key = KeyRef("box", JC, world.jc.ref(MOTHER))
        world.close()
        self.hub("up", "--once")
        shutil.copytree(self.data, folder / "backup")
        world = self.world()
        world.wait(hours=1)
        (end or (lambda world: world.jc.withdraws("c1", MOTHER)))(world)
        world.run()
        self.now = world.clock.now()
        world.close()
        self.hub("up", "--once")
        self.hub("keys", "ledger", "export", str(self.ledger))

    def world(self) -> World:
        """The hub as its stages see it; the ledger lies beside the data, as `hub up` keeps it."""
        return World.at(self.data, now=self.now, ledger_file=None)

    def put_back(self, *names: str) -> None:
        for name in names:
            for old in self.data.glob(f"{name}.sqlite*"):
                old.unlink()
            for kept in (self.folder / "backup").glob(f"{name}.sqlite*"):
                shutil.copy(kept, self.data)

    def hub(self, *arguments: str, code: int = 0) -> None:
        (self.folder / "clock").write_text(self.now.isoformat())
        result = CliRunner().invoke(app, [*arguments])
        found: Any = getattr(result.exception, "exit_code", result.exit_code)
        assert found == code, (result.output, result.exception)

    def refuses(self, code: int) -> None:
        """Nothing that serves starts."""
        self.hub("up", "--once", code=code)

    def restored(self) -> dict[str, Any]:
        """What `hub restore` says it did."""
        result = CliRunner().invoke(app, ["restore", "--ledger", str(self.ledger), "--json"])
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def is_dark(self) -> None:
        """The key is gone, nothing is shown, and not even what the connector says again brings anything back."""
        self.hub("up", "--once")
        world = self.world()
        try:
            assert world.parts.keys.opening([(self.key, 1)])[self.key, 1] == Erased(self.key, 1)
            assert world.parts.keys.opening([(self.key, 1)])[self.key, 1] == Erased(self.key, 1)
            world.wait(hours=1)
            world.measure(publication=2)
            world.run()
            assert world.seen(JA, ROLE) == []
            assert not [part for part in world.open(JA, ROLE).redacted.parts if part.entries]
            assert world.divergence() == 0
        finally:
            world.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agencies.toml").write_text(_AGENCIES)
    for name, value in (
        ("DATA", str(tmp_path / "var")),
        ("KEK", MASTER),
        ("CLOCK_FILE", str(tmp_path / "clock")),
    ):
        monkeypatch.setenv(f"HUB_{name}", value)
    return tmp_path


@pytest.fixture
def drill(settings: Path) -> Drill:
    return Drill(settings)


@pytest.mark.parametrize(
    ("put_back", "ended"), [(("keys",), 0), (("store",), 0), (("store", "log", "keys"), 1)]
)
def test_an_erased_person_stays_erased_and_the_consent_stands_where_the_log_tells(
    settings: Path, put_back: tuple[str, ...], ended: int
) -> None:
    """Only when the log too has forgotten the erasure, a consent is ended for a key that is gone (fail closed)."""
    drill = Drill(settings, lambda world: world.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17"}))
    drill.put_back(*put_back)
    assert drill.restored()["ended_consents"] == ended
    drill.hub("up", "--once")
    world = drill.world()
    assert world.parts.keys.opening([(drill.key, 1)])[drill.key, 1] == Erased(drill.key, 1)
    assert world.rows("case_row") == []
    assert world.seen(JA, ROLE) == []
    assert world.divergence() == 0
    world.close()


def test_without_a_restore_everything_serves(drill: Drill) -> None:
    drill.is_dark()


def test_everything_put_back_at_once(drill: Drill) -> None:
    """Store, log and keys are all old, and agree: only the ledger apart from them knows of the withdrawal."""
    drill.put_back("store", "log", "keys")
    drill.refuses(86)
    drill.hub("restore", "--ledger", str(drill.ledger))
    drill.is_dark()


def test_the_key_database_alone(drill: Drill) -> None:
    drill.put_back("keys")
    drill.refuses(86)
    drill.hub("restore", "--ledger", str(drill.ledger))
    drill.is_dark()


def test_the_key_database_without_a_ledger_beside_it(drill: Drill) -> None:
    """The store was told how many keys were destroyed; an export from before that is not taken for a new one."""
    (drill.folder / "var.ledger").unlink()
    drill.put_back("keys")
    drill.refuses(86)
    old = drill.folder / "old-export"
    drill.hub("keys", "ledger", "export", str(old))
    drill.hub("restore", "--ledger", str(old), code=65)
    drill.refuses(86)
    drill.hub("restore", "--ledger", str(drill.ledger))
    drill.is_dark()


def test_the_store_alone(drill: Drill) -> None:
    """On one machine nothing is committed outside the store: the keys remember how far it had come."""
    drill.put_back("store")
    drill.refuses(82)
    drill.hub("restore", "--ledger", str(drill.ledger))
    drill.is_dark()


def test_store_and_keys(drill: Drill) -> None:
    drill.put_back("store", "keys")
    drill.refuses(86)
    drill.hub("restore", "--ledger", str(drill.ledger))
    drill.is_dark()


def test_a_ledger_that_is_not_whole_is_refused(drill: Drill) -> None:
    drill.put_back("keys")
    cut = drill.folder / "cut"
    cut.write_bytes(drill.ledger.read_bytes()[:-20])
    drill.hub("restore", "--ledger", str(cut), code=65)
    drill.hub("restore", "--ledger", str(drill.folder / "absent"), code=66)
    drill.refuses(86)


def test_the_ledger_holds_pseudonyms_and_no_key(drill: Drill) -> None:
    text = drill.ledger.read_text()
    assert drill.key.subject in text
    assert MOTHER not in text
    assert "wrapped" not in text


def test_key_loss_a_wrong_master_key_raises_at_the_start(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Abuse 10: whoever lost it gets an error that says so, not a hub that seals under another one."""
    monkeypatch.setenv("HUB_KEK", as_text(new_master()))
    drill.hub("up", "--once", code=78)
    drill.hub("keys", "ledger", "export", str(drill.folder / "no"), code=78)
    monkeypatch.setenv("HUB_KEK", "")
    drill.hub("up", "--once", code=78)
    monkeypatch.setenv("HUB_KEK", MASTER)
    drill.is_dark()
